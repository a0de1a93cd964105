"""From words to commands."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from hmsgw import __version__
from hmsgw.cli import audit
from hmsgw.cli.dispatch import COMMANDS, LATER
from tests.cli.running import run


class MainTests(SynchronousTestCase):
    """`main`."""

    def test_help(self) -> None:
        """--help names every command of this version, and none that is not in it."""
        ran = run("--help")
        self.assertEqual(ran.code, 0)
        named = {line.split()[0] for line in ran.out.splitlines() if line.startswith("    ") and line[4:5].strip()}
        self.assertTrue(set(COMMANDS) <= named, ran.out)
        self.assertEqual(named & set(LATER), set())

    def test_help_of_each(self) -> None:
        """Each command has a help of its own."""
        for name in COMMANDS:
            with self.subTest(command=name):
                ran = run(name, "--help")
                self.assertEqual((ran.code, ran.err), (0, ""))
                self.assertIn(f"usage: hms-gateway {name}", ran.out)

    def test_version(self) -> None:
        """--version is one line."""
        self.assertEqual(run("--version"), (0, f"hms-gateway {__version__}\n", ""))

    def test_no_command(self) -> None:
        """Without a command there is the help, and it is a usage error."""
        ran = run()
        self.assertEqual((ran.code, ran.out), (2, ""))
        self.assertIn("usage: hms-gateway", ran.err)

    def test_usage(self) -> None:
        """A wrong word is one sentence that says where to look, and exit code 2."""
        for words in (("frobnicate",), ("--frobnicate",), ("status", "--what"), ("check",), ("explain",)):
            with self.subTest(words=words):
                ran = run(*words)
                self.assertEqual((ran.code, ran.out, ran.err.count("\n")), (2, "", 1))
                self.assertIn("--help", ran.err)

    def test_later(self) -> None:
        """A name that a later version delivers is refused as such, whatever follows."""
        for name in LATER:
            with self.subTest(command=name):
                ran = run(name, "--anything", "at", "all")
                self.assertEqual((ran.code, ran.err.count("\n")), (1, 1))
                self.assertIn("not in this version", ran.err)

    def test_interrupted(self) -> None:
        """Ctrl-C is no traceback."""

        def interrupted(_: object) -> int:
            raise KeyboardInterrupt

        self.patch(audit, "run", interrupted)
        self.assertEqual(run("audit", "verify"), (130, "", ""))

    def test_quick_to_start(self) -> None:
        """Asking for help imports no reactor."""
        code = "import sys, hmsgw.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n"
        code += "sys.exit('twisted.internet.reactor' in sys.modules)"
        path = {"PYTHONPATH": ":".join(sys.path)}
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env=path)
