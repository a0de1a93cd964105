"""A listener as its connections see it: what they share, and how many there are.

Knows: the bounds of connections, the ones that are open, whether the gateway is stopping. Refuses to know: sockets,
requests. Strategy: one object a listener, handed to each connection; the current plane is read at each request,
so that a reload reaches kept-alive connections with their next one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from hmsgw.config.model import Deadlines as DeadlineSettings
from hmsgw.config.model import Limits
from hmsgw.deadlines import Deadlines


class Gauge(Protocol):
    """The number of connections that /metrics shows."""

    n: int


class Crowd:
    """The connections of all doors together: what `limits.connections` bounds."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class Door:
    """See the module. name: the listener's. exchange: (stream, plane, head, now) -> an exchange that is not started.
    plane: the one that new exchanges get; a reload stores another.

    canonical_host: the one spelling of an address. become: (transport, protocol), gives an open connection to another
    Protocol. soon: calls when the events that are there have been handled. unsent: the bytes that a transport holds.
    protocols: what is spoken here. open: the connections that are there. refused: told of a connection that is not
    let in: the client's address, one word, a sentence.
    """

    def __init__(
        self,
        name: str,
        scheme: str,
        limits: Limits,
        settings: DeadlineSettings,
        deadlines: Deadlines,
        seconds: Callable[[], float],
        exchange: Callable[[Any, Any, Any, float], Any],
        canonical_host: Callable[[str], str],
        gauge: Gauge,
        crowd: Crowd,
        *,
        h2_gauge: Gauge,
        websocket_gauge: Gauge,
        become: Callable[[Any, Any], None],
        soon: Callable[[Callable[[], None]], object],
        unsent: Callable[[Any], int],
        protocols: tuple[str, ...] = ("h2", "http/1.1"),
    ) -> None:
        self.name = name
        self.scheme = scheme
        self.limits = limits
        self.settings = settings
        self.deadlines = deadlines
        self.seconds = seconds
        self.exchange = exchange
        self.plane: Any = None
        self.canonical_host = canonical_host
        self.gauge = gauge
        self.crowd = crowd
        self.h2_gauge = h2_gauge
        self.websocket_gauge = websocket_gauge
        self.become = become
        self.soon = soon
        self.unsent = unsent
        self.protocols = protocols
        self.open: set[Any] = set()
        self.draining = False
        self.emptied: Callable[[], None] | None = None
        self.stream_gauge: Gauge = gauge
        self.refused: Callable[[str, str, str], None] = lambda client, reason, why: None

    @property
    def takes_h2c(self) -> bool:
        """A client without TLS may begin with HTTP/2's preface."""
        return self.scheme == "http" and "h2" in self.protocols

    def entered(self, connection: Any, gauge: Gauge | None = None) -> bool:
        """A connection is there; False when there are too many already. gauge: of what it speaks; None: HTTP/1.1."""
        self.open.add(connection)
        (gauge or self.gauge).n += 1
        self.crowd.n += 1
        return self.crowd.n <= self.limits.connections

    def left(self, connection: Any, gauge: Gauge | None = None) -> None:
        self.open.discard(connection)
        (gauge or self.gauge).n -= 1
        self.crowd.n -= 1
        if not self.open and self.emptied is not None:
            self.emptied()

    def drain(self) -> None:
        """Idle connections close now, busy ones after their exchange."""
        self.draining = True
        for connection in list(self.open):
            connection.drain()

    def turn_over(self) -> None:
        """The same for those that are open now, while others may come: what let them in does not hold any more."""
        for connection in list(self.open):
            connection.drain()

    def stop_all(self) -> None:
        """The time to drain is over: what is under way ends with an answer that says so, or cut."""
        for connection in list(self.open):
            connection.stop()

    def abort_all(self) -> None:
        """Nothing is waited for any more."""
        for connection in list(self.open):
            connection.abort()
