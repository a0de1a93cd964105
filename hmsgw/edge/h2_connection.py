"""One HTTP/2 connection from a client (RFC 9113).

Knows: which stream an event belongs to, when the connection is idle, how it is drained, what a flood is. Refuses to
know: frames (`wire.http2`), what is in a head (`wire.http2_heads`), routes and upstreams: an exchange is made for each
request, as for HTTP/1.1. Strategy: everything that came in one read is handled before anything is written, and written
at once, if it is no more than one turn's work, else so much of it; what the client does not read waits in its stream,
bounded, and the exchange is told.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from hmsgw.deadlines import NEVER
from hmsgw.edge.door import Door
from hmsgw.edge.h2_stream import H2Stream
from hmsgw.edge.h2_writer import H2Writer
from hmsgw.edge.peer import Peer
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.heads import unreadable_request
from hmsgw.wire.http2 import (
    DataReceived,
    DenialOfServiceError,
    ErrorCode,
    NGH2Error,
    PingReceived,
    PriorityUpdateReceived,
    RequestReceived,
    SettingsReceived,
    StreamClosed,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
    goaway,
    server_session,
)
from hmsgw.wire.http2_budget import Budget
from hmsgw.wire.http2_heads import HeadReader
from hmsgw.wire.http2_order import FrameOrder

#: Between the two GOAWAYs of a graceful end (RFC 9113 section 6.8): a round trip, and some.
_LAST_CALL_S = 1.0


class H2Connection(H2Writer, TwistedProtocol):
    """See the module. Takes the place of an EdgeConnection when the client speaks HTTP/2."""

    def __init__(self, door: Door, peer: Peer) -> None:
        self.door = door
        self.peer = peer
        limits = door.limits
        self.session = server_session(
            streams=limits.streams, head_bytes=limits.head, fields=limits.fields, window_bytes=limits.buffer
        )
        self.streams: dict[int, H2Stream] = {}
        self._written: set[H2Stream] = set()
        self.budget = Budget()
        self._order = FrameOrder()
        self._idle_frames = 0
        self._behind = b""
        self._joined: list[bytes] = []
        self._joined_to: H2Stream | None = None
        self._new: list[H2Stream] = []
        self._given_up: set[int] = set()
        self._heads = HeadReader(limits.head, limits.field, limits.fields)
        self._last_id = 0
        self._busy = False
        self._full = False
        self._lost = False
        self._draining = False
        self._closing = False
        self._again = False
        self._unsent = 0
        self._flushing = False
        #: When the transport has taken nothing for too long; when the second GOAWAY is due; when idling ends.
        self._stuck_at = self._last_call_at = self._idle_at = NEVER
        self.deadline = NEVER
        self.wake_s = NEVER

    # --- Twisted's side

    def connectionMade(self) -> None:
        door, transport = self.door, self.transport
        bound_buffer = getattr(transport, "bound_buffer", None)
        if bound_buffer is not None:
            bound_buffer(door.limits.buffer // 2)
        transport.registerProducer(self, True)
        if not door.entered(self, door.h2_gauge):
            self._write()  # a server's first frame is SETTINGS, whatever follows (RFC 9113 section 3.4)
            self._end(ErrorCode.ENHANCE_YOUR_CALM)
            return
        self._idle_at = door.seconds() + door.settings.head
        self._arm()
        if door.draining:
            self.drain()
        self.flush()

    def dataReceived(self, data: bytes) -> None:
        if self._behind:
            self._behind += data
        elif not self._closing:
            self._read(data)

    def _read_on(self) -> None:
        """The others had their turn."""
        data, self._behind = self._behind, b""
        if not self._closing:
            self.transport.resumeProducing()
            self._read(data)

    def _read(self, data: bytes) -> None:
        self._busy = True
        try:
            size, broken = self._order.look(data)
            if size < len(data):
                data, self._behind = data[:size], data[size:]
                self.transport.pauseProducing()
                self.door.soon(self._read_on)
            if broken is None:
                broken = self._receive(data)
            events = self.session.events()
            self._given_up = {event.stream_id for event in events if type(event) is StreamReset}
            for event in events:
                heed = _HEED.get(type(event))
                if heed is not None:
                    if self._joined and heed is not _DATA:
                        self._hand_over()
                    heed(self, event)
                    if self._closing:
                        return
            if self._joined:
                self._hand_over()
            if self._new:
                new, self._new = self._new, []
                for stream in new:
                    if stream.unfinished:
                        stream.read_so_far()
        finally:
            self._busy = False
        if broken is not None:
            self._end(broken)
        else:
            self.flush()

    def _receive(self, data: bytes) -> int | None:
        """None, or the error that ends the connection."""
        idle, self._idle_frames = self._order.idle - self._idle_frames, self._order.idle
        if idle and not self.budget.spend(self.door.seconds(), idle):
            return ErrorCode.ENHANCE_YOUR_CALM
        try:
            self.session.receive_data(data)
        except DenialOfServiceError:
            return ErrorCode.ENHANCE_YOUR_CALM
        except NGH2Error:
            return ErrorCode.PROTOCOL_ERROR
        return None

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._lost = self._closing = True
        self.door.deadlines.forget(self)
        streams, self.streams = self.streams, {}
        self._written.clear()
        for stream in streams.values():
            stream.abandon()
        # Last: with the last connection the gateway may end, and its last exchange has to be counted by then.
        self.door.left(self, self.door.h2_gauge)

    def deadline_passed(self, now: float) -> None:
        if self._closing or now >= self._stuck_at:
            before, self._unsent = self._unsent, self.door.unsent(self.transport)
            if self._unsent == before:
                self.abort()
            else:  # the client reads on, if slowly
                self._stuck_at = now + self.door.settings.body_progress
                self._arm()
            return
        if now >= self._last_call_at:
            self._last_call_at = NEVER
            self.session.send_goaway(ErrorCode.NO_ERROR)
            self.flush()
        elif now >= self._idle_at:
            self.session.send_goaway(ErrorCode.NO_ERROR)
            self._close()
        if not self._closing:
            self._arm()

    def _arm(self) -> None:
        self.door.deadlines.arm(self, min(self._stuck_at, self._last_call_at, self._idle_at))

    # --- events

    def _request(self, event: RequestReceived) -> None:
        number = self._last_id = event.stream_id
        if number in self._given_up:
            return  # in the same read: nobody waits for what it would cost
        door = self.door
        self.budget.earn_request()
        self._idle_at = NEVER
        fault: EdgeFault | None = None
        try:
            head = self._heads.read(event.headers, event.end_stream)
        except EdgeFault as error:
            fault = error
            head = unreadable_request((b":method", b"HEAD") in event.headers)
            head.protocol = "h2"
        unfinished = not event.end_stream
        stream = self.streams[number] = H2Stream(self, number, head, unfinished)
        stream.exchange = exchange = door.exchange(stream, door.plane, head, door.seconds())
        if fault is not None:
            stream.is_new = False
            exchange.refuse(fault.reason, fault.detail)
            return
        if unfinished:
            self._new.append(stream)  # it begins together with what comes of its body in the same read
        else:
            exchange.start()

    def _data(self, event: DataReceived) -> None:
        data, ended = event.data, event.end_stream
        if data:
            self.budget.earn_piece(len(data))
        elif not ended and not self._afford():
            return
        stream = self.streams.get(event.stream_id)
        if stream is not self._joined_to and self._joined:
            self._hand_over()
        if stream is None:
            if data:
                with contextlib.suppress(NGH2Error):  # a later frame of the same read may have ended it all
                    self.session.acknowledge_received_data(len(data), event.stream_id)
            return
        if data and not stream.gather(data):
            self._joined.append(data)
            self._joined_to = stream
        if ended:
            if self._joined:
                self._hand_over(last=True)
            if not stream.gone:
                stream.end([])

    def _hand_over(self, *, last: bool = False) -> None:
        """What came for one stream, in however many frames, is one piece to all who come after."""
        joined, self._joined = self._joined, []
        stream, self._joined_to = self._joined_to, None
        if stream is not None:
            stream.data(b"".join(joined), last=last)

    def _trailers(self, event: TrailersReceived) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is None:
            return
        try:
            stream.end(self._heads.trailers(event.headers))
        except EdgeFault as fault:
            stream.broken(fault.detail)

    def _stream_reset(self, event: StreamReset) -> None:
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            stream.was_reset = True
            if stream.is_told:
                return  # it cuts off its own body: callers of gRPC do that behind every early end
        self._count_reset()

    def _count_reset(self) -> None:
        """A stream has ended by the client's will or fault."""
        if not self.budget.spend_reset(self.door.seconds()):
            self._end(ErrorCode.ENHANCE_YOUR_CALM)

    def _stream_closed(self, event: StreamClosed) -> None:
        number = event.stream_id
        stream = self.streams.pop(number, None)
        failed = event.error_code != ErrorCode.NO_ERROR
        self._order.closed(number, by_us=failed or stream is None or stream.was_reset)
        if stream is not None:
            self._written.discard(stream)
            stream.lost()
        if failed and (stream is None or not stream.was_reset) and number not in self._given_up:
            self._count_reset()  # by the library, for what the client did (CVE-2025-8671)
        if not self.streams and not self._closing:
            self._idle_at = self.door.seconds() + self.door.settings.keep_alive
            self._arm()

    def _control(self, event: object) -> None:
        self._afford()

    def _afford(self) -> bool:
        if self.budget.spend(self.door.seconds()):
            return True
        self._end(ErrorCode.ENHANCE_YOUR_CALM)
        return False

    # --- the end

    def drain(self) -> None:
        """No new streams soon, then none at all; those that are open are finished."""
        if self._draining or self._closing:
            return
        self._draining = True
        self.session.send_shutdown_notice()
        self._last_call_at = self.door.seconds() + _LAST_CALL_S
        self._arm()
        for stream in list(self.streams.values()):
            if stream.exchange is not None:
                stream.exchange.edge_draining()
        self.flush()

    def stop(self) -> None:
        """The time to drain is over: requests under way are told so if they can be, and the connection closes."""
        for stream in list(self.streams.values()):
            if stream.exchange is not None:
                stream.exchange.shut_down()
        if not self._closing:
            self.session.send_goaway(ErrorCode.NO_ERROR)
            self._close()

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        if not self._lost:
            self._closing = True
            self.transport.unregisterProducer()
            self.transport.abortConnection()

    def _end(self, code: int) -> None:
        """The client broke the protocol, or asks too much: say which, and close."""
        if self._closing:
            return
        self._closing = True
        self.transport.write(goaway(self._last_id, code))
        self._lose()

    def _close(self) -> None:
        if self._closing:
            return
        self._busy = False
        self._write()
        self._closing = True
        self._lose()

    def _lose(self) -> None:
        streams, self.streams = self.streams, {}
        for stream in streams.values():
            stream.abandon()
        self.transport.unregisterProducer()
        self._unsent = self.door.unsent(self.transport)
        self.transport.loseConnection()
        self._stuck_at = self.door.seconds() + self.door.settings.body_progress
        self._idle_at = self._last_call_at = NEVER
        self._arm()


_DATA = H2Connection._data
_HEED: dict[type, Callable[[H2Connection, Any], None]] = {
    RequestReceived: H2Connection._request,
    DataReceived: _DATA,
    TrailersReceived: H2Connection._trailers,
    StreamReset: H2Connection._stream_reset,
    StreamClosed: H2Connection._stream_closed,
    PingReceived: H2Connection._control,
    SettingsReceived: H2Connection._control,
    PriorityUpdateReceived: H2Connection._control,
    WindowUpdated: H2Connection._control,
}
