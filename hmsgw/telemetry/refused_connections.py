"""Connections that are not let in: one count each, and a line each as long as somebody can read them.

Knows: how such a line reads. Refuses to know: why anybody is refused, and how many lines are too many (`rationed`).
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hmsgw.telemetry.rationed import WINDOW_S, Kind, Rationed

_log = Logger()

LINES = 100
"""Of one listener and one reason in a window."""


class RefusedConnections:
    """Tell it of each by `refused`. count: of the metric, by listener and reason."""

    def __init__(self, clock: IReactorTime, count: Callable[[str, str], None]) -> None:
        self._count = count
        self._rationed = Rationed(clock, LINES, self._more)
        self.stop = self._rationed.stop

    def refused(self, listener: str, client: str, reason: str, why: str) -> None:
        """A connection from `client` was not let in. reason: one of a few words. why: a sentence."""
        self._count(listener, reason)
        if self._rationed.take(listener, reason):
            _log.warn(
                "connection refused: listener {listener}, client {client}, reason {reason}: {why}",
                listener=listener, client=client, reason=reason, why=why,
            )  # fmt: skip

    def _more(self, kind: Kind, count: int) -> None:
        listener, reason = kind
        _log.warn(
            "connections refused: listener {listener}, reason {reason}: {more} more within {window:g} s, without a "
            "line each; gateway_connections_refused_total counts all",
            listener=listener, reason=reason, more=count, window=WINDOW_S,
        )  # fmt: skip
