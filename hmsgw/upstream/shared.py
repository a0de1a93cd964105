"""HTTP/2 connections to one endpoint, and the exchanges that wait for one to be made.

Knows: who is served when a connection is there, that one is made at a time, what an endpoint turned out to speak.
Refuses to know: which endpoint to choose (`upstream.cluster`), bytes, how a socket is made (`connect` is an argument).
Strategy: an exchange gets a stream of a connection that has room, and none with a body where a body is stuck already;
else it waits for the next one, which is ready once the backend has said how many it takes. Where ALPN chose HTTP/1.1,
those who waited go the other way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from hmsgw.reasons import UPSTREAM_CONNECT, UPSTREAM_PROTOCOL, Reason
from hmsgw.upstream.h2_connection import UpstreamH2Connection
from hmsgw.upstream.h2_stream import UpstreamStream

#: How long it is believed that an endpoint speaks no HTTP/2.
_BELIEVED_S = 600.0
_BOTH = (b"h2", b"http/1.1")


class Endpoint(Protocol):
    """Whom the connections lead to (`upstream.cluster.Member`)."""

    name: str
    active: int

    def reached(self) -> None: ...


class Place:
    """An exchange that waits; `cancel` gives it up. settled: it has ended, one way or another."""

    __slots__ = ("_inner", "_release", "exchange", "first_byte_s", "idle_s", "settled")
    connecting = True

    def __init__(
        self, exchange: Any, first_byte_s: float | None, idle_s: float | None, release: Callable[[], None]
    ) -> None:
        self.exchange = exchange
        self.first_byte_s = first_byte_s
        self.idle_s = idle_s
        self.settled = False
        self._inner: Any = None
        self._release = release

    def goes_on_as(self, attempt: Any) -> None:
        """It waits for a connection of its own now."""
        self.settled = True
        self._inner = attempt

    def cancel(self) -> None:
        """Give up; the exchange is told nothing."""
        if self._inner is not None:
            self._inner.cancel()
        elif not self.settled:
            self.settled = True
            self._release()


class Chooser(TwistedProtocol):
    """Becomes what ALPN chose. chosen: that, once the connection is there."""

    chosen: Any = None

    def __init__(
        self, http2: Callable[[], Any], http1: Callable[[], Any] | None, become: Callable[[Any, Any], None]
    ) -> None:
        self._http2, self._http1, self._become = http2, http1, become

    def connectionMade(self) -> None:
        transport: Any = self.transport
        if getattr(transport, "negotiatedProtocol", None) == b"h2":
            self.chosen = self._http2()
        elif self._http1 is not None:
            self.chosen = self._http1()
        else:
            return
        self._become(transport, self.chosen)


class SharedConnections:
    """See the module. name: the endpoint's authority. http1_until: until then it is known to speak no HTTP/2.

    connect: a protocol factory and what ALPN offers -> Deferred of the connected protocol. new: makes a connection.
    http1: None where nothing but HTTP/2 will do, else what makes an HTTP/1.1 connection. taken: (place, connection or
    None for a new one): the exchange goes on over HTTP/1.1. unreachable: notes an error, and what to tell of it.
    expected: what the endpoint should speak, as `protocol:` calls it.
    """

    def __init__(
        self,
        member: Endpoint,
        expected: str,
        *,
        connect: Callable[[Callable[[], Any], tuple[bytes, ...]], Deferred[Any]],
        new: Callable[[SharedConnections], UpstreamH2Connection],
        http1: Callable[[], Any] | None,
        taken: Callable[[Place, Any], None],
        unreachable: Callable[[Failure], str],
        become: Callable[[Any, Any], None],
        seconds: Callable[[], float],
    ) -> None:
        self.name = member.name
        self._member = member
        self.http1_until = 0.0
        self._expected = expected
        self._connect = connect
        self._new = new
        self._http1 = http1
        self._taken = taken
        self._unreachable = unreachable
        self._become = become
        self._seconds = seconds
        self._connections: list[UpstreamH2Connection] = []
        self._waiting: list[Place] = []
        self._opening: UpstreamH2Connection | None = None
        self._is_opening = False
        self._gone = False

    def take(self, exchange: Any, first_byte_s: float | None, idle_s: float | None) -> UpstreamStream | Place:
        """A stream, or a place to wait for one: it ends in `upstream_connected` or `upstream_unavailable`."""
        for connection in self._connections:
            if connection.has_room and (connection.takes_bodies or not exchange.sends_body):
                return connection.lease(exchange, first_byte_s, idle_s)
        place = Place(exchange, first_byte_s, idle_s, self.stream_released)
        self._waiting.append(place)
        if not self._is_opening:
            self._open()
        return place

    def close_idle(self) -> None:
        """Close what nobody uses; what is leased closes when its last exchange ends."""
        self._gone = True
        for connection in self._connections.copy():
            connection.close_idle()

    # --- a connection is made

    def _open(self) -> None:
        self._is_opening = True
        if self._expected == "h2c":
            deferred = self._connect(lambda: self._new(self), _BOTH)
        else:
            # Both even where only one will do: a backend that ends the handshake can't say what it speaks.
            deferred = self._connect(lambda: Chooser(lambda: self._new(self), self._http1, self._become), _BOTH)
        deferred.addCallbacks(self._connected, self._failed)

    def _connected(self, made: Any) -> None:
        chosen = made.chosen if isinstance(made, Chooser) else made
        if chosen is None:
            made.transport.abortConnection()
            self._refuse(UPSTREAM_PROTOCOL, "The upstream does not speak HTTP/2, which `protocol: h2` asks for.")
        elif isinstance(chosen, UpstreamH2Connection):
            if chosen.lost:
                self._refuse(*_fault_of(chosen))
            elif not chosen.is_ready:
                self._opening = chosen
            else:
                self._opened(chosen)
        else:
            self._is_opening = False
            self.http1_until = self._seconds() + _BELIEVED_S
            waiting = self._take_waiting()
            if not waiting:
                chosen.close_idle()
            for place in waiting:
                if not place.settled:  # by one that was served before it
                    self._taken(place, chosen)
                    chosen = None

    def _failed(self, failure: Failure) -> None:
        failure.trap(CancelledError, Exception)
        self._refuse(UPSTREAM_CONNECT, self._unreachable(failure))

    def ready(self, connection: UpstreamH2Connection) -> None:
        """It has said how many exchanges it takes."""
        if connection is self._opening:
            self._opened(connection)

    def _opened(self, connection: UpstreamH2Connection) -> None:
        self._opening, self._is_opening = None, False
        if not connection.has_room:
            connection.close_idle()
            self._refuse(UPSTREAM_PROTOCOL, "The upstream takes no request on its HTTP/2 connections.")
            return
        self._member.reached()
        self._connections.append(connection)
        waiting = self._take_waiting()
        for at, place in enumerate(waiting):
            if not connection.has_room:
                self._waiting = waiting[at:] + self._waiting
                break
            if not place.settled:  # by one that was served before it
                place.settled = True
                stream = connection.lease(place.exchange, place.first_byte_s, place.idle_s)
                place.exchange.upstream_connected(stream, self._seconds())
        if self._waiting and not self._is_opening:
            self._open()
        if self._gone:
            connection.close_idle()

    def _refuse(self, reason: Reason, detail: str) -> None:
        self._opening, self._is_opening = None, False
        for place in self._take_waiting():
            place.settled = True
            self.stream_released()
            place.exchange.upstream_unavailable(reason, detail, self._member)

    def _take_waiting(self) -> list[Place]:
        waiting, self._waiting = self._waiting, []
        return [place for place in waiting if not place.settled]

    # --- what its connections say

    def stream_released(self) -> None:
        """An exchange is over."""
        self._member.active -= 1

    def lost_shared(self, connection: UpstreamH2Connection) -> None:
        """It takes no more exchanges."""
        if connection in self._connections:
            self._connections.remove(connection)
        if connection is self._opening:
            self._refuse(*_fault_of(connection))


def _fault_of(connection: UpstreamH2Connection) -> tuple[Reason, str]:
    if connection.fault is not None:
        return UPSTREAM_PROTOCOL, connection.fault
    return UPSTREAM_PROTOCOL, "The upstream closed the connection where HTTP/2 was expected to begin."
