"""A client's connection once it has become a tunnel (RFC 6455 over HTTP/1.1).

Knows: bytes both ways, back-pressure, when a client that does not read is given up, how it closes.
Refuses to know: what the bytes are (`wire.websocket`), who is at the other end. Strategy: takes the place of an
EdgeConnection as a Protocol of its own, with the same words for the exchange, which goes on as it was.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hmsgw.deadlines import NEVER
from hmsgw.edge.door import Door
from hmsgw.wire.headers import Field

#: More than this at once, and other connections have their turn before this one is read again: libuv goes on reading
#: up to 32 times as long as there is something, and small frames are dear.
_TURN_BYTES = 64 * 1024


@implementer(IPushProducer)
class EdgeTunnel(TwistedProtocol):
    """See the module. exchange: whose client's half this is from now on. paused: the connection is not being read."""

    transport: Any

    def __init__(self, door: Door, exchange: Any, *, paused: bool) -> None:
        self.peer = exchange.peer
        self._door = door
        self._exchange = exchange
        self._paused = paused
        self._full = False
        self._up_rests = self._down_rests = False
        self._out: list[bytes] = []
        self._unsent = 0
        self._lost = False
        self.deadline = NEVER
        self.wake_s = NEVER
        exchange.edge = self

    @property
    def draining(self) -> bool:
        return self._door.draining

    # --- Twisted's side

    def connectionMade(self) -> None:
        self._door.entered(self, self._door.websocket_gauge)
        self.transport.registerProducer(self, True)

    def begin(self, start: bytes, ahead: bytes) -> None:
        """start: the answer that opens the tunnel. ahead: what the client said before it had that."""
        self.transport.write(start)
        if ahead:
            self.dataReceived(ahead)

    def dataReceived(self, data: bytes) -> None:
        exchange = self._exchange
        if exchange is not None:
            exchange.request_data(data)
            if len(data) > _TURN_BYTES and not self._up_rests and not self._lost:
                self._up_rests = True
                self.transport.pauseProducing()
                self._door.soon(self._read_on)

    def _read_on(self) -> None:
        self._up_rests = False
        if not self._paused and not self._lost:
            self.transport.resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self._door.deadlines.forget(self)
        exchange, self._exchange = self._exchange, None
        self._out.clear()
        if exchange is not None:
            exchange.edge_ended(clean=reason.check(ConnectionDone) is not None)
        # Last: with the last connection the gateway may end, and its last exchange has to be counted by then.
        self._door.left(self, self._door.websocket_gauge)

    def deadline_passed(self, now: float) -> None:
        """Something waited to be sent all this time."""
        before, self._unsent = self._unsent, self._door.unsent(self.transport)
        if self._unsent == before:
            self.abort()
        else:  # the client reads on, if slowly
            self._arm()

    def _arm(self) -> None:
        self._door.deadlines.arm(self, self._door.seconds() + self._door.settings.body_progress)

    # --- the exchange's side

    def send_data(self, data: bytes) -> None:
        self._out.append(data)
        if len(data) > _TURN_BYTES and not self._down_rests and self._exchange is not None:
            self._down_rests = True
            self._exchange.edge_full()
            self._door.soon(self._take_more)

    def _take_more(self) -> None:
        self._down_rests = False
        if not self._full and self._exchange is not None:
            self._exchange.edge_ready_for_more()

    def flush(self) -> None:
        """Write what has gathered."""
        out = self._out
        if out and not self._lost:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()

    def send_end(self, trailers: list[Field]) -> None:
        """The upstream has closed: so does this connection, once all is out."""
        self._exchange = None
        self.flush()
        self._close()

    def cut(self) -> None:
        """The upstream is gone, or a deadline has passed. What it said last may be why: it still goes out."""
        self.send_end([])

    def pause_body(self) -> None:
        """The upstream takes no more for now."""
        if not self._paused and not self._lost:
            self._paused = True
            self.transport.pauseProducing()

    def resume_body(self) -> None:
        if self._paused:
            self._paused = False
            if not self._up_rests and not self._lost:
                self.transport.resumeProducing()

    # --- the transport's view of who writes to it

    def pauseProducing(self) -> None:
        self._full = True
        self._unsent = self._door.unsent(self.transport)
        self._arm()
        if self._exchange is not None:
            self._exchange.edge_full()

    def resumeProducing(self) -> None:
        self._full = False
        self.deadline = NEVER
        if self._exchange is not None and not self._down_rests:
            self._exchange.edge_ready_for_more()

    def stopProducing(self) -> None:
        pass

    # --- the end

    def drain(self) -> None:
        """Both ends are told that the gateway is going down; the one that closes first closes the other."""
        if self._exchange is not None:
            self._exchange.edge_draining()

    def stop(self) -> None:
        """The time to drain is over."""
        if self._exchange is not None:
            self._exchange.shut_down()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if not self._lost:
            self.transport.unregisterProducer()
            self.transport.abortConnection()

    def _close(self) -> None:
        if not self._lost:
            self.transport.unregisterProducer()
            self._unsent = self._door.unsent(self.transport)
            self.transport.loseConnection()
            self._arm()
