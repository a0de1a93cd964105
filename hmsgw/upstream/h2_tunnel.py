"""A stream of an HTTP/2 connection to a backend that is asked to become a WebSocket (RFC 8441), and the WebSocket.

Knows: when the backend's yes is one, that the clock counts what either side says, how a stream closes. Refuses to know:
clients, and what is in a frame. Strategy: an UpstreamStream with the words of `upstream.tunnel`: until the backend has
agreed it is one like any other, so that a no is an ordinary answer.
"""

from __future__ import annotations

from hmsgw.deadlines import NEVER
from hmsgw.reasons import UPSTREAM_PROTOCOL
from hmsgw.upstream.h2_stream import Pairs, UpstreamStream
from hmsgw.upstream.tunnel import CLOSING_S, Tunnel
from hmsgw.wire.faults import UpstreamFault
from hmsgw.wire.headers import Field
from hmsgw.wire.http2 import ErrorCode, NGH2Error
from hmsgw.wire.http2_answers import response_head
from hmsgw.wire.websocket import ACCEPT_FIELD, Direction, Switch


class StreamTunnel(Tunnel, UpstreamStream):
    """See the module."""

    _lingers = False

    def _now(self) -> float:
        return self._carrier.seconds()

    def _say(self, data: bytes) -> None:
        super().send_data(data)

    # --- the lease

    def begin_request(self, method: bytes, head: Pairs, chunked: bool) -> None:
        """The opening request; nothing follows before it is answered."""
        if not self._carrier.takes_tunnels:
            self._carrier.soon(self._not_here)
            return
        self._begin(b"GET", head)
        self.expect()

    def _not_here(self) -> None:
        self.fail(UPSTREAM_PROTOCOL, "The service takes no WebSockets over HTTP/2 (RFC 8441).")

    def send_data(self, data: bytes) -> None:
        """Some of what the client says."""
        passed = self._up.pass_on(data)
        if passed:
            self._say(passed)
        self.expect()

    def send_end(self, trailers: list[Field]) -> None:
        """The client says no more: the backend has a last time to answer."""
        self._end_soon()

    def expect(self) -> None:
        """Either side's word counts, and so does its being read."""
        if not self._is_open:
            wait_s = self._idle_s if self._answered else self._first_byte_s
            self.deadline = NEVER
            if wait_s is not None and self._reading:
                self._carrier.deadlines.arm(self, self._now() + wait_s)
        elif self._ends_at is not NEVER:
            self._carrier.deadlines.arm(self, self._ends_at)
        elif self._idle_s is not None:
            self._carrier.deadlines.arm(self, self._now() + self._idle_s)

    def pause(self) -> None:
        super().pause()
        if self._is_open:
            self.expect()

    def abort(self) -> None:
        """End the lease and the stream. Of a tunnel: what the client said last still goes out."""
        if self.exchange is not None and self._is_open:
            self._end_lease()
            self._leave()
        else:
            super().abort()

    def deadline_passed(self, now: float) -> None:
        exchange = self.exchange
        if exchange is None:
            self._reset(ErrorCode.CANCEL)
        elif self._ends_at is not NEVER:
            self._finished([])
            exchange.flush_edge()
        else:
            super().deadline_passed(now)

    # --- the answer

    def answer(self, pairs: Pairs, ended: bool) -> bool:
        head = response_head(pairs, ended, b"GET")
        if not 200 <= head.code < 300:
            return super().answer(pairs, ended)
        if ended or not head.body:
            raise UpstreamFault("The upstream's yes to a WebSocket leaves no room for one.")
        # The key is between the gateway and its client: no field of the backend's answers it.
        switch = Switch(101, [field for field in head.fields if field[0] != ACCEPT_FIELD], None)
        switch.dated = head.dated
        self._up, self._down = Direction(), Direction()
        self._is_open = True
        self._idle_s = self._carrier.long_idle_s
        self._head = switch
        return True

    def _pass_on(self, data: bytes) -> bytes:
        return self._down.pass_on(data) if self._is_open else data

    def closed(self, code: int, *, by_peer: bool) -> None:
        self._carrier.deadlines.forget(self)
        if self._lingers:
            self._lingers = False
            self._carrier.left()
        if not self._ends_well():
            super().closed(code, by_peer=by_peer)

    def lost(self) -> None:
        self._carrier.deadlines.forget(self)
        if not self._ends_well():
            super().lost()

    def _ends_well(self) -> bool:
        """Whether a sudden end cuts nothing short, and then the exchange ends too."""
        exchange = self.exchange
        if exchange is None or not self.said_goodbye:
            return False
        self._request_ended = True  # there is no stream any more that could be
        self._finished([])
        exchange.flush_edge()
        return True

    def _leave(self) -> None:
        """END_STREAM, as TCP's end is (RFC 8441 section 5); a backend that does not end it too is not waited for. Until
        it is closed it counts among those that the backend takes at once (RFC 9113 section 5.1.2)."""
        try:
            self._carrier.session.end_stream(self.number)
        except NGH2Error:
            return  # closed already
        self._lingers = True
        self._carrier.lingers()
        self._carrier.written(self)
        self._carrier.deadlines.arm(self, self._now() + CLOSING_S)
