"""Frames in the wrong order: what libnghttp2 forgives, as it forgets streams that are closed (RFC 9113 section 5.1).

Knows: where frames begin in what a client sends, which streams were opened and which are over, how many frames are one
turn's work, and which of them ask for nothing. Refuses to know: what is in them. Strategy: nine bytes of each frame are
looked at before the library sees them; the last few hundred streams are remembered, which is more than a client can
have in flight.
"""

from __future__ import annotations

from struct import Struct

from hmsgw.wire.http2 import ErrorCode

_HEADER_BYTES = 9
#: A frame's header (RFC 9113 section 4.1): its length in two parts, type, flags, stream.
_header_at = Struct(">BHBBI").unpack_from
_PREFACE_BYTES = 24
_DATA, _HEADERS, _PRIORITY, _RST_STREAM = 0, 1, 2, 3
_PING, _WINDOW_UPDATE, _ACK, _END_STREAM = 6, 8, 1, 1
#: The work of one turn: a frame counts for 1, a request for as much as it costs beside a frame of a body.
MAX_WORK = 512
_A_REQUEST = 16
_REMEMBERED = 512
_OPEN, _OVER, _FORGIVEN = range(3)


class FrameOrder:
    """Of one connection, from its first byte on. Refuses streams that go backwards, and frames for closed ones.

    idle: frames that ask for nothing and that the library does not tell of: answers to a PING that was never sent,
    WINDOW_UPDATEs of streams that are over. They rise; whoever counts them subtracts.
    """

    __slots__ = ("_before", "_head", "_last", "_skip", "_streams", "idle")
    _ending = 0
    """The flags of a frame that ends what its sender has to say on a stream, if that is looked for."""

    def __init__(self) -> None:
        self._skip = _PREFACE_BYTES
        self._head = b""
        self.idle = 0
        self._last = 0
        self._streams: dict[int, int] = {}
        self._before: dict[int, int] = {}

    def look(self, data: bytes) -> tuple[int, int | None]:
        """At what came next: (size, fault). size: how many of the bytes are one turn's work; the others are to be
        shown again. fault: None, or the code of the error that ends the connection."""
        at = self._skip
        end = len(data)
        before = len(self._head)
        if before:
            data = self._head + data
            end = len(data)
            at = 0
            self._head = b""
        work = 0
        streams, ending = self._streams, self._ending
        while at + _HEADER_BYTES <= end:
            if work >= MAX_WORK:
                self._skip = 0
                return at - before, None
            high, low, kind, flags, number = _header_at(data, at)
            number &= 0x7FFFFFFF
            work += _A_REQUEST if kind == _HEADERS else 1
            if kind < _PRIORITY and streams.get(number) == _OPEN and not flags & ending:
                pass  # as nearly all are
            elif kind <= _RST_STREAM:
                fault = self._heed(kind, flags, number, data, at)
                if fault is not None:
                    return end - before, fault
                streams = self._streams
            elif kind == _WINDOW_UPDATE:
                if number and not self._is_open(number):
                    self.idle += 1
            elif kind == _PING and flags & _ACK:
                self.idle += 1
            at += _HEADER_BYTES + (high << 16 | low)
        if at < end:
            self._head = data[at:]
            at = end
        self._skip = at - end
        return end - before, None

    def closed(self, number: int, *, by_us: bool) -> None:
        """A stream is over. by_us: frames for it may be on their way still, and are passed over."""
        self._end(number, _FORGIVEN if by_us else _OVER)

    def _heed(self, kind: int, flags: int, number: int, data: bytes, at: int) -> int | None:
        if number > self._last and kind != _PRIORITY:
            if kind == _HEADERS:
                self._last = number
                self._open(number)
            return None  # an idle stream otherwise: the library's to refuse
        if kind == _PRIORITY:
            # RFC 9113 section 6.3; RFC 7540 section 5.3.1 of a stream that depends on itself
            if number == 0 or int.from_bytes(data[at + 9 : at + 13], "big") & 0x7FFFFFFF == number:
                return ErrorCode.PROTOCOL_ERROR
            return None
        if kind == _RST_STREAM:
            self._end(number, _OVER)
            return None
        state = self._state(number)
        if state is None:
            return ErrorCode.PROTOCOL_ERROR if kind == _HEADERS else ErrorCode.STREAM_CLOSED
        return ErrorCode.STREAM_CLOSED if state == _OVER else None

    def _open(self, number: int) -> None:
        self._streams[number] = _OPEN
        if len(self._streams) > _REMEMBERED:
            self._forget()

    def _state(self, number: int) -> int | None:
        state = self._streams.get(number)
        return self._before.get(number) if state is None else state

    def _is_open(self, number: int) -> bool:
        return self._state(number) == _OPEN

    def _end(self, number: int, how: int) -> None:
        streams = self._streams if number in self._streams else self._before
        if streams.get(number) == _OPEN:
            streams[number] = how

    def _forget(self) -> None:
        """What was there before the last few hundred; streams that are open are carried on."""
        before = self._before
        self._before = self._streams
        still = [number for number, state in before.items() if state == _OPEN]
        self._streams = dict.fromkeys(still[-_REMEMBERED // 2 :], _OPEN)


class ServerFrames(FrameOrder):
    """What a server sends: cut into turns, counted, and refused for streams that are over. It opens none itself: a
    stream is known from `opened` on, and what was not opened is the library's to judge."""

    __slots__ = ()
    _ending = _END_STREAM

    def __init__(self) -> None:
        super().__init__()
        self._skip = 0

    opened = FrameOrder._open
    """We sent a request on this stream."""

    def _heed(self, kind: int, flags: int, number: int, data: bytes, at: int) -> int | None:
        if kind == _PRIORITY:
            return None if number else ErrorCode.PROTOCOL_ERROR  # RFC 9113 section 6.3
        if kind == _RST_STREAM:
            self._end(number, _OVER)
            return None
        # One that was forgotten is passed over: there is none so old that anything of it can be under way.
        if self._state(number) == _OVER:
            return ErrorCode.STREAM_CLOSED
        if flags & _END_STREAM:
            self._end(number, _OVER)
        return None

    def _is_open(self, number: int) -> bool:
        return True
