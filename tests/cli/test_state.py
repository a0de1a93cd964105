"""Which gateway a command talks to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.control.call import CallFault
from tests.cli.running import answer_calls, run


class StateDirTests(SynchronousTestCase):
    """--state-dir."""

    def test_said(self) -> None:
        """It names the gateway that is asked."""
        asked = answer_calls(self, CallFault("no"))
        run("status", "--state-dir", "/s/x")
        self.assertEqual([folder for folder, _, _ in asked], ["/s/x"])

    def test_systemd(self) -> None:
        """Without it, $STATE_DIRECTORY does."""
        import os

        self.patch(os, "environ", {**os.environ, "STATE_DIRECTORY": "/s/d"})
        asked = answer_calls(self, CallFault("no"))
        run("status")
        self.assertEqual([folder for folder, _, _ in asked], ["/s/d"])

    def test_no_gateway(self) -> None:
        """When nobody answers, the sentence is the one of the call, and the exit code 1."""
        answer_calls(self, CallFault("no gateway runs there; start one"))
        self.assertEqual(run("status"), (1, "", "hms-gateway: no gateway runs there; start one\n"))
