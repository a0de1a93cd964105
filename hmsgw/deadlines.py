"""One clock hand for every deadline of a worker.

Knows: which watched object is due when, to a tenth of a second. Refuses to know: what a passed deadline means.
Strategy: a lazy timer wheel. Setting a deadline is an attribute store; the wheel is touched only when the new deadline
comes before the slot in which the object already waits. A reactor's own callLater costs a heap and an object each,
which a gateway would pay several times a request; here ten thousand idle connections cost one look in 75 s each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

NEVER = math.inf

_TICKS_PER_S = 10


class Watched(Protocol):
    """What the wheel holds: when it is due, and when the wheel will look at it next; both start as NEVER."""

    deadline: float
    wake_s: float

    def deadline_passed(self, now: float) -> None:
        """The deadline has passed; it is NEVER again. May set a new one."""


class Deadlines:
    """Calls `deadline_passed` on objects whose deadline lies in the past, never before it, at most 0.2 s late.

    clock: for `callLater`. seconds: the monotonic clock by which deadlines are set (a reactor's own may be the wall's).
    """

    def __init__(self, clock: IReactorTime, seconds: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._slots: dict[float, set[Watched]] = {}
        self._tick = int(seconds() * _TICKS_PER_S)
        self._call: IDelayedCall | None = None

    def arm(self, watched: Watched, deadline: float) -> None:
        """Let `watched` be due at `deadline` (absolute, by `seconds`), in place of any earlier setting."""
        watched.deadline = deadline
        if deadline < watched.wake_s:
            self.look_earlier(watched)

    def forget(self, watched: Watched) -> None:
        """Let go of `watched`: no deadline any more, and the wheel keeps no reference. (To have no deadline for a
        while, store NEVER in `watched.deadline`.)"""
        watched.deadline = NEVER
        if watched.wake_s < NEVER:
            slot = self._slots.get(watched.wake_s)
            if slot is not None:
                slot.discard(watched)
            watched.wake_s = NEVER

    def stop(self) -> None:
        """Forget everything; nothing is called any more."""
        self._slots.clear()
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def look_earlier(self, watched: Watched) -> None:
        """The second half of `arm`, for hot paths that do the first in place:

        `watched.deadline = at`, then `if at < watched.wake_s: deadlines.look_earlier(watched)`.
        """
        tick = max(int(watched.deadline * _TICKS_PER_S), self._tick) + 1
        earlier = self._slots.get(watched.wake_s)
        if earlier is not None:
            earlier.discard(watched)
        watched.wake_s = wake_s = tick / _TICKS_PER_S
        slot = self._slots.get(wake_s)
        if slot is None:
            self._slots[wake_s] = {watched}
        else:
            slot.add(watched)
        if self._call is None:
            self._tick = max(self._tick, int(self._seconds() * _TICKS_PER_S))
            self._call = self._clock.callLater(1 / _TICKS_PER_S, self._advance)

    def _advance(self) -> None:
        self._call = None
        now = self._seconds()
        upto = int(now * _TICKS_PER_S)
        due: list[set[Watched]] = []
        for tick in range(self._tick, upto + 1):
            slot = self._slots.pop(tick / _TICKS_PER_S, None)
            if slot:
                due.append(slot)
        self._tick = upto
        for slot in due:
            for watched in slot:
                watched.wake_s = NEVER
                if watched.deadline <= now:
                    watched.deadline = NEVER
                    watched.deadline_passed(now)
                elif watched.deadline < NEVER:
                    self.arm(watched, watched.deadline)
        if self._slots and self._call is None:
            self._call = self._clock.callLater(1 / _TICKS_PER_S, self._advance)
