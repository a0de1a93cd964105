"""How many lines of one kind a log can bear."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.rationed import WINDOW_S, Kind, Rationed


class RationedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.left_out: list[tuple[Kind, int]] = []
        self.rationed = Rationed(self.clock, 2, lambda kind, count: self.left_out.append((kind, count)))

    def test_bounded(self) -> None:
        """So many of each kind in a window, whatever comes of others; then how many more there were, then anew."""
        self.assertEqual([True, True, False, False], [self.rationed.take("a", "x") for _ in range(4)])
        self.assertTrue(self.rationed.take("a", "y"))
        self.clock.advance(WINDOW_S)
        self.assertEqual([(("a", "x"), 2)], self.left_out)
        self.assertTrue(self.rationed.take("a", "x"))
        self.clock.advance(WINDOW_S)
        self.assertEqual(1, len(self.left_out))

    def test_idle(self) -> None:
        """Nothing is kept, and nothing waits, when nothing comes."""
        self.rationed.take("a")
        self.clock.advance(WINDOW_S)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_stop(self) -> None:
        """What was left out is told at the end, once."""
        for _ in range(3):
            self.rationed.take("a")
        self.rationed.stop()
        self.rationed.stop()
        self.assertEqual([(("a",), 1)], self.left_out)
        self.assertEqual([], self.clock.getDelayedCalls())
