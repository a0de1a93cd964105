"""HTTP/1.1 message bodies: where one ends (RFC 9112 sections 6 and 7).

Knows: counted bodies and chunked ones with their trailers. Refuses to know: heads, sockets, who reads.
Strategy: a reader a body; `feed` takes what came and returns (content, ended, rest), where content is what there is of
the body, joined, and rest is what follows the body (the next message). Anything a chunked body does not have to be is
refused: bare LF, signs or blanks in a size, a size of more than 15 digits, extensions against their grammar. A
quarter of a MiB may hold 40,000 chunks of a byte: only so many are taken at once, and the caller comes back for more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from hmsgw.wire.fieldlines import BadLine, encode_fields, parse_line
from hmsgw.wire.fieldnames import FRAMING, HOP_BY_HOP, MANAGED
from hmsgw.wire.headers import TOKEN, Field

_VALUE = rb"(?:" + TOKEN.pattern + rb'|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*")'
_EXTENSION = rb"[ \t]*;[ \t]*" + TOKEN.pattern + rb"(?:[ \t]*=[ \t]*" + _VALUE + rb")?"
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:" + _EXTENSION + rb")*")
_HEX = frozenset(b"0123456789ABCDEFabcdef")
_BARE_LF = re.compile(rb"(?<!\r)\n")
_MAX_SIZE_LINE = 4096
#: Chunks taken in one `feed`: half a millisecond's work. A read of ordinary chunks holds fewer.
MAX_CHUNKS = 512
#: And bytes of their size lines, as much work when they are full of extensions.
_MAX_SIZE_BYTES = 8192

#: Trailers that would change what the head has said (RFC 9110 section 6.5.1).
_NOT_IN_TRAILERS = HOP_BY_HOP | FRAMING | MANAGED | {
    b"content-encoding", b"content-type", b"content-range", b"expect", b"authorization", b"cookie", b"set-cookie",
    b"cache-control", b"max-forwards",
}  # fmt: skip


class BodyFault(Exception):
    """The body's framing is broken; one sentence."""


class BodyReader(Protocol):
    """Finds the end of one body. behind: there is more in what was fed already; feed b"" when others had their turn."""

    trailers: list[Field]
    behind: bool

    def feed(self, data: bytes) -> tuple[bytes, bool, bytes]:
        """(content, ended, rest). Raises BodyFault. Not to be called again after the end."""


class CountedBody:
    """A body with Content-Length. length: bytes, 1 or more."""

    __slots__ = ("left", "trailers")
    behind = False

    def __init__(self, length: int) -> None:
        self.left = length
        self.trailers: list[Field] = []

    def feed(self, data: bytes) -> tuple[bytes, bool, bytes]:
        size = len(data)
        if size < self.left:
            self.left -= size
            return data, False, b""
        if size == self.left:
            self.left = 0
            return data, True, b""
        left, self.left = self.left, 0
        return data[:left], True, data[left:]


class EndlessBody:
    """A response body that ends with its connection (RFC 9112 section 6.3, rule 8)."""

    __slots__ = ("trailers",)
    behind = False

    def __init__(self) -> None:
        self.trailers: list[Field] = []

    def feed(self, data: bytes) -> tuple[bytes, bool, bytes]:
        return data, False, b""


class ChunkedBody:
    """A chunked body. max_trailer_bytes bounds the trailer section, max_fields and max_field_bytes what is in it."""

    __slots__ = ("_held", "_left", "_max_field_bytes", "_max_fields", "_max_trailer_bytes", "behind", "trailers")

    def __init__(self, max_trailer_bytes: int, max_fields: int = 1024, max_field_bytes: int | None = None) -> None:
        self._held = b""
        self._left = _AT_SIZE
        self._max_trailer_bytes = max_trailer_bytes
        self._max_fields = max_fields
        self._max_field_bytes = max_trailer_bytes if max_field_bytes is None else max_field_bytes
        self.behind = False
        self.trailers: list[Field] = []

    def feed(self, data: bytes) -> tuple[bytes, bool, bytes]:
        if self._held:
            data = self._held + data
            self._held = b""
        self.behind = False
        pieces: list[bytes] = []
        at = 0
        end = len(data)
        sizes_left = _MAX_SIZE_BYTES
        left = self._left
        while at < end:
            if left > 0:
                take = min(left, end - at)
                pieces.append(data[at : at + take] if take != end else data)
                at += take
                left -= take
                if left == 0:
                    left = _AT_DATA_END
            elif left == _AT_DATA_END:
                if end - at < 2:
                    if data[at] != 0x0D:
                        raise BodyFault("A chunk is longer than its size says.")
                    break
                if data[at : at + 2] != b"\r\n":
                    raise BodyFault("A chunk is longer than its size says.")
                at += 2
                left = _AT_SIZE
            elif left == _AT_SIZE:
                if len(pieces) >= MAX_CHUNKS or sizes_left < 0:
                    self.behind = True
                    break
                line_end = data.find(b"\n", at, at + _MAX_SIZE_LINE)
                if line_end < 0:
                    if end - at >= _MAX_SIZE_LINE:
                        raise BodyFault("A chunk size line is too long.")
                    if data[at] not in _HEX:
                        raise BodyFault("A chunk size is not a hexadecimal number.")
                    break
                match = _SIZE.fullmatch(data, at, line_end - 1)
                if match is None or data[line_end - 1] != 0x0D:
                    raise BodyFault("A chunk size is not a hexadecimal number.")
                sizes_left -= line_end - at
                at = line_end + 1
                left = int(match.group(1), 16) or _AT_TRAILERS
            else:
                done = self._read_trailers(data, at)
                if done < 0:
                    break
                self._left = left
                return b"".join(pieces), True, data[done:]
        self._left = left
        self._held = data[at:] if at < end else b""
        return b"".join(pieces), False, b""

    def _read_trailers(self, data: bytes, at: int) -> int:
        """The index after the trailer section, or -1 when it is not whole yet."""
        if data[at : at + 2] == b"\r\n":
            return at + 2
        end = data.find(b"\r\n\r\n", at)
        if (end if end >= 0 else len(data)) - at > self._max_trailer_bytes:
            raise BodyFault("The trailers are too large.")
        if end < 0:
            if _BARE_LF.search(data, at) is not None:
                raise BodyFault("A line of the trailers ends without a carriage return.")
            return -1
        lines = data[at:end].split(b"\r\n")
        if len(lines) > self._max_fields or max(map(len, lines)) > self._max_field_bytes:
            raise BodyFault("The trailers are too many, or too long.")
        try:
            fields = [parse_line(line) for line in lines]
        except BadLine:
            raise BodyFault("A trailer is not a header field.") from None
        self.trailers += sendable_trailers(fields)
        return end + 4


def body_reader(length: int | None, max_trailer_bytes: int, max_fields: int, max_field_bytes: int) -> BodyReader:
    """For a body of this length, or None for a chunked one."""
    return ChunkedBody(max_trailer_bytes, max_fields, max_field_bytes) if length is None else CountedBody(length)


def sendable_trailers(fields: list[Field]) -> list[Field]:
    """Those that say nothing which the head had to say, and look like nothing else."""
    return [field for field in fields if field[0] not in _NOT_IN_TRAILERS and b"_" not in field[0]]


_AT_SIZE, _AT_DATA_END, _AT_TRAILERS = 0, -1, -2
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk (RFC 9112 section 7.1). data: at least one byte."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Sequence[Field]) -> bytes:
    """The end of a chunked body."""
    return b"0\r\n%b\r\n" % encode_fields(trailers) if trailers else LAST_CHUNK
