"""How many lines of one kind a log can bear.

Knows: a window, and how often each kind came in it. Refuses to know: what the lines say. Strategy: what a stranger can
make happen a thousand times a second must not fill a disk: the first few of a kind in ten seconds may be written, and
at their end whoever writes is told how many more there were.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

WINDOW_S = 10.0

Kind = tuple[str, ...]


class Rationed:
    """lines: of one kind in a window. more: told of a kind, and of how many lines of it were left out."""

    def __init__(self, clock: IReactorTime, lines: int, more: Callable[[Kind, int], None]) -> None:
        self._clock = clock
        self._lines = lines
        self._more = more
        self._seen: dict[Kind, int] = {}
        self._call: IDelayedCall | None = None

    def take(self, *kind: str) -> bool:
        """One more of it came. True when it may have a line."""
        seen = self._seen[kind] = self._seen.get(kind, 0) + 1
        if self._call is None:
            self._call = self._clock.callLater(WINDOW_S, self._window_over)
        return seen <= self._lines

    def stop(self) -> None:
        """Tell what was left out so far, and forget the rest."""
        if self._call is not None:
            self._call.cancel()
            self._window_over()

    def _window_over(self) -> None:
        self._call = None
        seen, self._seen = self._seen, {}
        for kind, count in seen.items():
            if count > self._lines:
                self._more(kind, count - self._lines)
