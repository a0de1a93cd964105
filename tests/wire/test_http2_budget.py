"""A budget for what costs a client nothing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.http2_budget import Budget


class BudgetTests(SynchronousTestCase):
    """`Budget`."""

    def test_flood(self) -> None:
        """Frames that ask for nothing use it up, within a few thousand."""
        budget = Budget()
        frames = 0
        while budget.spend(1000.0):
            frames += 1
        self.assertTrue(1000 < frames < 10_000, frames)
        self.assertFalse(budget.spend(1000.0))

    def test_work_fills_it(self) -> None:
        """A busy connection with an acknowledgement for each request, or for each 4 KiB, never feels it."""
        budget = Budget()
        for _ in range(20_000):
            budget.earn_request()
            self.assertTrue(budget.spend(1000.0))
        for _ in range(20_000):
            budget.earn_piece(4096)
            self.assertTrue(budget.spend(1000.0) and budget.spend(1000.0))

    def test_little_is_said(self) -> None:
        """Small messages count, and a connection that is kept awake by pings is no flood however long it lives."""
        budget = Budget()
        for _ in range(20_000):
            budget.earn_piece(1)
            self.assertTrue(budget.spend(1000.0, 3))
        self.assertTrue(all(budget.spend(2000.0 + second / 9) for second in range(50_000)))

    def test_resets(self) -> None:
        """A few hundred requests may be given up at once, and after that some each second, for ever."""
        budget = Budget()
        count = 0
        while budget.spend_reset(1000.0):
            count += 1
        self.assertTrue(200 < count < 1000, count)
        self.assertFalse(budget.spend_reset(1000.01))
        self.assertTrue(all(budget.spend_reset(1100.0 + second / 10) for second in range(5000)))

    def test_saves_nothing_up(self) -> None:
        """Work before a flood does not make it longer."""
        budget = Budget()
        fresh = budget.left
        budget.earn_piece(10**9)
        budget.earn_request()
        self.assertEqual(fresh, budget.left)
