"""A connection to a backend that is asked to become a WebSocket (RFC 6455), and the WebSocket.

Knows: when the upstream's yes is one, that the clock counts what either side says, how a goodbye is said to both.
Refuses to know: clients, and what is in a frame. Strategy: an UpstreamConnection of one use. Until the upstream has
agreed it is one like any other, so that a no is an ordinary answer; from then on the same events carry bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from hmsgw.deadlines import NEVER
from hmsgw.upstream.connection import UpstreamConnection
from hmsgw.upstream.events import UpstreamEvents
from hmsgw.wire.bodies import EndlessBody
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead
from hmsgw.wire.websocket import GOING_AWAY, Direction, accept_of, close_frame, read_switch, sent_key

#: How long the ends may take to close, when they have been told to.
CLOSING_S = 5.0
#: True of a gateway that stops, and of a listener that a reload has changed.
_FAREWELL = b"The gateway is closing this connection."


class Tunnel:
    """What a tunnel is over either protocol. long_idle_s: how long both sides may say nothing, None for ever."""

    exchange: UpstreamEvents | None
    long_idle_s: float | None = None
    _is_open = False
    _ends_at = NEVER
    _up: Direction
    _down: Direction

    def go_away(self) -> None:
        """Say 1001 to both sides as soon as no frame is under way, and nothing behind it; then end soon."""
        exchange = self.exchange
        if exchange is None or not self._is_open:
            return
        up = self._up.end_with(close_frame(GOING_AWAY, _FAREWELL, masked=True))
        if up:
            self._say(up)
        down = self._down.end_with(close_frame(GOING_AWAY, _FAREWELL, masked=False))
        self._end_soon()
        if down:
            exchange.upstream_data(down)
            exchange.flush_edge()

    def _end_soon(self) -> None:
        if self._ends_at is NEVER:
            self._ends_at = self._now() + CLOSING_S
            self.expect()

    @property
    def said_goodbye(self) -> bool:
        """One side has sent its Close frame: however the connections end from here on, nothing is cut short."""
        return self._is_open and (self._down.is_closed or self._up.is_closed)

    if TYPE_CHECKING:

        def expect(self) -> None: ...
        def _now(self) -> float: ...
        def _say(self, data: bytes) -> None: ...


class UpstreamTunnel(Tunnel, UpstreamConnection):
    """See the module."""

    _accept = b""

    def begin_request(self, method: bytes, head: bytes, chunked: bool) -> None:
        """The opening request; nothing follows before it is answered."""
        self._accept = accept_of(sent_key(head))
        self.send_request(method, head, self._seconds())

    def send_data(self, data: bytes) -> None:
        """Some of what the client says."""
        passed = self._up.pass_on(data)
        if passed:
            self.transport.write(passed)
        self.expect()

    def send_end(self, trailers: list[Field]) -> None:
        """The client says no more: the upstream has a last time to answer."""
        self._end_soon()

    def _now(self) -> float:
        return self._seconds()

    def _say(self, data: bytes) -> None:
        self.transport.write(data)

    def expect(self) -> None:
        """Either side's word counts, and so does its being read."""
        if not self._is_open:
            super().expect()
        elif self._ends_at is not NEVER:
            self._deadlines.arm(self, self._ends_at)
        elif self._idle_s is not None:
            self._deadlines.arm(self, self._seconds() + self._idle_s)

    def pause(self) -> None:
        super().pause()
        if self._is_open:
            self.expect()

    def abort(self) -> None:
        """End the lease and the connection. Of a tunnel: what the client said last still goes out."""
        self.exchange = None
        self._close(abort=not self._is_open)
        self._owner.released(self, False)

    def deadline_passed(self, now: float) -> None:
        exchange = self.exchange
        if exchange is not None and self._ends_at is not NEVER:
            self._finished(exchange, [])
            exchange.flush_edge()
        else:
            super().deadline_passed(now)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(connectionDone if self.said_goodbye else reason)

    def _switch(self, exchange: UpstreamEvents, head: bytes, rest: bytes) -> bool:
        switch = read_switch(head, self._accept)
        self._is_open = self._answered = True
        self._reader = EndlessBody()
        self._idle_s = self.long_idle_s
        self._up, self._down = Direction(), Direction()
        self.deadline = NEVER
        self.expect()
        exchange.upstream_head(switch, self._seconds())
        if rest and self.exchange is exchange:
            self._read_body(exchange, rest)
        return False

    def _read_body(self, exchange: UpstreamEvents, data: bytes) -> None:
        if not self._is_open:
            super()._read_body(exchange, data)
            return
        passed = self._down.pass_on(data)
        if passed:
            exchange.upstream_data(passed)
        if self.exchange is exchange:
            self.expect()

    def _answer_whole(self, exchange: UpstreamEvents, head: ResponseHead, body: bytes) -> None:
        self._keep = False
        super()._answer_whole(exchange, head, body)

    def _finished(self, exchange: UpstreamEvents, trailers: list[Field], rest: bytes = b"") -> None:
        self._keep = False
        super()._finished(exchange, trailers, rest)
