"""The answering half of a client's connection: heads and bodies in HTTP/1.1's form.

Knows: how an answer is framed for this client, and when the connection has to close behind it. Refuses to know: how
requests are read (`edge.connection`, whose base this is). Strategy: what belongs together goes out in one write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from hmsgw.deadlines import NEVER
from hmsgw.edge.pausing import Pausing
from hmsgw.edge.states import ANSWERING, BODY, EXCHANGE, FULL, HEAD
from hmsgw.edge.tunnel import EdgeTunnel
from hmsgw.wire.bodies import BodyReader, CountedBody, chunk, last_chunk
from hmsgw.wire.dates import http_date_line
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import RequestHead, ResponseHead, has_content
from hmsgw.wire.http1 import encode_response
from hmsgw.wire.websocket import for_http1

#: A body that nobody wants is read to its end when that is near; else the connection closes after the answer.
_MAX_UNWANTED_BYTES = 64 * 1024


@implementer(IPushProducer)
class WriteSide:
    """The transport's view of who writes to it; kept apart from who reads."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AnswerWriter) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        self._connection.write_full()

    def resumeProducing(self) -> None:
        self._connection.write_ready()

    def stopProducing(self) -> None:
        pass


class AnswerWriter(Pausing):
    """See the module. The attributes are EdgeConnection's."""

    __slots__ = (
        "_body_allowed", "_buffer", "_chunk_answer", "_close_after", "_exchange", "_full", "_head", "_head_timed",
        "_keep_alive_s", "_out", "_reader", "_unsent", "_until_close", "wake_s",
    )  # fmt: skip

    wake_s: float
    _body_allowed: bool
    _buffer: bytes
    _chunk_answer: bool
    _close_after: bool
    _exchange: Any
    _full: bool
    _head: Any
    _head_timed: bool
    _keep_alive_s: float
    _out: list[bytes]
    _reader: BodyReader | None
    _unsent: int
    _until_close: bool

    def send_informational(self, status: int, fields: list[Field]) -> None:
        """A 1xx answer, at once."""
        self._out.append(encode_response(status, fields, b""))

    def send_whole(self, head: ResponseHead, body: bytes, now: float, trailers: Sequence[Field] = ()) -> None:
        """The final answer, all of it, in one write. now: by the monotonic clock."""
        if self._state is not ANSWERING or head.length is None or trailers:
            self.send_head(head)
            self.send_data(body)
            self.send_end(trailers)
            return
        request = self._head
        status = head.code
        framing = b"" if head.framed or status == 204 else b"Content-Length: %d\r\n" % head.length
        if self._close_after or request.protocol == "http/1.0" or self._door.draining:
            framing += self._persistence(request)
        if not head.dated:
            framing += http_date_line(self._exchange.wall_s)
        answer = encode_response(status, head.fields, framing)
        if body and status != 204 and status != 304 and request.method != b"HEAD":
            answer += body
        self._exchange = None
        if self._out:
            self._out.append(answer)
            self.flush()
        elif not self._lost:
            self.transport.write(answer)
        if self._close_after or self._buffer or self._pauses:
            self._next()
            return
        # what _next does when nothing is held
        self._state = HEAD
        self._head_timed = False
        self.deadline = deadline = now + self._keep_alive_s
        if deadline < self.wake_s:
            self._door.deadlines.look_earlier(self)

    def _persistence(self, request: RequestHead) -> bytes:
        if self._close_after or self._door.draining:
            self._close_after = True
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if request.protocol == "http/1.0" else b""

    def send_head(self, head: ResponseHead) -> None:
        """The final answer's head; its body and end follow."""
        request = self._head
        status = head.code
        framing = b""
        self._chunk_answer = False
        self._body_allowed = has_content(head, request.method)
        if head.length is not None:
            if not head.framed and status != 204:
                framing = b"Content-Length: %d\r\n" % head.length
        elif head.switch:
            self._switch(head)
            return
        elif self._body_allowed:
            if request.protocol == "http/1.1":
                self._chunk_answer = True
                framing = b"Transfer-Encoding: chunked\r\n"
            else:
                self._close_after = self._until_close = True
        if self._state is BODY and not self._can_read_on(request):
            self._close_after = True
        framing += self._persistence(request)
        if not head.dated:
            framing += http_date_line(self._exchange.wall_s)
        self._out.append(encode_response(status, head.fields, framing))

    def _switch(self, head: ResponseHead) -> None:
        """What follows is no HTTP: the connection becomes a tunnel, and this object's part is over."""
        door, exchange = self._door, self._exchange
        self._out.append(encode_response(head.code, for_http1(head), b""))
        start, ahead = b"".join(self._out), self._buffer
        self._exchange, self._lost, self._buffer = None, True, b""
        self._out.clear()
        door.deadlines.forget(self)
        self._unregister()
        tunnel = EdgeTunnel(door, exchange, paused=bool(self._pauses))
        door.become(self.transport, tunnel)
        door.left(self)
        tunnel.begin(start, ahead)

    def _can_read_on(self, request: RequestHead) -> bool:
        """The rest of the request's body is near its end, and the client is going to send it."""
        if request.expect_continue:
            return False  # it may have given the body up: what comes next can't be told (RFC 9110 section 10.1.1)
        return isinstance(self._reader, CountedBody) and self._reader.left <= _MAX_UNWANTED_BYTES

    def send_data(self, data: bytes) -> None:
        if self._body_allowed and data:
            self._out.append(chunk(data) if self._chunk_answer else data)
            if len(data) >= 65536:
                self.flush()

    def send_end(self, trailers: Sequence[Field]) -> None:
        """The answer is whole."""
        if self._chunk_answer:
            self._out.append(last_chunk(trailers))
        self._exchange = None
        self.flush()
        if self._state is BODY:
            if self._close_after:
                self._linger()
                return
            self._resume(EXCHANGE)
            return  # the rest of the body is read and dropped, then the next request
        self._next()

    def cut(self) -> None:
        """The answer can't be finished: a closed connection says so, behind what there is of the answer."""
        self._exchange = None
        self.flush()
        if self._until_close:
            self.abort()  # all that tells this end from the proper one
        elif self._state is BODY:
            self._linger()
        else:
            self._close()

    def flush(self) -> None:
        """Write what has gathered."""
        out = self._out
        if out and not self._lost:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()

    # --- the transport's write buffer

    def write_full(self) -> None:
        """The client does not read as fast as the answer comes."""
        self._full = True
        self._unsent = self._door.unsent(self.transport)
        if self._exchange is None:
            self._wait_for_reader()
            return
        self._door.deadlines.arm(self, self._door.seconds() + self._door.settings.body_progress)
        self._exchange.edge_full()

    def _wait_for_reader(self) -> None:
        """The client has not taken its last answer: no other is begun, which would be held in memory behind it."""
        self._pause(FULL)
        self._door.deadlines.arm(self, self._door.seconds() + self._door.settings.body_progress)

    def still_reads(self) -> bool:
        """Whether the client has taken anything since it was looked last; if so, it has as much time again."""
        before, self._unsent = self._unsent, self._door.unsent(self.transport)
        if self._unsent == before:
            return False
        self._door.deadlines.arm(self, self._door.seconds() + self._door.settings.body_progress)
        return True

    def write_ready(self) -> None:
        self._full = False
        self.deadline = NEVER
        self._resume(FULL)
        if self._state is BODY and not self._pauses:
            self._door.deadlines.arm(self, self._door.seconds() + self._door.settings.body_progress)
        elif self._state is HEAD:  # the answer was whole before it was taken
            self._next()
        if self._exchange is not None:
            self._exchange.edge_ready_for_more()

    if TYPE_CHECKING:

        def _close(self) -> None: ...
        def _next(self) -> None: ...
        def _linger(self) -> None: ...
        def _unregister(self) -> None: ...
        def abort(self) -> None: ...
