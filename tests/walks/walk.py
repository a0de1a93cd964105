"""A whole request through fake wires: what the client sends, what the upstream sees, and back.

A test reads as a trace: `walk.client_sends(b"...")`, `walk.upstream_sees()`, `walk.upstream_sends(b"...")`,
`walk.client_sees()`. No socket and no wall clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hmsgw.chain.run import Chain
from hmsgw.chain.step import RequestStep, ResponseStep
from hmsgw.config.endpoint import Endpoint
from hmsgw.config.model import NOWHERE, Limits, Route, Service
from hmsgw.config.model import Deadlines as DeadlineSettings
from hmsgw.deadlines import Deadlines
from hmsgw.edge.connection import EdgeConnection
from hmsgw.edge.door import Crowd, Door
from hmsgw.proxy.entry import Entry
from hmsgw.proxy.exchange import Exchange
from hmsgw.proxy.plane import Plane
from hmsgw.proxy.router import Router
from hmsgw.proxy.trusted import TrustedProxies, canonical_host
from hmsgw.transport.become import become
from hmsgw.upstream.cluster import Cluster
from hmsgw.upstream.connection import UpstreamConnection


class Wire:
    """A transport that writes into a list. `reading` and `closed` show what was asked of it."""

    tls_version = None
    negotiatedProtocol: bytes | None = None

    def __init__(self, host: str = "192.0.2.7") -> None:
        self.host = host
        self.written: list[bytes] = []
        self.reading = True
        self.closed: str | None = None
        self.half_closed = False
        self.unsent = 0
        self.producer: Any = None
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        assert isinstance(data, bytes) and data
        self.written.append(data)

    def writeSequence(self, parts: Any) -> None:
        self.write(b"".join(parts))

    def take(self) -> bytes:
        taken = b"".join(self.written)
        self.written.clear()
        return taken

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def pauseProducing(self) -> None:
        self.reading = False

    def resumeProducing(self) -> None:
        self.reading = True

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def loseConnection(self) -> None:
        self._close("closed", ConnectionDone())

    def abortConnection(self) -> None:
        self._close("aborted", ConnectionLost())

    def lost(self, clean: bool = True) -> None:
        """The other side closed."""
        self._close("by the other side", ConnectionDone() if clean else ConnectionLost())

    def _close(self, how: str, why: Exception) -> None:
        if self.closed is None:
            self.closed = how
            self.protocol.connectionLost(Failure(why))

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", self.host, 50000)


def chain_of(*run: Any, respond: tuple[Any, ...] = ()) -> Chain:
    """A route's real chain, whose plugins are these functions. respond: in the order in which they run."""
    how: Any = {"deadline_s": 5, "shadow": False, "count_decision": lambda plugin, decision: None}
    requests = tuple(RequestStep(call, f"p{n}", NOWHERE, **how) for n, call in enumerate(run))
    responses = tuple(ResponseStep(call, f"r{n}", NOWHERE, **how) for n, call in enumerate(respond))
    return Chain(Clock(), (), requests, responses)


class Turns:
    """The loop's turns. at_once: what is asked for soon is done there and then, else by `one`."""

    def __init__(self, *, at_once: bool = False) -> None:
        self._at_once = at_once
        self._asked: list[Callable[[], None]] = []

    def soon(self, call: Callable[[], None]) -> None:
        if self._at_once:
            call()
        else:
            self._asked.append(call)

    def one(self, times: int = 1) -> bool:
        """What has been asked for until now, and so many times. Returns whether that was anything in the last."""
        asked: list[Callable[[], None]] = []
        for _ in range(times):
            asked, self._asked = self._asked, []
            for call in asked:
                call()
        return bool(asked)


class Stats:
    """Counters that keep every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, str]] = []

    def finished(self, method: str, status: int, reason: str, duration_s: float, bytes_in: int, bytes_out: int) -> None:
        self.calls.append((method, status, reason))

    def call_ended(self, grpc_status: int) -> None:
        raise AssertionError("nobody counts calls in a walk")


class Gauge:
    n = 0


class Walk:
    """One client, one gateway, any number of upstream connections. chain: of the one route `/*`, or of each of
    `routes`; chains: one for each."""

    def __init__(
        self,
        chain: Any = None,
        *,
        routes: list[Route] | None = None,
        chains: list[Any] | None = None,
        service: Service | None = None,
        limits: Limits | None = None,
        deadlines: DeadlineSettings | None = None,
        trusted: tuple[str, ...] = (),
        client: str = "192.0.2.7",
        endpoints: int = 1,
        turns: Turns | None = None,
        scheme: str = "http",
        alpn: bytes | None = None,
    ) -> None:
        self.alpn = alpn
        self.offered: list[tuple[bytes, ...]] = []
        self.clock = Clock()
        self.clock.advance(1000)
        self.deadlines = Deadlines(self.clock, self.clock.seconds)
        self.finished: list[Exchange] = []
        self.records: list[tuple[str, str, int, str]] = []
        self.retries: list[str] = []
        self.upstreams: list[Wire] = []
        self.connecting: list[tuple[Deferred[Any], Any]] = []
        self.connect_at_once = True
        self.stats = Stats()
        self.turns = turns or Turns(at_once=True)
        self.cluster = Cluster(
            "svc", service or Service(), self._connect, self.deadlines, self.clock.seconds, self.turns.soon, become,
            (limits or Limits()).buffer,
        )  # fmt: skip
        self.cluster.set_endpoints(tuple(Endpoint(scheme, f"10.0.0.{n + 1}", 443 if scheme == "https" else 80) for n in range(endpoints)))
        wanted = routes or [Route(path="/*", service="svc", name="/*")]
        made = [
            Entry(route, one, self.cluster if route.service else None, self.stats, None)
            for route, one in zip(wanted, chains or [chain] * len(wanted), strict=True)
        ]
        self.plane = Plane(
            router=Router(made),
            entries=tuple(made),
            unrouted=Entry(Route(path="/", name=""), None, None, self.stats, None),
            limits=limits or Limits(),
            trusted={"public": TrustedProxies(trusted)} if trusted else {},
            deadlines=self.deadlines,
            seconds=self.clock.seconds,
            wall=lambda: 1795392000.0 + self.clock.seconds(),
            finished=self._finished,
            count_retry=self.retries.append,
            config="cafe",
        )
        self.door = Door(
            "public", "http", self.plane.limits, deadlines or DeadlineSettings(), self.deadlines, self.clock.seconds,
            Exchange, canonical_host, Gauge(), Crowd(), h2_gauge=Gauge(), websocket_gauge=Gauge(),
            become=become, soon=self.turns.soon,
            unsent=lambda wire: wire.unsent,
        )  # fmt: skip
        self.door.plane = self.plane
        self.client = self.new_client(client)

    def new_client(self, host: str = "192.0.2.7") -> Wire:
        """One more connection through the same door."""
        wire = Wire(host)
        wire.protocol = EdgeConnection(self.door)
        wire.protocol.makeConnection(wire)
        return wire

    def _connect(self, endpoint: Endpoint, factory: Any, alpn: tuple[bytes, ...]) -> Deferred[Any]:
        self.offered.append(alpn)
        if self.connect_at_once:
            return succeed(self._connected(factory))
        deferred: Deferred[Any] = Deferred()
        self.connecting.append((deferred, factory))
        return deferred

    def _connected(self, factory: Any) -> UpstreamConnection:
        wire = Wire("10.0.0.1")
        protocol: UpstreamConnection = factory()
        wire.protocol = protocol
        wire.negotiatedProtocol = self.alpn
        self.upstreams.append(wire)
        protocol.makeConnection(wire)
        return protocol

    def connects(self) -> None:
        """The oldest pending connection is there."""
        deferred, factory = self.connecting.pop(0)
        deferred.callback(self._connected(factory))

    def connect_fails(self) -> None:
        """The oldest pending connection is refused."""
        deferred, _ = self.connecting.pop(0)
        deferred.errback(ConnectionRefusedError("connection refused"))

    def _finished(self, exchange: Exchange) -> None:
        self.finished.append(exchange)
        self.records.append((exchange.method, exchange.path, exchange.status, exchange.reason))
        exchange.entry.stats.finished(
            exchange.method,
            exchange.status,
            exchange.reason,
            exchange.duration_s,
            exchange.bytes_in,
            exchange.bytes_out,
        )

    @property
    def upstream(self) -> Wire:
        """The upstream connection made last."""
        return self.upstreams[-1]

    def client_sends(self, data: bytes) -> None:
        self.client.protocol.dataReceived(data)

    def upstream_sends(self, data: bytes) -> None:
        self.upstream.protocol.dataReceived(data)

    def client_sees(self) -> bytes:
        return self.client.take()

    def upstream_sees(self) -> bytes:
        return self.upstream.take()

    def upstream_head(self) -> tuple[bytes, dict[bytes, list[bytes]], bytes]:
        """(request line, lower-case field name -> values, what follows the head)."""
        head, _, rest = self.upstream_sees().partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        fields: dict[bytes, list[bytes]] = {}
        for one in lines:
            name, _, value = one.partition(b": ")
            fields.setdefault(name.lower(), []).append(value)
        return line, fields, rest

    def passes(self, seconds: float) -> None:
        """So much time, in steps."""
        for _ in range(int(seconds * 5)):
            self.clock.advance(0.2)

    def get(self, path: bytes = b"/a", more: bytes = b"") -> None:
        """The client sends a GET."""
        self.client_sends(b"GET " + path + b" HTTP/1.1\r\nHost: api.example\r\n" + more + b"\r\n")


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
