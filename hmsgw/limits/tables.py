"""Where callers' states lie: tables in generations, and the room that all of them share.

Knows: which states are dead, how many are held, which strangers share a cell. Refuses to know: what a state means.
Strategy: a rolling table has a young and an old generation; a touched state is moved to the young one, so what is left
in the old one after a state's lifetime is dead and is dropped whole. A calendar table drops everything when its window
ends. What was dropped is freed a few entries at each new caller, never in one stall of the reactor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

from hmsgw.limits.calendar import window
from hmsgw.limits.windows import State

_CELLS_A_TABLE = 4096
_FREED_A_STRANGER = 4
_FOREVER = float("inf")

Generation = dict[Hashable, State]


class Cell:
    """The key of an overflow cell; equal to nothing but itself."""

    __slots__ = ()


_CELLS = tuple(Cell() for _ in range(_CELLS_A_TABLE))


class Room:
    """How many states all tables hold together, and the dropped ones that wait to be freed."""

    __slots__ = ("_waste", "held", "max_keys", "overflowing", "tables")

    def __init__(self, max_keys: int) -> None:
        self.max_keys = max_keys
        self.held = 0
        self.overflowing = 0
        self.tables: deque[Table] = deque()
        self._waste: deque[Generation] = deque()

    def drop(self, generation: Generation) -> None:
        """Free `generation` little by little."""
        if generation:
            self._waste.append(generation)

    def tidy(self, now: float, calendar: bool) -> None:
        """Free a little, and let one table be turned that perhaps nobody uses any more."""
        for _ in range(_FREED_A_STRANGER):
            if not self._waste:
                break
            key, _state = self._waste[0].popitem()
            if type(key) is Cell:
                self.overflowing -= 1
            else:
                self.held -= 1
            if not self._waste[0]:
                self._waste.popleft()
        table = self.tables[0]
        self.tables.rotate(-1)
        if table.calendar is calendar and not table.begins <= now < table.turns:
            table.turn(now)


class Table:
    """The states of one set-up's callers. `begins` and `turns`: outside of these seconds call `turn` first."""

    __slots__ = ("_room", "begins", "old", "turns", "young")

    calendar = False

    def __init__(self, room: Room) -> None:
        self._room = room
        self.begins = -_FOREVER
        self.turns = -_FOREVER
        self.young: Generation = {}
        self.old: Generation = {}
        room.tables.append(self)

    def turn(self, now: float) -> float:
        """Drop what is dead at `now`. Returns the time that counts in this table."""
        raise NotImplementedError

    def find(self, key: Hashable, now: float) -> State | None:
        """The state of `key`, young from now on. None: a stranger, of whom `admit` has to be told."""
        young = self.young
        state = young.get(key)
        if state is None:
            state = self.old.pop(key, None)
            if state is not None:
                young[key] = state
            elif self._room.overflowing:
                return self._shared(key, now)
        return state

    def admit(self, key: Hashable, state: State, now: float) -> None:
        """Keep the state of a stranger: under its own key when there is room, else in its overflow cell."""
        self._room.tidy(now, self.calendar)
        if self._has_room():
            self._room.held += 1
            self.young[key] = state
        else:
            self._room.overflowing += 1
            self.young[_CELLS[hash(key) % _CELLS_A_TABLE]] = state

    def _shared(self, key: Hashable, now: float) -> State | None:
        """The cell of `key`, when one is alive. As soon as there is room, `key` gets a copy of its own: it starts from
        what all who shared the cell have used, and the cell is left to die."""
        self._room.tidy(now, self.calendar)
        cell = _CELLS[hash(key) % _CELLS_A_TABLE]
        state = self.young.get(cell) or self.old.get(cell)
        if state is not None:
            if self._has_room():
                self._room.held += 1
                state = self.young[key] = state[:]
            elif cell in self.old:
                self.young[cell] = self.old.pop(cell)
        return state

    def _has_room(self) -> bool:
        room = self._room
        return room.held < room.max_keys and 2 * (len(self.young) + len(self.old)) < room.max_keys


class RollingTable(Table):
    """States that say nothing when they were not touched for `lifetime_s`."""

    __slots__ = ("_turned", "lifetime_s")

    def __init__(self, room: Room) -> None:
        super().__init__(room)
        self.lifetime_s = 0.0
        self._turned = -_FOREVER

    def lengthen(self, lifetime_s: float) -> None:
        """Keep states for at least so long."""
        if lifetime_s > self.lifetime_s:
            self.lifetime_s = lifetime_s
            self.turns = self._turned + lifetime_s

    def turn(self, now: float) -> float:
        idle = now - self._turned >= 2 * self.lifetime_s
        self._room.drop(self.old)
        self.old = self.young
        self.young = {}
        if idle:
            self._room.drop(self.old)
            self.old = {}
        self._turned = now
        self.turns = now + self.lifetime_s
        return now


class CalendarTable(Table):
    """States that belong to one window of a calendar.

    A clock that is set back into the window before keeps the later one running; one that is set back further (a host
    that booted in the future) takes its counts along. Neither hands out new quota, and neither locks out for long.
    """

    __slots__ = ("_period",)

    calendar = True

    def __init__(self, room: Room, period: str) -> None:
        super().__init__(room)
        self._period = period

    def turn(self, now: float) -> float:
        begin, end = window(self._period, now)
        if end == self.begins:
            return self.begins
        if begin > self.begins:
            self._room.drop(self.young)
            self.young = {}
        self.begins, self.turns = begin, end
        return now
