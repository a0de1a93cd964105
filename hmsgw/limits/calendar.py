"""Calendar windows in UTC: the second, minute, hour, day, week (from Monday) or month that an instant lies in.

Knows: when such a window begins and ends, and how a number of requests for each is spent. Refuses to know: where the
counts are kept, and that clocks are set back (the store decides which window runs). Strategy: pure functions of POSIX
seconds, which have no leap seconds, so that every period but the month is a division.
"""

from __future__ import annotations

import calendar
import time
from array import array

from hmsgw.limits.windows import Decision, State

FIXED_S = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 7 * 86400.0}
"""Length in seconds of each period but `month`, whose length varies."""

PERIODS = (*FIXED_S, "month")

_FIRST_MONDAY = 4 * 86400
"""1970-01-05: POSIX time began on a Thursday."""


def window(period: str, wall: float) -> tuple[int, int]:
    """(begin, end) in POSIX seconds of the window of `period` (one of PERIODS) that holds `wall`; `end` is outside."""
    if period == "month":
        year, month = time.gmtime(wall)[:2]
        following = (year + month // 12, month % 12 + 1)
        return calendar.timegm((year, month, 1, 0, 0, 0)), calendar.timegm((*following, 1, 0, 0, 0))
    length = int(FIXED_S[period])
    offset = _FIRST_MONDAY if period == "week" else 0
    begin = int((wall - offset) // length) * length + offset
    return begin, begin + length


class CalendarWindow:
    """`limit` requests in each window. The state is `[total]`, and belongs to one window."""

    __slots__ = ("_begin", "_end", "_period", "limit")

    def __init__(self, limit: int, period: str) -> None:
        self.limit = limit
        self._period = period
        self._begin = self._end = 0

    def fresh(self) -> State:
        return array("d", (0.0,))

    def hit(self, state: State, now: float) -> Decision:
        if not self._begin <= now < self._end:
            self._begin, self._end = window(self._period, now)
        total = state[0] + 1
        wait_s = self._end - now
        if total > self.limit:
            return Decision(False, 0, wait_s, wait_s)
        state[0] = total
        return Decision(True, int(self.limit - total), wait_s, 0.0)

    def peek(self, state: State, now: float) -> Decision:
        return self.hit(state[:], now)
