"""Counters in this process's memory: a bounded number of callers, each with a small state.

Knows: how callers' states are kept, forgotten when they say nothing any more, and shared when there is no more room.
Refuses to know: what a caller is, and what happens to one that is refused. Strategy: one table a set-up, in generations
(`tables.py`), so that forgetting costs nothing a request. When the room is full, new callers share a fixed number of
overflow cells, chosen by hash: a flood of addresses makes strangers wait for one another, and lets nobody in who would
not have been let in.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Protocol

from hmsgw.limits.calendar import CalendarWindow
from hmsgw.limits.tables import CalendarTable, RollingTable, Room, Table
from hmsgw.limits.windows import Decision, Rule, SlidingWindow, TokenBucket

MAX_KEYS = 500_000
"""Measured: 230 bytes for a caller that came once or twice, its address included, so 115 MB when all the room is used;
1 KiB for one with hits in every fiftieth of its window."""


class Limit(Protocol):
    """One limit of one set-up. `now`: monotonic seconds for `sliding` and `bucket`, POSIX seconds for `calendar`."""

    def hit(self, key: Hashable, now: float) -> Decision:
        """Count one request of the caller `key`, if it may pass."""

    def peek(self, key: Hashable, now: float) -> Decision:
        """What `hit` would say, without counting."""


class Counters:
    """Every counter of a process. Outlives configurations, so that a reload hands out no new quota.

    max_keys: how many callers have a state of their own, over all set-ups. One set-up may use half of that, so that a
    flood upon one leaves room for the others.
    """

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._room = Room(max_keys)
        self._rolling: dict[tuple[str, str], RollingTable] = {}
        self._calendars: dict[tuple[str, str], CalendarTable] = {}

    @property
    def size(self) -> int:
        """How many states are held: dropped ones that are not freed yet and overflow cells included."""
        return self._room.held + self._room.overflowing

    def sliding(self, identity: str, limit: int, per_s: float) -> Limit:
        """`limit` in any window of `per_s` seconds. The same identity and `per_s` share their counters."""
        rule = SlidingWindow(limit, per_s)
        return TableLimit(rule, self._rolling_table(identity, f"sliding {per_s!r}", rule.lifetime_s))

    def bucket(self, identity: str, limit: int, per_s: float, burst: int) -> Limit:
        """`limit` in `per_s` seconds on average, `burst` at once."""
        rule = TokenBucket(limit, per_s, burst)
        return TableLimit(rule, self._rolling_table(identity, f"bucket {per_s!r}", rule.lifetime_s))

    def calendar(self, identity: str, limit: int, period: str) -> Limit:
        """`limit` in each `period` of the calendar (`hmsgw.limits.calendar.PERIODS`), UTC."""
        table = self._calendars.get((identity, period))
        if table is None:
            table = self._calendars[identity, period] = CalendarTable(self._room, period)
        return TableLimit(CalendarWindow(limit, period), table)

    def rename(self, was: str, identity: str) -> None:
        """What was counted for `was` counts for `identity` from now on, which has nothing of its own yet."""
        both: tuple[dict[tuple[str, str], Any], ...] = (self._rolling, self._calendars)
        for tables in both:
            for name, kind in [key for key in tables if key[0] == was]:
                tables.setdefault((identity, kind), tables.pop((name, kind)))

    def _rolling_table(self, identity: str, kind: str, lifetime_s: float) -> RollingTable:
        table = self._rolling.get((identity, kind))
        if table is None:
            table = self._rolling[identity, kind] = RollingTable(self._room)
        table.lengthen(lifetime_s)
        return table


class TableLimit:
    """A rule over a table."""

    __slots__ = ("_rule", "_table")

    def __init__(self, rule: Rule, table: Table) -> None:
        self._rule = rule
        self._table = table

    def hit(self, key: Hashable, now: float) -> Decision:
        table = self._table
        at = now if table.begins <= now < table.turns else table.turn(now)
        state = table.young.get(key)
        if state is None:
            state = table.find(key, now)
            if state is None:
                state = self._rule.fresh()
                table.admit(key, state, now)
        return self._rule.hit(state, at)

    def peek(self, key: Hashable, now: float) -> Decision:
        table = self._table
        at = now if table.begins <= now < table.turns else table.turn(now)
        state = table.find(key, now)
        return self._rule.peek(self._rule.fresh() if state is None else state, at)
