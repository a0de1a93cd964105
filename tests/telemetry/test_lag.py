"""How late the reactor is."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.lag import Lag


class LagTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lag = Lag(self.clock)
        self.lag.start()

    def test_in_time(self) -> None:
        """Timers that fire in time: no lag."""
        for _ in range(10):
            self.clock.advance(0.5)
        self.assertEqual(self.lag.worst_s(), 0.0)

    def test_late(self) -> None:
        """A reactor that was blocked for 0.3 s is told of for 15 s, then forgotten."""
        self.clock.advance(0.8)
        self.assertAlmostEqual(self.lag.worst_s(), 0.3)
        for _ in range(29):
            self.clock.advance(0.5)
        self.assertAlmostEqual(self.lag.worst_s(), 0.3)
        self.clock.advance(0.5)
        self.assertEqual(self.lag.worst_s(), 0.0)

    def test_going_on(self) -> None:
        """Asked in the middle of a delay, it counts what there is of it already."""
        self.clock.rightNow += 2.0
        self.assertAlmostEqual(self.lag.worst_s(), 1.5)

    def test_stop(self) -> None:
        """Starting twice is starting once; stopping leaves no timer."""
        self.lag.start()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.lag.stop()
        self.lag.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
