"""`hms-gateway audit verify`."""

from __future__ import annotations

import tempfile

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.state import StateFolder
from hmsgw.governance.audit import AuditLog
from tests.cli.running import run


class AuditTests(SynchronousTestCase):
    """How the verdict reads."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.path = StateFolder(scratch.name).audit_log
        self.words = ("audit", "verify", "--state-dir", scratch.name)

    def test_whole(self) -> None:
        """The number of lines and the hash to compare with a copy kept elsewhere."""
        log = AuditLog(self.path, lambda: 0.0)
        log.record("accepted", "start", {})
        head = log.record("accepted", "start", {})
        self.assertEqual(run(*self.words), (0, f"{self.path}: 2 lines, whole; the last one is {head}\n", ""))

    def test_broken(self) -> None:
        """Where it breaks, and 1."""
        with open(self.path, "w") as file:
            file.write("{}\n")
        ran = run(*self.words)
        self.assertEqual((ran.code, ran.out), (1, ""))
        self.assertIn(f"{self.path}:1: ", ran.err)

    def test_another_word(self) -> None:
        """`verify` is all that there is."""
        ran = run("audit", "bogus")
        expected = "hms-gateway: there is no `audit bogus`; say `hms-gateway audit verify`\n"
        self.assertEqual(ran, (2, "", expected))

    def test_none(self) -> None:
        """No log is a sentence."""
        ran = run(*self.words)
        self.assertEqual(ran.code, 1)
        self.assertIn("--state-dir", ran.err)
