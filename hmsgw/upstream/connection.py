"""One HTTP/1.1 connection to a backend.

Knows: how one request at a time is written and its answer is read; when the connection may be used again.
Refuses to know: clients, routes, which backend to choose. Strategy: the exchange that leases the connection is told of
each event by a plain call; whatever breaks is told once, with whether the request can be sent again without doing a
thing twice. Mirror of `edge.connection`; the same words stand in both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from hmsgw.deadlines import NEVER, Deadlines
from hmsgw.reasons import UPSTREAM_PROTOCOL, UPSTREAM_RESET, UPSTREAM_TIMEOUT, Reason
from hmsgw.upstream.clock import UpstreamClock
from hmsgw.upstream.events import Releases, UpstreamEvents
from hmsgw.wire.bodies import BodyFault, BodyReader, ChunkedBody, CountedBody, EndlessBody, chunk, last_chunk
from hmsgw.wire.faults import UpstreamFault
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead
from hmsgw.wire.http1 import parse_response

_END_OF_HEAD = b"\r\n\r\n"
_MAX_INTERIM = 32
#: Type, flags and stream of the frame that begins HTTP/2 (RFC 9113 section 3.4).
_SETTINGS = b"\x04\0\0\0\0\0"
_SPEAKS_HTTP2 = "It speaks HTTP/2 without TLS, and was asked in HTTP/1.1: `protocol: h2c` may be what it needs."
#: An answer's head is kept to compare the next one with, if it is not longer.
_KEPT_BYTES = 1024
#: To take what is left for it, and to say goodbye in TLS, before the connection is cut.
_GOODBYE_S = 5.0


@implementer(IPushProducer)
class _WriteSide:
    """The transport's view of who writes to it; kept apart from who reads."""

    __slots__ = ("_connection",)

    def __init__(self, connection: UpstreamConnection) -> None:
        self._connection = connection

    def pauseProducing(self) -> None:
        connection = self._connection
        connection.full = True
        if connection.exchange is not None:
            connection.expect()
            connection.exchange.upstream_full()

    def resumeProducing(self) -> None:
        connection = self._connection
        connection.full = False
        if connection.exchange is not None:
            connection.expect()
            connection.exchange.upstream_ready_for_more()

    def stopProducing(self) -> None:
        pass


class UpstreamConnection(UpstreamClock, TwistedProtocol):
    """See the module. first_byte_s, idle_s: seconds or None; keep_s: how long it may wait in the pool."""

    transport: Any

    connecting = False
    http2 = False
    exchange: UpstreamEvents | None = None
    deadline = NEVER
    wake_s = NEVER
    idle_since = 0.0
    uses = 0
    full = False
    lost = False
    _reader: BodyReader | None = None
    _buffer = b""
    _reading = True
    _interim = 0
    _seen = b""
    _kept_head: Any = None
    _asked = False

    def __init__(
        self,
        owner: Releases,
        deadlines: Deadlines,
        seconds: Callable[[], float],
        first_byte_s: float | None,
        idle_s: float | None,
        keep_s: float,
        max_head_bytes: int,
        soon: Callable[[Callable[[], None]], object],
    ) -> None:
        self.name = owner.name
        self._owner = owner
        self._deadlines = deadlines
        self._seconds = seconds
        self._first_byte_s = first_byte_s
        self._idle_s = idle_s
        self._keep_s = keep_s
        self._max_head_bytes = max_head_bytes
        self._soon = soon
        self._method = b""
        self._chunked = False
        self._request_ended = False
        self._answered = False
        self._keep = True

    # --- the lease (begun by `Cluster.take`, which sets `exchange`)

    def send_request(self, method: bytes, head: bytes, now: float) -> None:
        """A request without a body. head: encoded. now: by the monotonic clock."""
        self._method = method
        self._request_ended = True
        if self._first_byte_s is not None:
            self.deadline = deadline = now + self._first_byte_s
            if deadline < self.wake_s:
                self._deadlines.look_earlier(self)
        self.transport.write(head)

    def begin_request(self, method: bytes, head: bytes, chunked: bool) -> None:
        """A request whose body follows; `head` says how it ends."""
        self._method = method
        self._chunked = chunked
        self._request_ended = False
        self.transport.write(head)
        if self.full:
            self.expect()

    def send_data(self, data: bytes) -> None:
        """Some of the request's body, at least a byte."""
        self.transport.write(chunk(data) if self._chunked else data)

    def send_end(self, trailers: list[Field]) -> None:
        """The request is whole; from now on the upstream is expected to answer."""
        if self._chunked:
            self.transport.write(last_chunk(trailers))
        self._request_ended = True
        self.expect()

    def expect(self) -> None:
        """Time what the upstream is waited for now: to take more, to begin its answer, to go on with it."""
        wait_s = self._wait_s()
        if wait_s is None:
            self.deadline = NEVER
        else:
            self._deadlines.arm(self, self._seconds() + wait_s)

    def pause(self) -> None:
        """Read no more of the answer until `resume`."""
        if self._reading:
            self._reading = False
            self.deadline = NEVER
            self.transport.pauseProducing()

    def resume(self) -> None:
        if not self._reading:
            self._reading = True
            if self._reader is not None and self._reader.behind:
                self._let_others()
            else:
                self.transport.resumeProducing()
            self.expect()

    def abort(self) -> None:
        """End the lease and the connection; nothing more is told."""
        self.exchange = None
        self._close(abort=True)
        self._owner.released(self, False)

    def close_idle(self) -> None:
        """Close an idle connection."""
        self._close(abort=False)

    # --- Twisted's side

    def connectionMade(self) -> None:
        self.transport.registerProducer(_WriteSide(self), True)

    def dataReceived(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            # Bytes that nobody asked for: an answer to no request would become the next one's (response splitting).
            self._close(abort=True)
            return
        try:
            if self._reader is None:
                if self._buffer:
                    data, self._buffer = self._buffer + data, b""
                if self._read_heads(exchange, data):
                    return
            else:
                self._read_body(exchange, data)
        except (UpstreamFault, BodyFault) as fault:
            if self.exchange is exchange:
                self._fail(UPSTREAM_PROTOCOL, str(fault), untouched=False)
        exchange.flush_edge()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True
        self._deadlines.forget(self)
        exchange = self.exchange
        if exchange is None:
            self._owner.lost_idle(self)
            return
        if isinstance(self._reader, EndlessBody) and reason.check(ConnectionDone):
            self._finished(exchange, [])
        else:
            what = "in the middle of its answer" if self._answered else "without an answer"
            untouched = self.uses > 1 and not self._answered and not self._buffer
            # Nearly all servers of HTTP/2 begin with SETTINGS, before they look at what they were asked.
            hint = f" {_SPEAKS_HTTP2}" if self._buffer[3:9] == _SETTINGS else ""
            self._fail(UPSTREAM_RESET, f"The upstream closed the connection {what}.{hint}", untouched)
        exchange.flush_edge()

    def deadline_passed(self, now: float) -> None:
        exchange = self.exchange
        if exchange is None:
            if self.lost:
                self.transport.abortConnection()
            else:
                self.close_idle()
            return
        self._fail(UPSTREAM_TIMEOUT, self._timed_out(), untouched=False)
        exchange.flush_edge()

    # --- reading an answer

    def _read_heads(self, exchange: UpstreamEvents, data: bytes) -> bool:
        """True when the answer came whole and has been told, all of it."""
        seen = self._seen
        if seen and data.startswith(seen) and self._request_ended:
            kept = self._kept_head
            body = data[len(seen) :]
            if len(body) == kept.length:
                self._answer_whole(exchange, kept.again(), body)
                return True
        while True:
            end = data.find(_END_OF_HEAD)
            if end < 0 or end > self._max_head_bytes:
                if max(end, len(data)) > self._max_head_bytes:
                    raise UpstreamFault("The head of the upstream's answer is too large.")
                self._buffer = data
                return False
            whole, head = data, parse_response(data[:end], self._method)
            data = data[end + 4 :]
            if head.code >= 200:
                break
            if head.code == 101:
                return self._switch(exchange, whole[:end], data)
            self._interim += 1
            if self._interim > _MAX_INTERIM:
                raise UpstreamFault("The upstream sent more interim answers than anybody has a use for.")
            exchange.upstream_informational(head)
            if self.exchange is not exchange:
                return False
            if not data:
                return False
        if self._request_ended and (len(data) == head.length if head.body else not data):
            if head.body and not head.close and end < _KEPT_BYTES:
                # An upstream says the same head again and again, but for the second in Date and the length.
                self._seen, self._kept_head = whole[: end + 4], head.again()
            self._keep = not head.close
            self._answer_whole(exchange, head, data)
            return True
        self._answered = True
        self._keep = not head.close
        # Read before it is told: plugins may make another answer of it, and what comes is framed as the upstream said.
        length = head.length if head.body else 0
        exchange.upstream_head(head, self._seconds())
        if self.exchange is not exchange:
            return False
        if length == 0:
            self._finished(exchange, [], data)
            return False
        if head.chunked:
            self._reader = ChunkedBody(self._max_head_bytes)
        elif length is not None:
            self._reader = CountedBody(length)
        else:
            self._reader = EndlessBody()
        if data:
            self._read_body(exchange, data)
        else:
            self._expect_progress()
        return False

    def _switch(self, exchange: UpstreamEvents, head: bytes, rest: bytes) -> bool:
        """A 101, and what came behind it. As `_read_heads`. Raises UpstreamFault."""
        raise UpstreamFault("The upstream switched protocols without being asked to.")

    def _answer_whole(self, exchange: UpstreamEvents, head: ResponseHead, body: bytes) -> None:
        """The answer came all at once: release the connection, then tell."""
        now = self._seconds()
        if not self._keep or self.lost or not self._reading:
            self._released(now)
        else:
            # what _released does in the common case
            self.exchange = None
            self.idle_since = now
            self.deadline = deadline = now + self._keep_s
            if deadline < self.wake_s:
                self._deadlines.look_earlier(self)
            self._owner.released(self, True)
        exchange.upstream_whole(head, body, now)

    def _read_body(self, exchange: UpstreamEvents, data: bytes) -> None:
        reader = self._reader
        assert reader is not None
        content, ended, rest = reader.feed(data)
        if content:
            exchange.upstream_data(content)
            if self.exchange is not exchange:
                return
        if ended:
            self._finished(exchange, reader.trailers, rest)
            return
        if reader.behind:
            self._let_others()
        self._expect_progress()

    def _let_others(self) -> None:
        """What came at once is more than one turn's work: read it on after the others."""
        self.transport.pauseProducing()
        if not self._asked:
            self._asked = True
            self._soon(self._read_on)

    def _read_on(self) -> None:
        """The others had their turn."""
        self._asked = False
        if self._reader is not None and self._reader.behind and self._reading and not self.lost:
            self.transport.resumeProducing()
            self.dataReceived(b"")

    def _expect_progress(self) -> None:
        if self._idle_s is None:
            self.deadline = NEVER
        elif self._reading and (self._request_ended or self.full):
            self._deadlines.arm(self, self._seconds() + self._idle_s)

    def _finished(self, exchange: UpstreamEvents, trailers: list[Field], rest: bytes = b"") -> None:
        if rest:
            self._keep = False
        self._released(self._seconds())
        exchange.upstream_end(trailers)

    def _released(self, now: float) -> None:
        """The answer is whole: the connection goes back, or closes."""
        self.exchange = None
        self._reader = None
        self._answered = False
        self._interim = 0
        if self._keep and self._request_ended and not self.lost and self._reading:
            self.idle_since = now
            self._deadlines.arm(self, now + self._keep_s)
            self._owner.released(self, True)
        else:
            self._close(abort=not self._request_ended)
            self._owner.released(self, False)

    def _fail(self, reason: Reason, detail: str, untouched: bool) -> None:
        exchange = self.exchange
        assert exchange is not None
        self.exchange = None
        self._close(abort=True)
        self._owner.released(self, False)
        exchange.upstream_failed(reason, detail, untouched)

    def _close(self, abort: bool) -> None:
        self.deadline = NEVER
        if not self.lost:
            self.lost = True
            self.transport.unregisterProducer()
            if abort:
                self.transport.abortConnection()
            else:
                self._deadlines.arm(self, self._seconds() + _GOODBYE_S)
                self.transport.loseConnection()
