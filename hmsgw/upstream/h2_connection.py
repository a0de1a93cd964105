"""One HTTP/2 connection to a backend, shared by many exchanges (RFC 9113).

Knows: which stream an event belongs to, whether there is room for one more, what a flood is, when it has idled long
enough. Refuses to know: frames (`wire.http2`), what is in a head (`wire.http2_answers`), clients, which backend to
choose. Strategy: what came in one read is told, one turn's work at a time, then all that is to be said is written at
once; what the backend does not read waits in its stream, bounded. Mirror of `edge.h2_connection`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from hmsgw.deadlines import NEVER, Deadlines
from hmsgw.reasons import UPSTREAM_PROTOCOL
from hmsgw.upstream.events import SharedReleases, UpstreamEvents
from hmsgw.upstream.h2_call import CallStream
from hmsgw.upstream.h2_stream import UpstreamStream
from hmsgw.upstream.h2_tunnel import StreamTunnel
from hmsgw.upstream.h2_writer import StreamsWriter
from hmsgw.wire.faults import UpstreamFault
from hmsgw.wire.http2 import (
    ENABLE_CONNECT_PROTOCOL,
    MAX_CONCURRENT_STREAMS,
    AltSvcReceived,
    DataReceived,
    ErrorCode,
    GoAwayReceived,
    InformationalResponseReceived,
    NGH2Error,
    OriginReceived,
    PingReceived,
    ResponseReceived,
    SettingsReceived,
    StreamClosed,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
    client_session,
    other_protocol,
)
from hmsgw.wire.http2_answers import AnswerReader
from hmsgw.wire.http2_budget import Budget
from hmsgw.wire.http2_order import ServerFrames

#: Exchanges on one connection, whatever the backend allows; then another connection is made.
_MAX_STREAMS = 100
_MAX_FIELDS = 1024
#: Connections that nobody uses are closed then. Servers keep them longer (nginx 75 s), and say so before they close.
_IDLE_S = 30.0
#: To say what a backend did wrong (RFC 9113 section 5.4.1), or goodbye, before the connection is cut; it may not read.
_LAST_WORD_S = 1.0


class UpstreamH2Connection(StreamsWriter, TwistedProtocol):
    """See the module. window_bytes: what may come of one answer before the client has taken it. patience_s: how long
    the backend may take to say how it is to be used. long_idle_s: how long both sides of a tunnel may say nothing, None
    for ever. is_ready: it has. takes_tunnels: it takes extended CONNECT. fault: what it did wrong, in a sentence."""

    def __init__(
        self,
        owner: SharedReleases,
        scheme: bytes,
        deadlines: Deadlines,
        seconds: Callable[[], float],
        soon: Callable[[Callable[[], None]], object],
        max_head_bytes: int,
        window_bytes: int,
        patience_s: float,
        long_idle_s: float | None,
    ) -> None:
        self.name = owner.name
        self.scheme = scheme
        self.deadlines = deadlines
        self.seconds = seconds
        self.soon = soon
        self.session = client_session(
            streams=_MAX_STREAMS, head_bytes=max_head_bytes, fields=_MAX_FIELDS, window_bytes=window_bytes
        )
        self.lost = False
        self.is_ready = False
        self.takes_tunnels = False
        self.long_idle_s = long_idle_s
        self.fault: str | None = None
        self._patience_s = patience_s
        self._owner = owner
        self._streams: dict[int, UpstreamStream] = {}
        self._leased = 0
        self._most = _MAX_STREAMS
        self._written: set[UpstreamStream] = set()
        self._told: list[UpstreamStream] = []
        self._resets: set[int] = set()
        self._joined: list[bytes] = []
        self._joined_to: UpstreamStream | None = None
        self._frames = ServerFrames()
        self.budget = Budget()
        self.heads = AnswerReader()
        self._idle_frames = 0
        self._behind = b""
        self._heard, self._heard_s = False, 0.0
        self._busy = self._flushing = self._full = self._again = False
        self._going = self._closing = False
        self.deadline = self.wake_s = NEVER

    @property
    def has_room(self) -> bool:
        """For one more exchange."""
        if not self.is_ready or self._going or self._closing or self._leased >= self._most:
            return False
        try:
            return bool(self.session.can_send_request)
        except NGH2Error:
            return False  # the library is ending it

    @property
    def takes_bodies(self) -> bool:
        """The backend has room for bytes of any stream. Where it has none, a body that nobody reads holds up others."""
        return bool(self.session.remote_window_size)

    def lease(self, exchange: UpstreamEvents, first_byte_s: float | None, idle_s: float | None) -> UpstreamStream:
        """A stream of the exchange's own; its request follows."""
        self._leased += 1
        self.deadline = NEVER
        kind = StreamTunnel if exchange.opens_tunnel else CallStream if exchange.speaks_grpc else UpstreamStream
        return kind(self, exchange, first_byte_s, idle_s)

    def close_idle(self) -> None:
        """No new exchanges; closed when the last has ended."""
        self._going = True
        self._close_if_unused()

    # --- what streams ask for

    def started(self, stream: UpstreamStream, number: int) -> None:
        """The stream has a number now."""
        self._streams[number] = stream
        self._frames.opened(number)
        self.written(stream)

    def released(self, stream: UpstreamStream) -> None:
        """Its exchange is over."""
        self._owner.stream_released()
        self.left()

    def given_up(self, begun_s: float) -> None:
        """A stream is, that began then. A backend that has said nothing since may be gone: the next go another way."""
        if self._heard_s < begun_s <= self.seconds() - self._patience_s:
            self._retire()

    def lingers(self) -> None:
        """Its exchange is over, and it keeps its room until `left`."""
        self._leased += 1

    def left(self) -> None:
        """It is closed."""
        self._leased -= 1
        if not self._leased:
            self._unused()

    def _unused(self) -> None:
        if self._going:
            self.soon(self._close_if_unused)
        elif not self._closing:
            self.deadlines.arm(self, self.seconds() + _IDLE_S)

    def _retire(self) -> None:
        self._going = True
        self._owner.lost_shared(self)
        self.soon(self._close_if_unused)

    def _close_if_unused(self) -> None:
        if not self._leased:
            self._close(ErrorCode.NO_ERROR)

    # --- Twisted's side

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.deadlines.arm(self, self.seconds() + self._patience_s)
        self._flush()

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
        self._heard_s = self.seconds()
        if not self._heard:
            self._heard = True
            other = other_protocol(data)
            if other is not None:
                self._broken(f"The upstream answers in {other}, where HTTP/2 was expected.")
                return
        self._busy = True
        try:
            size, broken = self._frames.look(data)
            if size < len(data):
                data, self._behind = data[:size], data[size:]
                self.transport.pauseProducing()
                self.soon(self._read_on)
            broken = broken or self._receive(data)
            for event in self.session.events():
                heed = _HEED.get(type(event))
                if heed is not None:
                    if self._joined and heed is not _DATA:
                        self._hand_over()
                    heed(self, event)
                    if self._closing:
                        return
            if self._joined:
                self._hand_over()
            told, self._told = self._told, []
            for stream in told:
                if stream.exchange is not None:
                    stream.read_so_far()
        finally:
            self._busy = False
        if broken is not None:
            self._broken("The upstream broke the rules of HTTP/2.", broken)
        else:
            self._flush()

    def _receive(self, data: bytes) -> int | None:
        """None, or the error that ends the connection."""
        idle, self._idle_frames = self._frames.idle - self._idle_frames, self._frames.idle
        try:
            self.session.receive_data(data)
        except NGH2Error:
            return ErrorCode.PROTOCOL_ERROR
        calm = not idle or self.budget.spend(self.seconds(), idle)
        return None if calm else ErrorCode.ENHANCE_YOUR_CALM

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = self._closing = True
        self.deadlines.forget(self)
        self._owner.lost_shared(self)
        streams, self._streams = self._streams, {}
        self._written.clear()
        for stream in streams.values():
            stream.lost()

    def deadline_passed(self, now: float) -> None:
        if self._closing:
            self.transport.abortConnection()
        elif not self.is_ready:
            self._broken(f"The upstream did not begin to speak HTTP/2 within {self._patience_s:g} s.")
        elif not self._leased:
            self._close(ErrorCode.NO_ERROR)

    # --- events

    def _answer(self, event: ResponseReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None and stream.exchange is not None:
            try:
                if stream.answer(event.headers, event.end_stream):
                    self._told.append(stream)
            except UpstreamFault as fault:
                stream.fail(UPSTREAM_PROTOCOL, str(fault))

    def _informational(self, event: InformationalResponseReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None and stream.exchange is not None:
            exchange = stream.exchange
            try:
                stream.informational(event.headers)
            except UpstreamFault as fault:
                stream.fail(UPSTREAM_PROTOCOL, str(fault))
            exchange.flush_edge()

    def _data(self, event: DataReceived) -> None:
        data, ended = event.data, event.end_stream
        if data:
            self.budget.earn_piece(len(data))
        elif not ended:
            self._control(event)
            return
        stream = self._streams.get(event.stream_id)
        if stream is not self._joined_to and self._joined:
            self._hand_over()
        if stream is None:
            with suppress(NGH2Error):  # the connection may be at its end
                self.session.acknowledge_received_data(len(data), event.stream_id)
            return
        if data and not stream.gather(data):
            self._joined.append(data)
            self._joined_to = stream
        if ended:
            if self._joined:
                self._hand_over()
            stream.end(())

    def _hand_over(self) -> None:
        """What came for one stream, in however many frames, is one piece to all who come after."""
        joined, self._joined = self._joined, []
        stream, self._joined_to = self._joined_to, None
        if stream is not None:
            stream.data(b"".join(joined))
            if not self._told or self._told[-1] is not stream:
                self._told.append(stream)

    def _trailers(self, event: TrailersReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is not None and stream.exchange is not None:
            try:
                stream.trailers(event.headers)
            except UpstreamFault as fault:
                stream.fail(UPSTREAM_PROTOCOL, str(fault))

    def _stream_reset(self, event: StreamReset) -> None:
        self._resets.add(event.stream_id)
        self._control(event)

    def _stream_closed(self, event: StreamClosed) -> None:
        number = event.stream_id
        by_peer = number in self._resets
        if by_peer:
            self._resets.discard(number)
        elif event.error_code != ErrorCode.NO_ERROR:
            self._frames.closed(number, by_us=True)  # what the backend ends is seen in its frames
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._written.discard(stream)
            stream.closed(event.error_code, by_peer=by_peer)

    def _go_away(self, event: GoAwayReceived) -> None:
        self._control(event)
        # The library closes the streams above the last one, as refused (RFC 9113 section 6.8).
        self._retire()

    def _settings(self, event: SettingsReceived) -> None:
        self._control(event)
        self.takes_tunnels = event.settings.get(ENABLE_CONNECT_PROTOCOL, self.takes_tunnels) == 1
        self._most = min(event.settings.get(MAX_CONCURRENT_STREAMS, self._most), _MAX_STREAMS)
        if not self.is_ready and not self._closing:
            self.is_ready = True
            self.deadlines.arm(self, self.seconds() + _IDLE_S)
            self._owner.ready(self)

    def _control(self, event: object) -> None:
        if not self.budget.spend(self.seconds()):
            self._broken("The upstream sends control frames without end.")

    # --- the end

    def _broken(self, detail: str, code: int = ErrorCode.PROTOCOL_ERROR) -> None:
        """Nothing that it says can be believed any more."""
        streams, self._streams = self._streams, {}
        self.fault = detail
        self._close(code)
        for stream in streams.values():
            stream.fail(UPSTREAM_PROTOCOL, detail)

    def _close(self, code: int) -> None:
        if self._closing:
            return
        self._busy = False
        try:
            self.session.send_goaway(code)
            self._write()
        except NGH2Error:
            pass  # it has said so itself
        self._closing = True
        self._owner.lost_shared(self)
        self.deadlines.arm(self, self.seconds() + _LAST_WORD_S)
        self.transport.unregisterProducer()
        self.transport.loseConnection()


_DATA = UpstreamH2Connection._data
_HEED: dict[type, Callable[[UpstreamH2Connection, Any], None]] = {
    ResponseReceived: UpstreamH2Connection._answer,
    InformationalResponseReceived: UpstreamH2Connection._informational,
    DataReceived: _DATA,
    TrailersReceived: UpstreamH2Connection._trailers,
    StreamReset: UpstreamH2Connection._stream_reset,
    StreamClosed: UpstreamH2Connection._stream_closed,
    GoAwayReceived: UpstreamH2Connection._go_away,
    SettingsReceived: UpstreamH2Connection._settings,
    AltSvcReceived: UpstreamH2Connection._control,
    OriginReceived: UpstreamH2Connection._control,
    PingReceived: UpstreamH2Connection._control,
    WindowUpdated: UpstreamH2Connection._control,
}
