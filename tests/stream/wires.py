"""Both ends of a stream without a socket: wires that note what is asked of them, a door, a cluster."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from hmsgw.config.endpoint import Endpoint
from hmsgw.config.model import Deadlines as DeadlineSettings
from hmsgw.config.model import Limits, Service
from hmsgw.deadlines import Deadlines
from hmsgw.edge.door import Crowd, Door
from hmsgw.upstream.cluster import Cluster
from tests.walks.walk import Wire


class Pipe(Wire):
    """A wire for a Protocol of ours; closing ends it at once, half-closing is noted."""

    def __init__(self, protocol: Any, host: str = "192.0.2.7") -> None:
        super().__init__(host)
        self.protocol = protocol
        protocol.makeConnection(self)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "10.0.0.1", 9443)

    def sends(self, data: bytes) -> None:
        assert self.reading
        self.protocol.dataReceived(data)

    def ends(self) -> None:
        """A FIN."""
        self.protocol.readConnectionLost()

    def resets(self) -> None:
        """A RST."""
        self.closed = "reset"
        self.protocol.connectionLost(Failure(ConnectionLost()))

    def loseConnection(self) -> None:
        self._gone("closed")

    def abortConnection(self) -> None:
        self._gone("aborted")

    def _gone(self, how: str) -> None:
        assert self.producer is None
        if self.closed is None:
            self.closed = how
            self.protocol.connectionLost(Failure(ConnectionDone()))


class Stage:
    """A door and a service. attempts: connections that are being made, as (endpoint, factory, Deferred)."""

    def __init__(self, endpoints: int = 1, settings: Service | None = None, **limits: Any) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.deadlines = Deadlines(self.clock, self.clock.seconds)
        self.gauge, self.crowd = Crowd(), Crowd()
        self.door = Door(
            "legacy", "http", Limits(**limits), DeadlineSettings(), self.deadlines, self.clock.seconds, lambda *_: None,
            str, Crowd(), self.crowd, h2_gauge=Crowd(), websocket_gauge=Crowd(), become=lambda *_: None, soon=lambda call: call(),
            unsent=lambda wire: wire.unsent,
        )  # fmt: skip
        self.door.stream_gauge = self.gauge
        self.told: list[tuple[str, str, str]] = []
        self.door.refused = lambda *said: self.told.append(said)
        self.cluster = Cluster(
            "cics", settings or Service(), self.connect, self.deadlines, self.clock.seconds, lambda call: call(),
            lambda *_: None, 1 << 18,
        )  # fmt: skip
        self.cluster.set_endpoints(tuple(Endpoint.parse(f"http://192.0.2.{n + 1}:99") for n in range(endpoints)))
        self.attempts: list[tuple[Any, Any, Deferred[Any]]] = []
        self.cancelled = 0

    def connect(self, endpoint: Any, factory: Any) -> Deferred[Any]:
        def give_up(_: Any) -> None:
            self.cancelled += 1

        deferred: Deferred[Any] = Deferred(give_up)
        self.attempts.append((endpoint, factory, deferred))
        return deferred

    def answers(self) -> Pipe:
        """The service takes the connection that was begun last."""
        _, factory, deferred = self.attempts[-1]
        protocol = factory()
        pipe = Pipe(protocol)
        deferred.callback(protocol)
        return pipe

    def refuses(self) -> None:
        """It does not."""
        self.attempts[-1][2].errback(OSError("refused"))
