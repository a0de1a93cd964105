"""Calendar windows: begins, ends, and what is spent in them."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.limits.calendar import PERIODS, CalendarWindow, window


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=timezone.utc).timestamp()  # type: ignore[misc]


class WindowTests(SynchronousTestCase):
    def test_begins_and_ends(self) -> None:
        """Each period begins where a calendar in UTC says so."""
        now = at(2028, 2, 29, 13, 45, 59)
        expected = {
            "second": (now, now + 1),
            "minute": (at(2028, 2, 29, 13, 45), at(2028, 2, 29, 13, 46)),
            "hour": (at(2028, 2, 29, 13), at(2028, 2, 29, 14)),
            "day": (at(2028, 2, 29), at(2028, 3, 1)),
            "week": (at(2028, 2, 28), at(2028, 3, 6)),
            "month": (at(2028, 2, 1), at(2028, 3, 1)),
        }
        self.assertEqual({period: window(period, now) for period in PERIODS}, expected)

    def test_december(self) -> None:
        """A year ends with its last month."""
        self.assertEqual(window("month", at(2026, 12, 31, 23, 59)), (at(2026, 12, 1), at(2027, 1, 1)))

    @given(st.sampled_from(PERIODS), st.floats(0, 4e9))
    def test_windows_tile_time(self, period: str, wall: float) -> None:
        """Every instant is in its window, and the next window begins where it ends."""
        begin, end = window(period, wall)
        self.assertTrue(begin <= wall < end)
        self.assertEqual(window(period, end)[0], end)


class CalendarWindowTests(SynchronousTestCase):
    def test_spent_until_midnight(self) -> None:
        """The quota of a day is refused when it is spent, and the wait ends at midnight."""
        rule = CalendarWindow(2, "day")
        state = rule.fresh()
        evening = at(2026, 5, 4, 23, 0)
        decisions = [rule.hit(state, evening) for _ in range(3)]
        self.assertEqual([d.allowed for d in decisions], [True, True, False])
        self.assertEqual([d.remaining for d in decisions], [1, 0, 0])
        self.assertEqual(decisions[2].retry_after_s, 3600.0)

    def test_peek_counts_nothing(self) -> None:
        """Asking what would happen changes nothing."""
        rule = CalendarWindow(1, "hour")
        state = rule.fresh()
        self.assertTrue(rule.peek(state, 10.0).allowed)
        self.assertTrue(rule.hit(state, 10.0).allowed)
        self.assertFalse(rule.peek(state, 10.0).allowed)
