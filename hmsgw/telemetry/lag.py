"""How late the reactor is.

Knows: that a timer which fires late was kept waiting by something that blocked. Refuses to know: by what.
Strategy: a timer twice a second; the worst delay of the last 15 s, so that a scrape every 15 s misses none.
"""

from __future__ import annotations

from collections import deque

from twisted.internet.interfaces import IDelayedCall, IReactorTime

EVERY_S = 0.5
_WINDOW_S = 15.0


class Lag:
    """start, then read `worst_s` whenever it is wanted."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._late: deque[float] = deque([0.0], maxlen=int(_WINDOW_S / EVERY_S))
        self._due_s = 0.0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Begin to watch."""
        if self._call is None:
            self._again()

    def stop(self) -> None:
        """End it."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def worst_s(self) -> float:
        """The longest delay of the last 15 s; a delay that goes on counts already."""
        overdue_s = 0.0 if self._call is None else self._clock.seconds() - self._due_s
        return max(0.0, overdue_s, *self._late)

    def _again(self) -> None:
        self._due_s = self._clock.seconds() + EVERY_S
        self._call = self._clock.callLater(EVERY_S, self._fired)

    def _fired(self) -> None:
        self._late.append(max(0.0, self._clock.seconds() - self._due_s))
        self._again()
