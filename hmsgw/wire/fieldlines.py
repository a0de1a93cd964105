"""Field lines, checked once: the memory of header lines that have been seen before (RFC 9112 section 5).

Knows: the grammar of one field line. Refuses to know: which fields matter to a message.
Strategy: nearly every header line of nearly every request has come before, byte for byte (Host, User-Agent, Accept,
Content-Type, a client's token). A line is validated by one regular expression when it is new; after that it is one
dictionary look-up in C, a fifth of the cost of parsing it again. The memory has two generations of bounded size, so
that a flood of new lines costs the old ones nothing but a second look-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from hmsgw.wire.headers import TOKEN, Field

# A token, a colon, a value without control characters but HTAB. No obs-fold: a line never begins with white space.
_LINE = re.compile(rb"(" + TOKEN.pattern + rb"):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_BEFORE_COLON = re.compile(rb"\A(" + TOKEN.pattern + rb")[ \t]+:")
_MAX_LINES = 2048
_MAX_LINE_BYTES = 1024


class BadLine(Exception):
    """A line is not a header field; one sentence."""


Key = TypeVar("Key", bytes, tuple[bytes, bytes])


class _Remembered(dict[Key, Field]):
    """Fields by what they were read from, in two generations. `_read` reads one that is new; `_size` is its bytes."""

    def __init__(self) -> None:
        super().__init__()
        self._older: dict[Key, Field] = {}

    def __missing__(self, key: Key) -> Field:
        field = self._older.get(key)
        if field is None:
            field = self._read(key)
        if self._size(key) <= _MAX_LINE_BYTES:
            if len(self) >= _MAX_LINES:
                self._older = dict(self)
                self.clear()
            self[key] = field
        return field

    if TYPE_CHECKING:

        def _read(self, key: Key) -> Field: ...
        def _size(self, key: Key) -> int: ...


class FieldLines(_Remembered[bytes]):
    """`lines[line]` is the line's field: (lower-case name, name, value). Raises BadLine."""

    def _read(self, key: bytes) -> Field:
        return parse_line(key)

    def _size(self, key: bytes) -> int:
        return len(key)


class ResponseLines(FieldLines):
    """`FieldLines` of answers, where a proxy takes white space before a colon away (RFC 9112 section 5.1)."""

    def _read(self, key: bytes) -> Field:
        try:
            return parse_line(key)
        except BadLine:
            return parse_line(_BEFORE_COLON.sub(rb"\1:", key, 1))


class FieldPairs(_Remembered[tuple[bytes, bytes]]):
    """`pairs[name, value]` is the field that HTTP/2 carries so, by the same grammar. Raises BadLine."""

    def _read(self, key: tuple[bytes, bytes]) -> Field:
        return parse_pair(*key)

    def _size(self, key: tuple[bytes, bytes]) -> int:
        return len(key[0]) + len(key[1])


def parse_pair(name: bytes, value: bytes) -> Field:
    """The field of a name and a value that came apart (RFC 9113 section 8.2). Raises BadLine."""
    if TOKEN.fullmatch(name) is None or name.lower() != name:
        raise BadLine("A field's name is not a token in lower case.")
    if value.strip(b" \t") != value:
        raise BadLine("A field's value begins or ends with white space.")
    return parse_line(b"%b:%b" % (name, value))


def parse_line(line: bytes) -> Field:
    """The field of one line without its CR LF. Raises BadLine."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadLine(_what_is_wrong(line))
    name, value = match.groups()
    return (name.lower(), name, value.rstrip(b" \t"))


def encode_fields(fields: Iterable[Field]) -> bytes:
    """Field lines, each with its CR LF."""
    return b"".join([b"%b: %b\r\n" % (name, value) for _, name, value in fields])


def _what_is_wrong(line: bytes) -> str:
    if line[:1] in (b" ", b"\t"):
        return "A header field is folded over several lines."
    if b"\n" in line or b"\r" in line:
        return "A header line holds a bare CR or LF."
    name, colon, _ = line.partition(b":")
    if not colon:
        return "A header line has no colon."
    if name.rstrip(b" \t") != name:
        return "A header field has white space before its colon."
    if TOKEN.fullmatch(name) is None:
        return "A header field's name is not a token."
    return "A header field's value holds a control character."
