"""A service's endpoints, and the connections to each.

Knows: who may be picked, who has how many requests under way, which connections wait to be used again.
Refuses to know: how bytes are read, where endpoints come from (`set_endpoints` is told), how a socket is made
(`connect` is an argument). Strategy: state changes at the decision: a lease is taken before the caller's next line.
An endpoint that could not be connected to is passed over for a second (doubling to ten) while others are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.model import Service
from hmsgw.deadlines import NEVER, Deadlines
from hmsgw.reasons import UPSTREAM_CONNECT, Reason
from hmsgw.upstream.balance import BALANCES
from hmsgw.upstream.connection import UpstreamConnection
from hmsgw.upstream.events import UpstreamEvents
from hmsgw.upstream.h2_connection import UpstreamH2Connection
from hmsgw.upstream.h2_stream import UpstreamStream
from hmsgw.upstream.shared import Place, SharedConnections
from hmsgw.upstream.tunnel import UpstreamTunnel
from hmsgw.wire.proxy_protocol import proxy_header

_log = Logger()

#: How long a connection may wait in the pool. Below the keep-alive of the servers that close soonest (Node.js and
#: Apache: 5 s), so that the race with their close is rare; a retry repairs the rest.
POOL_IDLE_S = 4.0
_MAX_IDLE = 1024
_MAX_HEAD_BYTES = 256 * 1024
HTTP1_ALPN = (b"http/1.1",)

Connect = Callable[..., "Deferred[Any]"]
"""(endpoint, protocol factory, what ALPN offers) -> Deferred of the connected protocol; fails with an error whose str()
is a sentence. A fourth argument: bytes that are to go out first, before TLS."""


class Waiting(UpstreamEvents, Protocol):
    """An exchange that asks for a connection. caller: whom it speaks for. peer: the connection that it came over."""

    caller: Any
    peer: Any

    def upstream_connected(self, connection: Any, now: float) -> None:
        """The lease has begun."""

    def upstream_unavailable(self, reason: Reason, detail: str, member: Member) -> None:
        """There is no connection to be had to that endpoint."""


class Member:
    """One endpoint of a service. active: requests under way, waiting for a connection included. keeps: a connection may
    serve one request after the other."""

    __slots__ = (
        "active", "calls", "endpoint", "failures", "gone", "idle", "keeps", "name", "passed_over_until", "shared",
        "weight",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.name = endpoint.authority
        self.weight = endpoint.weight
        self.active = 0
        self.failures = 0
        self.passed_over_until = 0.0
        self.gone = False
        self.keeps = True
        self.idle: list[UpstreamConnection] = []
        #: HTTP/2 for all requests, and for gRPC only; None: HTTP/1.1.
        self.shared: SharedConnections | None = None
        self.calls: SharedConnections | None = None

    def released(self, connection: UpstreamConnection, reusable: bool) -> None:
        self.active -= 1
        if reusable:
            if self.gone or len(self.idle) >= _MAX_IDLE or not self.keeps:
                connection.close_idle()
            else:
                self.idle.append(connection)

    def lost_idle(self, connection: UpstreamConnection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)

    def reached(self) -> None:
        """A connection is there."""
        self.failures = 0
        self.passed_over_until = 0.0

    def connect_failed(self, now: float) -> None:
        self.failures += 1
        self.passed_over_until = now + min(10.0, 2.0 ** (self.failures - 1))

    def close_idle(self) -> None:
        """Close what waits; what is leased closes when its exchange ends."""
        self.gone = True
        idle, self.idle = self.idle, []
        for connection in idle:
            connection.close_idle()
        for shared in (self.shared, self.calls):
            if shared is not None:
                shared.close_idle()


class Attempt:
    """A connection being made for an exchange; `cancel` gives it up. settled: it has ended, one way or another."""

    __slots__ = ("_deferred", "member", "settled")
    connecting = True

    def __init__(self, member: Member) -> None:
        self.member = member
        self.settled = False
        self._deferred: Deferred[Any] | None = None

    def begin(self, deferred: Deferred[Any]) -> None:
        if not self.settled:
            self._deferred = deferred

    def cancel(self) -> None:
        """Give up; the exchange is told nothing."""
        if not self.settled:
            self.settled = True
            self.member.active -= 1
            if self._deferred is not None:
                self._deferred.cancel()


Taken = UpstreamConnection | UpstreamStream | Attempt | Place | None


class Cluster:
    """The endpoints of one service. `retrying` counts the requests that are second tries, for the retry budget.
    soon: calls when the events that are there have been handled. become: (transport, protocol), gives an open
    connection to another Protocol. window_bytes: what may come of one answer over HTTP/2 before its client took it.

    announces: each connection begins with who the client is, so it never serves another request. takes_calls: of gRPC,
    which is HTTP/2's.
    """

    def __init__(
        self,
        name: str,
        settings: Service,
        connect: Connect,
        deadlines: Deadlines,
        seconds: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        become: Callable[[Any, Any], None],
        window_bytes: int,
    ) -> None:
        self.name = name
        self.settings = settings
        self._connect = connect
        self._deadlines = deadlines
        self._seconds = seconds
        self._soon = soon
        self._become = become
        self._window_bytes = window_bytes
        self._choose = BALANCES[settings.balance]
        self._turn = 0
        self.announces = settings.proxy_protocol == "v2"
        self.takes_calls = settings.protocol != "http/1.1" and not self.announces
        self.members: list[Member] = []
        self.retrying = 0

    @property
    def active(self) -> int:
        """Requests under way."""
        return sum(member.active for member in self.members)

    def set_endpoints(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Replace the endpoints; those that stay keep their connections and counts, whatever their weight is now."""
        there = {member.endpoint[:3]: member for member in self.members}
        kept: list[Member] = []
        for endpoint in {endpoint[:3]: endpoint for endpoint in endpoints}.values():
            member = there.pop(endpoint[:3], None)
            if member is None:
                member = Member(endpoint)
                member.keeps = not self.announces
                protocol = self.settings.protocol
                if member.keeps and (protocol in ("h2", "h2c") or (protocol == "auto" and endpoint.scheme == "https")):
                    member.shared = self._shared(member, protocol)
            member.endpoint, member.weight = endpoint, endpoint.weight
            kept.append(member)
        self.members = kept
        for gone in there.values():
            gone.close_idle()

    def take(self, exchange: Waiting, key: str, max_wait_s: float, tried: list[Member] | None, now: float) -> Taken:
        """A waiting connection, leased to `exchange`; or an Attempt at a new one, which ends in a call of
        `upstream_connected` or `upstream_unavailable`; or None when no endpoint is known.

        key: what consistent hashing goes by. max_wait_s: no connection that has waited longer (a request that
        can't be sent again wants a fresh one; below 0: a new one). tried: members to pass over if there are others.
        now: by the monotonic clock.
        """
        members = self.members
        if len(members) == 1:
            member = members[0]
        elif members:
            member = self._pick(now, key, tried or [])
        else:
            return None
        member.active += 1
        if member.shared is not None or exchange.speaks_grpc:
            shared = self._take_shared(member, exchange, now)
            if shared is not None:
                return shared
        idle = member.idle
        while idle and now - idle[-1].idle_since <= max_wait_s:
            connection = idle.pop()
            if not connection.lost:
                connection.exchange = exchange
                connection.uses += 1
                connection.deadline = NEVER
                return connection
        return self._open(member, exchange)

    def lease_endpoint(self, key: str, tried: list[Member], now: float) -> Member | None:
        """For a connection that is no HTTP, and the caller's to make: who is picked as `take` picks. It counts until
        the caller lowers `active`; None when no endpoint is known."""
        if not self.members:
            return None
        member = self._pick(now, key, tried)
        member.active += 1
        return member

    def begin_retry(self) -> bool:
        """Whether one more of the running requests may be a second try; `end_retry` when it is over."""
        if self.retrying >= max(3.0, self.settings.retries.budget * self.active):
            return False
        self.retrying += 1
        return True

    def end_retry(self) -> None:
        self.retrying -= 1

    def close(self) -> None:
        """Close what waits; running exchanges go on."""
        for member in self.members:
            member.close_idle()

    def _pick(self, now: float, key: str, tried: list[Member]) -> Member:
        members = self.members
        usable = [m for m in members if m.passed_over_until <= now and m not in tried]
        if not usable:
            usable = [m for m in members if m not in tried] or members
        self._turn += 1
        choice: Member = self._choose(usable, self._turn, key)
        return choice

    # --- HTTP/1.1: a connection for each exchange

    def _open(self, member: Member, exchange: Waiting) -> Attempt:
        attempt = Attempt(member)

        def new_connection() -> UpstreamConnection:
            return self._connection(member, UpstreamTunnel if exchange.opens_tunnel else UpstreamConnection)

        def connected(connection: UpstreamConnection) -> None:
            if attempt.settled:
                connection.close_idle()
                return
            attempt.settled = True
            self._lend(member, connection, exchange)

        def failed(failure: Failure) -> None:
            if attempt.settled:
                failure.trap(CancelledError, Exception)
                return
            attempt.settled = True
            member.active -= 1
            exchange.upstream_unavailable(UPSTREAM_CONNECT, self.unreachable(member, failure), member)

        if self.announces:
            deferred = self._connect(member.endpoint, new_connection, HTTP1_ALPN, _announcement(exchange))
        else:
            deferred = self._connect(member.endpoint, new_connection, HTTP1_ALPN)
        attempt.begin(deferred)
        deferred.addCallbacks(connected, failed)
        return attempt

    def _connection(self, member: Member, kind: type[UpstreamConnection] = UpstreamConnection) -> UpstreamConnection:
        timeouts = self.settings.timeouts
        made = kind(
            member, self._deadlines, self._seconds, timeouts.first_byte, timeouts.idle, POOL_IDLE_S, _MAX_HEAD_BYTES,
            self._soon,
        )  # fmt: skip
        if isinstance(made, UpstreamTunnel):
            made.long_idle_s = timeouts.long_idle
        return made

    def _lend(self, member: Member, connection: UpstreamConnection, exchange: Waiting) -> None:
        member.reached()
        connection.exchange = exchange
        connection.uses = 1
        exchange.upstream_connected(connection, self._seconds())

    def unreachable(self, member: Member, failure: Failure) -> str:
        """Notes it, and what the client is told: where the endpoint is and what it said stays in the log."""
        if member.failures == 0:
            _log.warn(
                "service {service}: no connection to {endpoint}: {fault}",
                service=self.name, endpoint=member.name, fault=failure.getErrorMessage(),
            )  # fmt: skip
        member.connect_failed(self._seconds())
        return f"Service {self.name} can't be reached."

    # --- HTTP/2: connections that exchanges share

    def _take_shared(self, member: Member, exchange: Waiting, now: float) -> UpstreamStream | Place | None:
        """None where this exchange goes over HTTP/1.1."""
        shared, timeouts = member.shared, self.settings.timeouts
        if shared is None:
            if self.settings.protocol != "auto" or self.announces:
                return None
            if member.calls is None:
                member.calls = self._shared(member, "h2c")
            shared = member.calls
        elif now < shared.http1_until or (exchange.opens_tunnel and self.settings.protocol == "auto"):
            return None
        if exchange.speaks_grpc:
            return shared.take(exchange, None, timeouts.long_idle)
        return shared.take(exchange, timeouts.first_byte, timeouts.idle)

    def _shared(self, member: Member, expected: str) -> SharedConnections:
        def connect(new_protocol: Callable[[], Any], alpn: tuple[bytes, ...]) -> Deferred[Any]:
            return self._connect(member.endpoint, new_protocol, alpn)

        def new(shared: SharedConnections) -> UpstreamH2Connection:
            return UpstreamH2Connection(
                shared, member.endpoint.scheme.encode(), self._deadlines, self._seconds, self._soon, _MAX_HEAD_BYTES,
                self._window_bytes, self.settings.timeouts.connect, self.settings.timeouts.long_idle,
            )  # fmt: skip

        def taken(place: Place, connection: UpstreamConnection | None) -> None:
            if connection is None:
                place.goes_on_as(self._open(member, place.exchange))
            else:
                place.settled = True
                self._lend(member, connection, place.exchange)

        return SharedConnections(
            member,
            expected,
            connect=connect,
            new=new,
            http1=(lambda: self._connection(member)) if expected == "auto" else None,
            taken=taken,
            unreachable=lambda failure: self.unreachable(member, failure),
            become=self._become,
            seconds=self._seconds,
        )


def _announcement(exchange: Waiting) -> bytes:
    """Who the client is, and where it came in; our own end is not known of every kind of transport."""
    caller = exchange.caller
    local = exchange.peer.local() if exchange.peer.local is not None else None
    reached = (local.host, local.port) if local is not None else ("::", 0)
    return proxy_header((caller.host, caller.port), reached)
