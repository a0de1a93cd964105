"""What backends did wrong, in the log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.rationed import WINDOW_S
from hmsgw.telemetry.upstream_faults import LINES, UpstreamFaults


class UpstreamFaultsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.faults = UpstreamFaults(self.clock)
        self.lines: list[str] = []

        def watch(event: Any) -> None:
            self.lines.append(formatEvent(event))

        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)

    def fault(self, reason: str = "upstream-protocol", upstream: str = "192.0.2.1:80") -> None:
        finished: Any = SimpleNamespace(
            service="web", upstream=upstream, reason=reason, request_id="ab12", upstream_fault="It said nonsense.",
        )  # fmt: skip
        self.faults.fault(finished)

    def test_told(self) -> None:
        """Where, what, and which request."""
        self.fault()
        self.assertEqual(
            ["service web, 192.0.2.1:80: upstream-protocol, request ab12: It said nonsense."], self.lines
        )
        self.fault(upstream="")
        self.assertEqual("service web: upstream-protocol, request ab12: It said nonsense.", self.lines[-1])
        self.faults.stop()

    def test_connections_are_told_elsewhere(self) -> None:
        """Once an outage, by who makes them."""
        self.fault("upstream-connect")
        self.assertEqual(([], []), (self.lines, self.clock.getDelayedCalls()))

    def test_many(self) -> None:
        """Not each of a thousand."""
        for _ in range(LINES + 7):
            self.fault("upstream-reset")
        self.clock.advance(WINDOW_S)
        self.assertEqual(LINES + 1, len(self.lines))
        self.assertIn("service web: upstream-reset 7 times more within 10 s", self.lines[-1])
