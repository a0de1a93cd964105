"""A client's connection that is passed on as it is: raw TCP, or TLS that ends behind us.

Knows: the order of things: peek at the server name, ask whether the client may, connect, pass bytes, end once.
Refuses to know: HTTP, and what is in the bytes. Strategy: at most a ClientHello is held, then reading pauses until the
service is there; a look every few seconds finds silence, and ends that do not take what is left for them.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple, Protocol

from twisted.python.failure import Failure

from hmsgw.deadlines import NEVER
from hmsgw.reasons import CLIENT_GONE, DRAINING, NO_ENDPOINT, UPSTREAM_CONNECT, UPSTREAM_RESET
from hmsgw.stream.side import Side
from hmsgw.stream.table import SniTable, StreamEntry
from hmsgw.wire.client_hello import BadClientHello, NotTls, ServerNameReader
from hmsgw.wire.proxy_protocol import proxy_header

_LOOK_S = 15.0
IDLE = "idle"
"""The word for a stream that ended because nobody said anything."""
SNI, CONNECTIONS = "sni", "connections"
"""Words for connections that reach no stream: what `Doorway.refused` is told."""


class Doorway(Protocol):
    """The listener, as far as a stream needs it (`edge.door.Door`)."""

    limits: Any
    settings: Any
    deadlines: Any
    draining: bool
    stream_gauge: Any

    def seconds(self) -> float: ...
    def canonical_host(self, address: str, /) -> str: ...
    def unsent(self, transport: Any, /) -> int: ...
    def refused(self, client: str, reason: str, why: str, /) -> None: ...
    def entered(self, connection: Any, gauge: Any, /) -> bool: ...
    def left(self, connection: Any, gauge: Any, /) -> None: ...


class Client(NamedTuple):
    """As plugins know it (`chain.api.Client`)."""

    host: str
    port: int
    certificate: None = None


class State(Enum):
    """What happens to what the client sends."""

    PEEKING = "it is held until the server name is known"
    CONNECTING = "it is held, and no more of it is read"
    PASSING = "it goes to the service"
    ENDED = "nothing: both ends are on their way out"


PEEKING, CONNECTING, PASSING, ENDED = State


class Backend(Side):
    """The service's end."""

    def __init__(self, stream: StreamConnection) -> None:
        self._stream = stream

    def connectionMade(self) -> None:
        # Not when the attempt tells: a service that speaks first may have spoken by then.
        self._stream.service_there(self)

    def over(self, clean: bool) -> None:
        self._stream.service_gone(clean)


class StreamConnection(Side):
    """See the module; it is the client's end. client: who asks. server_name: what it asked for. entry: its stream, None
    as long as none is known. upstream: the endpoint. reason: why it ended otherwise than by its ends' will."""

    awaits_body = False

    def __init__(self, door: Doorway, table: SniTable) -> None:
        self._door = door
        self._table = table
        self._state = PEEKING
        self._held = b""
        self._reader = ServerNameReader()
        self._member: Any = None
        self._tried: list[Any] = []
        self._attempt: Any = None
        self._backend: Backend | None = None
        self._retrying = False
        self._finished = False
        self._heard = 0
        self._silent_since = 0.0
        self._waiting = -1
        self.entry: StreamEntry | None = None
        self.client = Client("", 0)
        self.server_name = ""
        self.upstream = ""
        self.reason = ""
        self.began_s = 0.0
        self.ended_s = 0.0
        self.deadline = NEVER
        self.wake_s = NEVER

    @property
    def bytes_in(self) -> int:
        """From the client."""
        return self.seen

    @property
    def bytes_out(self) -> int:
        """To the client."""
        return 0 if self._backend is None else self._backend.seen

    # --- the beginning

    def connectionMade(self) -> None:
        door = self._door
        address = self.transport.getPeer()
        self.client = Client(door.canonical_host(getattr(address, "host", "") or ""), getattr(address, "port", 0) or 0)
        self.began_s = door.seconds()
        room = door.entered(self, door.stream_gauge)
        self._bound(self.transport)
        if door.draining:
            self._end()
        elif not room:
            self._refuse(CONNECTIONS, "the gateway has as many connections as it can take (`limits.connections`)")
        elif self._table.peeks:
            door.deadlines.arm(self, self.began_s + door.settings.tls)
        else:
            self._find("")

    def _bound(self, transport: Any) -> None:
        bound_buffer = getattr(transport, "bound_buffer", None)
        if bound_buffer is not None:
            bound_buffer(self._door.limits.buffer // 2)

    def dataReceived(self, data: bytes) -> None:
        if self._state is PASSING:
            self.seen += len(data)
            self.other.transport.write(data)  # type: ignore[union-attr]
        elif self._state is not ENDED:
            self._held += data
            if self._state is PEEKING:
                self._peek(data)

    def _peek(self, data: bytes) -> None:
        try:
            name = self._reader.feed(data)
        except NotTls:
            name = ""
        except BadClientHello as error:
            self._refuse(SNI, str(error))
            return
        if name is not None:
            self._find(name)

    def _find(self, name: str) -> None:
        self.server_name = name
        entry = self._table.find(name)
        if entry is None:
            asked = f"for {name}" if name else "for a client that names no server"
            self._refuse(SNI, f"no stream of this listener is {asked}")
            return
        self.entry = entry
        self._state = CONNECTING
        self.deadline = NEVER
        self.transport.pauseProducing()
        verdict = None if entry.chain is None else entry.chain.run(self)
        if verdict is None:
            self._lease()
        else:
            self._fail(verdict.word)

    # --- to the service

    def _lease(self) -> None:
        entry = self.entry
        assert entry is not None
        member = self._member = entry.cluster.lease_endpoint(self.client.host, self._tried, self._door.seconds())
        if member is None:
            self._fail(NO_ENDPOINT.word)
            return
        self.upstream = member.name
        backend = Backend(self)
        self._attempt = attempt = entry.connect(member.endpoint, lambda: backend)
        attempt.addErrback(self._not_connected)

    def service_there(self, backend: Backend) -> None:
        """The service is there."""
        entry, member = self.entry, self._member
        if self._state is not CONNECTING or entry is None:
            backend.abort()
            return
        self._attempt = None
        member.reached()
        self._settle_retry()
        self._backend = backend
        self._state = PASSING
        self._bound(backend.transport)
        self.join(backend)
        if not self.read_over:
            self.transport.resumeProducing()  # before anything is written: that may pause it again, and says so once
        if entry.announces:
            host = self.transport.getHost()
            backend.transport.write(proxy_header((self.client.host, self.client.port), (host.host, host.port)))
        held, self._held = self._held, b""
        if held:
            self.seen += len(held)
            backend.transport.write(held)
        if self.read_over:
            super().readConnectionLost()
        self._silent_since = self._door.seconds()
        self._look_again(self._silent_since)

    def _not_connected(self, failure: Failure) -> None:
        if self._state is not CONNECTING:
            return
        self._attempt = None
        entry, member = self.entry, self._member
        assert entry is not None
        entry.cluster.unreachable(member, failure)
        self._give_back()
        if len(self._tried) < entry.cluster.settings.retries.attempts and self._may_retry(entry):
            self._tried.append(member)
            entry.count_retry(entry.service)
            self._lease()
            return
        self._fail(UPSTREAM_CONNECT.word)

    def _may_retry(self, entry: StreamEntry) -> bool:
        if "connect" not in entry.cluster.settings.retries.on:
            return False
        self._retrying = self._retrying or entry.cluster.begin_retry()
        return self._retrying

    def _settle_retry(self) -> None:
        if self._retrying:
            self._retrying = False
            assert self.entry is not None
            self.entry.cluster.end_retry()

    def _give_back(self) -> None:
        member, self._member = self._member, None
        if member is not None:
            member.active -= 1

    # --- while it lasts

    def deadline_passed(self, now: float) -> None:
        if self._state is PEEKING:
            self._refuse(SNI, f"its ClientHello did not come within {self._door.settings.tls:g} s")
        elif self._state is PASSING:
            self._look(now)
        else:
            self._look_whether_taken(now)

    def _look(self, now: float) -> None:
        heard = self.bytes_in + self.bytes_out
        if heard != self._heard:
            self._heard, self._silent_since = heard, now
        entry = self.entry
        if entry is not None and entry.idle_s is not None and now - self._silent_since >= entry.idle_s:
            self._fail(IDLE)
        else:
            self._look_again(now)

    def _look_again(self, now: float) -> None:
        idle_s = self.entry.idle_s if self.entry is not None else None
        self._door.deadlines.arm(self, now + (_LOOK_S if idle_s is None else min(_LOOK_S, idle_s / 4)))

    def _look_whether_taken(self, now: float) -> None:
        """Both ends are to close: what they do not take in time they do not get."""
        there = [side for side in (self, self._backend) if side is not None and not side.gone]
        waiting = sum(self._door.unsent(side.transport) for side in there)
        if waiting == self._waiting:
            self.abort()
        else:
            self._waiting = waiting
            self._door.deadlines.arm(self, now + self._door.settings.body_progress)

    # --- the end

    def _refuse(self, reason: str, why: str) -> None:
        """It reaches no stream."""
        self._door.refused(self.client.host, reason, why)
        self._state = ENDED
        self.abort()

    def _fail(self, reason: str) -> None:
        """The stream ends for a reason of ours."""
        if self._state is not ENDED:
            self.reason = self.reason or reason
            self._end()

    def _end(self) -> None:
        """Both ends close once they have what is on its way."""
        self._state = ENDED
        self._held = b""
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None
        self._settle_retry()
        self._door.deadlines.arm(self, self._door.seconds() + self._door.settings.body_progress)
        self.close()
        if self._backend is not None:
            self._backend.close()

    def readConnectionLost(self) -> None:
        if self._state is PEEKING:
            self.read_over = True
            if self._held:
                self._refuse(SNI, "the connection ended within its ClientHello")
            else:
                self._end()
        elif self._state is CONNECTING:
            self.read_over = True  # the service hears of it when it has what came before
        else:
            super().readConnectionLost()

    def over(self, clean: bool) -> None:
        if not clean and self._state in (CONNECTING, PASSING):
            self.reason = self.reason or CLIENT_GONE.word
        self._one_gone()

    def service_gone(self, clean: bool) -> None:
        """The service's end has ended."""
        if not clean and self._state is PASSING:
            self.reason = self.reason or UPSTREAM_RESET.word
        if self._backend is not None:
            self._one_gone()

    def _one_gone(self) -> None:
        if self._state is not ENDED:
            self._end()
        if self.gone and (self._backend is None or self._backend.gone):
            self._finish()

    def _finish(self) -> None:
        if self._finished:
            return
        self._finished = True
        door = self._door
        door.deadlines.forget(self)
        self._give_back()
        self.ended_s = door.seconds()
        if self.entry is not None:
            self.entry.finished(self)
        # Last: with the last connection the gateway may end, and this one has to be counted by then.
        door.left(self, door.stream_gauge)

    # --- the listener's side

    def drain(self) -> None:
        """The listener closes: who is passing bytes goes on."""
        if self._state is PEEKING:
            self._end()

    def stop(self) -> None:
        """The time to drain is over."""
        self._fail(DRAINING.word)

    def abort(self) -> None:
        """Nothing is waited for any more, at either end."""
        if self._state is not ENDED:
            self._fail(DRAINING.word)
        if self._backend is not None:
            self._backend.abort()
        super().abort()
