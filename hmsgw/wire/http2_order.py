"""Frames in the wrong order: what libnghttp2 forgives, as it forgets streams that are closed (RFC 9113 section 5.1).

Knows: where frames begin in what a client sends, which streams were opened and which are over. Refuses to know: what is
in them. Strategy: nine bytes of each frame are looked at before the library sees them; the last few hundred streams are
remembered, which is more than a client can have in flight.
"""

from __future__ import annotations

from hmsgw.wire.http2 import ErrorCode

_HEADER_BYTES = 9
_PREFACE_BYTES = 24
_DATA, _HEADERS, _PRIORITY, _RST_STREAM = 0, 1, 2, 3
_REMEMBERED = 512
_OPEN, _OVER, _FORGIVEN = range(3)


class FrameOrder:
    """Of one connection, from its first byte on. Refuses streams that go backwards, and frames for closed ones."""

    __slots__ = ("_before", "_head", "_last", "_skip", "_streams")

    def __init__(self) -> None:
        self._skip = _PREFACE_BYTES
        self._head = b""
        self._last = 0
        self._streams: dict[int, int] = {}
        self._before: dict[int, int] = {}

    def look(self, data: bytes) -> int | None:
        """At what came next. None, or the code of the error that ends the connection."""
        at = self._skip
        end = len(data)
        if self._head:
            data = self._head + data
            end = len(data)
            at = 0
            self._head = b""
        while at + _HEADER_BYTES <= end:
            kind = data[at + 3]
            if kind <= _RST_STREAM:
                number = int.from_bytes(data[at + 5 : at + 9], "big") & 0x7FFFFFFF
                fault = self._heed(kind, number, data[at + 9 : at + 13])
                if fault is not None:
                    return fault
            at += _HEADER_BYTES + (data[at] << 16 | data[at + 1] << 8 | data[at + 2])
        if at < end:
            self._head = data[at:]
            at = end
        self._skip = at - end
        return None

    def closed(self, number: int, *, by_us: bool) -> None:
        """A stream is over. by_us: frames for it may be on their way still, and are passed over."""
        self._end(number, _FORGIVEN if by_us else _OVER)

    def _heed(self, kind: int, number: int, start: bytes) -> int | None:
        if kind == _PRIORITY:
            # RFC 9113 section 6.3; RFC 7540 section 5.3.1 of a stream that depends on itself
            if number == 0 or int.from_bytes(start, "big") & 0x7FFFFFFF == number:
                return ErrorCode.PROTOCOL_ERROR
            return None
        if kind == _HEADERS and number > self._last:
            self._last = number
            self._streams[number] = _OPEN
            if len(self._streams) > _REMEMBERED:
                self._forget()
            return None
        if number > self._last:
            return None  # an idle stream: the library's to refuse
        if kind == _RST_STREAM:
            self._end(number, _OVER)
            return None
        state = self._streams.get(number)
        if state is None:
            state = self._before.get(number)
        if state is None:
            return ErrorCode.PROTOCOL_ERROR if kind == _HEADERS else ErrorCode.STREAM_CLOSED
        return ErrorCode.STREAM_CLOSED if state == _OVER else None

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
