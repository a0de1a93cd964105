"""One HTTP/1.x connection from a client.

Knows: which bytes belong to which request, one at a time and in order; how an answer is framed for this client; when
the connection may be kept. Refuses to know: routes, plugins, upstreams: an exchange is made for each head and told of
the body. Strategy: a small state (between requests, in a body, body done) and one deadline; what a client sends ahead
is held, bounded, and reading pauses. Mirror of `upstream.connection`; the same words stand in both.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from hmsgw.deadlines import NEVER
from hmsgw.edge.answer import WriteSide
from hmsgw.edge.door import Door
from hmsgw.edge.ending import LAST_CALL_S, Ending
from hmsgw.edge.h2_connection import H2Connection
from hmsgw.edge.peer import peer_of
from hmsgw.edge.states import AHEAD, ANSWERING, BODY, CLOSING, EXCHANGE, HEAD, LINGERING, OTHERS
from hmsgw.reasons import HEAD_TOO_LARGE, OVERLOAD, REQUEST_TIMEOUT, TARGET_TOO_LONG
from hmsgw.wire.bodies import BodyFault, BodyReader, body_reader
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.heads import unreadable_request
from hmsgw.wire.http1 import parse_again, parse_request
from hmsgw.wire.http2 import PREFACE_HEAD

_END_OF_HEAD = b"\r\n\r\n"
#: A client's header lines are kept to compare the next ones with, if they are not longer.
_REMEMBERED_BYTES = 4096
_MAX_LINGER_BYTES = 1024 * 1024
#: Requests sent ahead that are answered in one turn of the loop.
_MAX_AT_ONCE = 32


class EdgeConnection(Ending, TwistedProtocol):
    """See the module. door: what the connections of one listener share."""

    __slots__ = ("_lingered", "_running", "_tail", "connected", "peer")

    def __init__(self, door: Door) -> None:
        self._door = door
        self._drained = door.draining
        self._state = HEAD
        self._buffer = self._tail = b""
        self._exchange: Any = None
        self._head: Any = None
        self._keep_alive_s = door.settings.keep_alive
        self._reader: BodyReader | None = None
        self._out: list[bytes] = []
        self._running = False
        self._close_after = False
        self._chunk_answer = False
        self._body_allowed = True
        self._until_close = False
        self._pauses = 0
        self._full = False
        self._unsent = 0
        self._lost = self._registered = False
        self._lingered = 0
        self._asked = False
        self._head_timed = True
        self.deadline = NEVER
        self.wake_s = NEVER

    @property
    def draining(self) -> bool:
        return self._door.draining

    # --- Twisted's side

    def connectionMade(self) -> None:
        door, transport = self._door, self.transport
        self.peer = peer_of(transport, door.name, door.scheme, door.canonical_host)
        is_h2 = getattr(transport, "negotiatedProtocol", None) == b"h2"
        if is_h2 or "http/1.1" not in door.protocols:
            if is_h2 or door.takes_h2c:
                door.become(transport, H2Connection(door, self.peer))
            else:
                door.entered(self)
                door.refused(self.peer.host, "protocol", "the client offers no h2 by ALPN, and no other is spoken here")
                self._state = CLOSING
                transport.abortConnection()
            return
        room = door.entered(self)
        bound_buffer = getattr(transport, "bound_buffer", None)
        if bound_buffer is not None:
            bound_buffer(door.limits.buffer // 2)
        transport.registerProducer(WriteSide(self), True)
        self._registered = True
        if not room:
            self._refuse(EdgeFault("The gateway has as many connections as it can take; try again soon.", OVERLOAD))
            return
        door.deadlines.arm(self, door.seconds() + door.settings.head)
        if self._drained:
            self.drain()

    def dataReceived(self, data: bytes) -> None:
        state = self._state
        if state is HEAD:
            tail = self._tail
            if tail and not self._buffer and data.endswith(tail) and self._take_again(data, tail):
                return
            seen = len(self._buffer)
            self._buffer = self._buffer + data if seen else data
            self._read_heads(seen)
        elif state is BODY:
            self._read_body(data)
            self.flush()
        elif state is ANSWERING:
            self._buffer += data
            if len(self._buffer) > self._door.limits.head:
                self._pause(AHEAD)
        elif state is LINGERING:
            self._lingered += len(data)
            if self._lingered > _MAX_LINGER_BYTES:
                self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = True
        self._door.deadlines.forget(self)
        exchange, self._exchange = self._exchange, None
        self._buffer = b""
        self._out.clear()
        if exchange is not None:
            exchange.edge_lost()
        # Last: with the last connection the gateway may end, and its last exchange has to be counted by then.
        self._door.left(self)

    def deadline_passed(self, now: float) -> None:
        if self._state is HEAD and not self._full:
            if self._buffer:
                self._refuse(EdgeFault("The request's head did not arrive in time.", REQUEST_TIMEOUT))
            else:
                self._close()
        elif self._state is BODY and self._exchange is not None and not self._full:
            self._close_after = True
            self._exchange.body_timed_out()
            self.flush()
        elif not self.still_reads() or (self._state is LINGERING and not self._unsent):
            self.abort()

    # --- reading

    def _read_heads(self, seen: int = 0) -> None:
        """Take one request after the other from what is held, as long as each is answered at once.

        seen: how many of the held bytes are known to hold no end of a head.
        """
        if self._running:
            return
        self._running = True
        turns = _MAX_AT_ONCE
        try:
            while self._buffer and self._state is HEAD and not self._full and not self._lost:
                if not turns:
                    self._let_others()
                    return
                turns -= 1
                data = self._buffer
                end = data.find(_END_OF_HEAD, seen - 3 if seen > 3 else 0)
                seen = 0
                if end < 0 or end > self._door.limits.head:
                    if self._wait_for_head(data, end):
                        continue
                    return
                if data[:2] == b"\r\n":  # RFC 9112 section 2.2: an empty line before a request line is passed over
                    self._buffer = data[2:]
                    continue
                self._take_request(data, end)
        except EdgeFault as fault:
            if self._head is None and self._buffer.startswith(PREFACE_HEAD) and self._door.takes_h2c:
                self._become_h2()
            else:
                self._refuse(fault)
        finally:
            self._running = False

    def _become_h2(self) -> None:
        """Prior knowledge (RFC 9113 section 3.3): what stood like a head was the preface."""
        door, data = self._door, self._buffer
        self._lost = True
        self._buffer = b""
        door.deadlines.forget(self)
        self._unregister()
        connection = H2Connection(door, self.peer)
        door.become(self.transport, connection)
        door.left(self)
        connection.dataReceived(data)

    def _take_again(self, data: bytes, tail: bytes) -> bool:
        """A request without a body, with the fields of the last one to the byte: only its target is new."""
        head = self._head
        if head is None or not parse_again(head, data[: -len(tail)]):
            return False
        self._state = ANSWERING
        self.deadline = NEVER
        door = self._door
        self._close_after = self._drained
        self._exchange = exchange = door.exchange(self, door.plane, head, door.seconds())
        exchange.start()
        if self._out:
            self.flush()
        return True

    def _take_request(self, data: bytes, end: int) -> None:
        """A head is there, `end` bytes long: begin its exchange, and give it what came of its body."""
        door = self._door
        head = self._head = parse_request(data[:end], door.limits.field, door.limits.fields)
        rest = data[end + 4 :]
        now = door.seconds()
        self._close_after = head.close or self._drained
        self._tail = b""
        exchange = self._exchange = door.exchange(self, door.plane, head, now)
        if head.length == 0:
            if end < _REMEMBERED_BYTES and not head.has_length and not head.close:
                self._tail = data[data.find(b" HTTP/1.", 0, end) : end + 4]
            self._state = ANSWERING
            self._buffer = rest
            self.deadline = NEVER
            exchange.start()
        elif head.websocket:
            self._state = ANSWERING
            self._buffer = rest
            if rest:
                self._close_after = True  # should the answer be no; see _next
            self.deadline = NEVER
            exchange.start()
        else:
            self._reader = body_reader(head.length, door.limits.head, door.limits.fields, door.limits.field)
            self._state = BODY
            self._buffer = b""
            door.deadlines.arm(self, now + door.settings.body_progress)
            exchange.start()
            if rest and not self._lost:
                if self._state is BODY:
                    self._read_body(rest)
                else:
                    self._buffer = rest
        if self._out:
            self.flush()

    def _wait_for_head(self, data: bytes, end: int) -> bool:
        """No head yet: refuse what can't become one, and see to its deadline. True when there is more to look at."""
        if data[:2] == b"\r\n":
            self._buffer = data[2:]
            return True
        self._check_unfinished(data, end)
        if not self._head_timed:
            self._head_timed = True
            door = self._door
            door.deadlines.arm(self, door.seconds() + door.settings.head)
        return False

    def _check_unfinished(self, data: bytes, end: int) -> None:
        """Refuse what can't become a head any more, before waiting for the rest of it."""
        limits = self._door.limits
        if len(data) > limits.head or end > limits.head:
            if data.find(b"\r\n", 0, limits.head) < 0:
                if data.find(b" ", 0, limits.head) < 0:
                    raise EdgeFault(f"The request's method is longer than {limits.head} bytes.")
                raise EdgeFault(f"The request line is longer than {limits.head} bytes.", TARGET_TOO_LONG)
            raise EdgeFault(f"The request's head is longer than {limits.head} bytes.", HEAD_TOO_LARGE)
        line_feed = data.find(b"\n")
        bare = line_feed == 0 or (line_feed > 0 and data[line_feed - 1] != 0x0D)
        if bare or data.endswith((b"\n\n", b"\n\r\n")):
            raise EdgeFault("A line of the request ends without a carriage return.")
        if b"\0" in data:
            raise EdgeFault("The request holds a NUL.")

    def _read_body(self, data: bytes) -> None:
        reader, exchange, door = self._reader, self._exchange, self._door
        assert reader is not None
        try:
            content, ended, rest = reader.feed(data)
        except BodyFault as fault:
            self._close_after = True
            if exchange is not None:
                exchange.body_broken(str(fault))
            else:
                self._close()
            return
        if content and exchange is not None:
            exchange.request_data(content)
        if self._lost or self._state is not BODY:
            return
        if not ended:
            if reader.behind:
                self._let_others()
            elif self._pauses == 0:
                door.deadlines.arm(self, door.seconds() + door.settings.body_progress)
            return
        self._state = ANSWERING
        self._reader = None
        self._buffer = rest
        self._resume(EXCHANGE | OTHERS)
        self.deadline = NEVER
        if exchange is None:
            self._next()
        else:
            exchange.request_end(reader.trailers)

    def _read_on(self) -> None:
        """The others had their turn."""
        self._asked = False
        if self._lost or not self._pauses & OTHERS or self._pauses & EXCHANGE:
            return  # `resume_body` comes back to it
        self._resume(OTHERS)
        if self._state is BODY:
            self._read_body(b"")
            self.flush()
        elif self._state is HEAD:
            self._read_heads()

    def _next(self) -> None:
        """The exchange is over; what follows on this connection."""
        # What came behind a WebSocket's opening, and was to be its first frames, is no request.
        if self._close_after or (self._buffer and self._head.websocket):
            if self._buffer:
                self._linger()
            else:
                self._close()
            return
        self._state = HEAD
        self._resume(AHEAD)
        if self._full:
            self._wait_for_reader()
            return
        door = self._door
        self._head_timed = bool(self._buffer)
        wait_s = door.settings.head if self._head_timed else LAST_CALL_S if self._drained else door.settings.keep_alive
        door.deadlines.arm(self, door.seconds() + wait_s)
        self._read_heads()

    def _refuse(self, fault: EdgeFault) -> None:
        """Answer what could not be read, and close: where the next request would begin is not known."""
        self._close_after = True
        self._state = BODY
        request = unreadable_request(self._buffer.startswith(b"HEAD "))
        self._buffer = b""
        door = self._door
        exchange = door.exchange(self, door.plane, request, door.seconds())
        self._head = exchange.head
        self._tail = b""
        self._exchange = exchange
        self._reader = None
        exchange.refuse(fault.reason, fault.detail)
        self.flush()
