"""Connections that are not let in: one count each, and a line each as long as somebody can read them.

Knows: how many lines of one kind a log can bear. Refuses to know: why anybody is refused. Strategy: a stranger needs no
token to be refused a thousand times a second, and must not fill the disk by it: the first lines of a kind in ten
seconds are written, and one line at their end says how many more there were. The metric counts every one.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()

WINDOW_S = 10.0
LINES = 100
"""Of one listener and one reason in a window."""


class RefusedConnections:
    """Tell it of each by `refused`. count: of the metric, by listener and reason."""

    def __init__(self, clock: IReactorTime, count: Callable[[str, str], None]) -> None:
        self._clock = clock
        self._count = count
        self._seen: dict[tuple[str, str], int] = {}
        self._call: IDelayedCall | None = None

    def refused(self, listener: str, client: str, reason: str, why: str) -> None:
        """A connection from `client` was not let in. reason: one of a few words. why: a sentence."""
        self._count(listener, reason)
        seen = self._seen[listener, reason] = self._seen.get((listener, reason), 0) + 1
        if self._call is None:
            self._call = self._clock.callLater(WINDOW_S, self._window_over)
        if seen <= LINES:
            _log.warn(
                "connection refused: listener {listener}, client {client}, reason {reason}: {why}",
                listener=listener, client=client, reason=reason, why=why,
            )  # fmt: skip

    def stop(self) -> None:
        """Say what was left unsaid."""
        if self._call is not None:
            self._call.cancel()
            self._window_over()

    def _window_over(self) -> None:
        self._call = None
        seen, self._seen = self._seen, {}
        for (listener, reason), count in seen.items():
            if count > LINES:
                _log.warn(
                    "connections refused: listener {listener}, reason {reason}: {more} more within {window:g} s, "
                    "without a line each; gateway_connections_refused_total counts all",
                    listener=listener, reason=reason, more=count - LINES, window=WINDOW_S,
                )  # fmt: skip
