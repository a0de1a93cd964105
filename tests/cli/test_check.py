"""`hms-gateway check`."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.cli.demo import ROUTES
from tests.cli.running import Ran, run


class CheckTests(SynchronousTestCase):
    """Every fault on one line."""

    def check(self, content: str, *words: str) -> Ran:
        self.path = os.path.abspath(self.mktemp())
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(content)
        return run("check", self.path, *words)

    def test_sound(self) -> None:
        """The tutorial's file is sound, and it is said that nobody checked signatures."""
        ran = self.check(ROUTES)
        self.assertEqual((ran.code, ran.err), (0, ""))
        self.assertIn("sound; 2 routes, 2 services", ran.out)
        self.assertIn("(signatures not checked: no trust root)", ran.out)

    def test_warning(self) -> None:
        """What can't be of use is said on the other channel; the file is sound all the same."""
        ran = self.check(
            "registry: {kind: none}\nlisteners: [{name: raw, tls: off}]\n"
            "streams:\n  - {listener: raw, service: x}\n"
        )
        self.assertEqual((ran.code, ran.err.count("\n")), (0, 1))
        self.assertTrue(ran.err.startswith(f"{self.path}:4:30: warning: `x` is not under `services:`"), ran.err)
        self.assertIn("sound; 0 routes, 1 stream, 1 service", ran.out)

    def test_faults(self) -> None:
        """All of them at once, each with its place, and nothing on stdout."""
        ran = self.check("routes:\n  - {path: /a, servise: x}\n  - {path: b, service: x}\n")
        self.assertEqual((ran.code, ran.out), (1, ""))
        places = [line.split(": ")[0] for line in ran.err.splitlines()]
        self.assertEqual(places, [f"{self.path}:2:16", f"{self.path}:3:12"])

    def test_faults_of_all_kinds(self) -> None:
        """Faults in the form of keys hide neither those of plugins nor of certificates, and make none of their own."""
        ran = self.check(
            "plugins:\n  weak: {plugin: jwt, algorithms: [none]}\n  odd: 5\nroutes:\n"
            "  - {path: /a, servise: x}\n  - {path: /b, service: x, plugins: [odd, nope, [5]]}\n"
            "  - {path: /c, service: x, plugins: [{rate: {limit: 5, store: redis}}]}\n"
        )
        places = [line.split(": ")[0].removeprefix(f"{self.path}:") for line in ran.err.splitlines()]
        self.assertEqual(places, ["2:36", "3:8", "5:16", "6:43", "6:49", "7:63"], ran.err)

    def test_unknown_names(self) -> None:
        """Where the set-ups can't be read at all, no name is said to be unknown."""
        ran = self.check("plugins: [jwt]\nroutes:\n  - {path: /a, service: x, plugins: [mine]}\n")
        self.assertEqual(len(ran.err.splitlines()), 1, ran.err)

    def test_plugins(self) -> None:
        """Plugins are resolved: one that does not exist is a fault at its place."""
        ran = self.check("routes:\n  - {path: /a, service: x, plugins: [rate-60ip, nope]}\n")
        self.assertEqual(ran.code, 1)
        self.assertTrue(ran.err.startswith(f"{self.path}:2:49: "), ran.err)

    def test_certificates(self) -> None:
        """A certificate that is none is a fault."""
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        for name in ("a.pem", "a.key"):
            with open(f"{folder}/{name}", "w") as file:
                file.write("nothing\n")
        pair = f"{{certificate: {folder}/a.pem, key: {folder}/a.key}}"
        ran = self.check(f"listeners: [{{tls: {{certificates: [{pair}]}}}}]\nroutes: []\n")
        self.assertEqual((ran.code, ran.out), (1, ""))
        self.assertEqual(ran.err, (
            f"{self.path}:1:35: certificate 1 of this listener: the certificate is not PEM, or what is between its lines "
            "is damaged\n"
        ))  # fmt: skip
        ran = self.check(f"services:\n  s:\n    tls:\n      ca: {folder}/a.pem\nroutes: []\n")
        self.assertTrue(ran.err.startswith(f"{self.path}:4:7: services.s.tls: the CA is not PEM"), ran.err)

    def test_environment(self) -> None:
        """A file for another environment than the host's is a fault at its line, when the host's is told."""
        content = "routes: []\nenvironment: staging\n"
        ran = self.check(content, "--environment", "prod")
        self.assertEqual(ran.code, 1)
        self.assertTrue(ran.err.startswith(f"{self.path}:2:14: the configuration is for the environment staging"))
        for words in ((), ("--environment", "staging")):
            self.assertEqual(self.check(content, *words).code, 0)

    def test_missing(self) -> None:
        """A file that is not there is a fault like any other."""
        fault = "/nonexistent/routes.yaml:1:1: this file can't be read: No such file or directory\n"
        self.assertEqual(run("check", "/nonexistent/routes.yaml"), (1, "", fault))
