"""What backends did wrong, for whoever runs them.

Knows: how such a line reads. Refuses to know: protocols, and how many lines are too many (`rationed`). Strategy: the
request's own line has the word and the endpoint, the client has a sentence that gives nothing away; the operator gets
both here.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from hmsgw.telemetry.rationed import WINDOW_S, Kind, Rationed

_log = Logger()

LINES = 10
"""Of one service and one reason in a window."""
#: A connection that can't be made is told once an outage, by who makes it (`upstream.cluster`).
_TOLD_ELSEWHERE = frozenset({"upstream-connect"})


class Finished(Protocol):
    """An exchange that a backend's fault has ended. upstream_fault: which, in a sentence."""

    service: str
    upstream: str
    reason: str
    request_id: str
    upstream_fault: str


class UpstreamFaults:
    """Tell it of each by `fault`."""

    def __init__(self, clock: IReactorTime) -> None:
        self._rationed = Rationed(clock, LINES, self._more)
        self.stop = self._rationed.stop

    def fault(self, exchange: Finished) -> None:
        """An exchange ended so."""
        service, reason = exchange.service, exchange.reason
        if reason not in _TOLD_ELSEWHERE and self._rationed.take(service, reason):
            endpoint = f", {exchange.upstream}" if exchange.upstream else ""  # none was asked
            _log.warn(
                "service {service}{endpoint}: {reason}, request {request_id}: {fault}",
                service=service, endpoint=endpoint, reason=reason, request_id=exchange.request_id,
                fault=exchange.upstream_fault,
            )  # fmt: skip

    def _more(self, kind: Kind, count: int) -> None:
        service, reason = kind
        _log.warn(
            "service {service}: {reason} {more} times more within {window:g} s, without a line each; the requests' own "
            "lines have them all",
            service=service, reason=reason, more=count, window=WINDOW_S,
        )  # fmt: skip
