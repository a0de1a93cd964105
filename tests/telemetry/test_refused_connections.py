"""Connections that are not let in."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.rationed import WINDOW_S
from hmsgw.telemetry.refused_connections import LINES, RefusedConnections


class RefusedConnectionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.counted: Counter[tuple[str, str]] = Counter()
        self.refusals = RefusedConnections(self.clock, lambda *what: self.counted.update([what]))
        self.lines: list[str] = []

        def watch(event: Any) -> None:
            self.lines.append(formatEvent(event))

        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)

    def refuse(self, times: int, reason: str = "tls-handshake") -> None:
        for _ in range(times):
            self.refusals.refused("public", "192.0.2.7", reason, "No TLS.")

    def test_few(self) -> None:
        """A line each, and none afterwards."""
        self.refuse(2)
        self.clock.advance(WINDOW_S)
        said = "connection refused: listener public, client 192.0.2.7, reason tls-handshake: No TLS."
        self.assertEqual([said, said], self.lines)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_flood(self) -> None:
        """The first are told, then how many more there were; all are counted; other reasons are told beside it; and the
        next ten seconds begin anew."""
        self.refuse(LINES + 5)
        self.refuse(1, "ip-filter")
        self.assertEqual(LINES + 1, len(self.lines))
        self.clock.advance(WINDOW_S)
        self.assertEqual(LINES + 2, len(self.lines))
        self.assertIn("reason tls-handshake: 5 more within 10 s", self.lines[-1])
        self.refuse(1)
        self.assertEqual(LINES + 3, len(self.lines))
        self.assertEqual(LINES + 6, self.counted["public", "tls-handshake"])
        self.refusals.stop()

    def test_stop(self) -> None:
        """What was not told yet is told at the end."""
        self.refuse(LINES + 1)
        self.refusals.stop()
        self.assertIn("1 more", self.lines[-1])
        self.refusals.stop()
        self.assertEqual(LINES + 1, len(self.lines))
        self.assertEqual([], self.clock.getDelayedCalls())
