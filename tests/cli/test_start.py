"""`hms-gateway start`, up to the door."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw import tap
from hmsgw.control.options import StartOptions
from tests.cli.running import run


class StartTests(SynchronousTestCase):
    """The words that become options."""

    def setUp(self) -> None:
        self.started: list[StartOptions] = []

        def started(options: StartOptions) -> int:
            self.started.append(options)
            return 0

        self.patch(tap, "run", started)

    def test_options(self) -> None:
        """Every option gets to the gateway."""
        ran = run(
            "start", "--port", "1", "--admin-port=2", "--config", "/c", "--state-dir", "/s", "--workers", "1",
            "--environment", "e", "--dev",
        )  # fmt: skip
        self.assertEqual(ran, (0, "", ""))
        self.assertEqual(
            self.started, [StartOptions(config="/c", state_dir="/s", port=1, admin_port=2, environment="e", dev=True)]
        )

    def test_contradictions(self) -> None:
        """What can't be is a usage error, and nothing starts."""
        for words in (("--port", "x"), ("--workers", "auto"), ("--trust", "t"), ("--port",), ("stray",)):
            with self.subTest(words=words):
                ran = run("start", *words)
                self.assertEqual((ran.code, ran.err.count("\n"), self.started), (2, 1, []))
