"""A body as it is when nobody has packed it or cut a part out of it, and what is said of one that is not the same now.

Knows: the fields that ask for a part or a coding of a body (RFC 9110 sections 8.4, 12.5.3, 14; RFC 3229), those that
describe its very bytes (RFC 9110 section 8.8, RFC 9530, RFC 3230). Refuses to know: who changes bodies, and why.
Strategy: functions of fields; what can't be told to be whole and plain counts as neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead

#: Say what the bytes of a body are, so they are wrong of any other bytes.
DIGESTS = frozenset({b"content-md5", b"digest", b"content-digest", b"repr-digest"})

#: Ask for less than the whole, or for what is said of its bytes. Request-Range: httpd takes it for Range to this day.
ASKS_FOR_LESS = frozenset({
    b"range", b"request-range", b"if-range", b"a-im", b"accept-encoding", b"want-digest", b"want-content-digest",
    b"want-repr-digest",
})  # fmt: skip

_PLAIN: Field = (b"accept-encoding", b"Accept-Encoding", b"identity")
#: A range, which nobody asked for, that can't be satisfied, and a difference to an earlier body (RFC 3229).
_PARTS = frozenset({206, 226, 416})
_BYTERANGES = re.compile(rb"multipart/(?:x-)?byteranges(?![^ \t;,])", re.IGNORECASE)


def asking_for_all(fields: Iterable[Field]) -> list[Field]:
    """A request's fields, so that they ask for a whole body in no coding. Without Accept-Encoding any coding would be
    acceptable (RFC 9110 section 12.5.3), so it is always said."""
    return [*(field for field in fields if field[0] not in ASKS_FOR_LESS), _PLAIN]


def coding_of(fields: Iterable[Field]) -> str | None:
    """What a message says that its body is packed by; None when it is not."""
    for lower, _, value in fields:
        if lower == b"content-encoding":
            for coding in value.split(b","):
                if coding.strip(b" \t").lower() not in (b"", b"identity"):
                    return value.decode("ascii", "replace")
    return None


def has_part(fields: Iterable[Field]) -> bool:
    """Whether a request says that its body is a part of one (RFC 9110 section 14.5)."""
    return any(lower == b"content-range" or (lower == b"content-type" and _BYTERANGES.match(value))
               for lower, _, value in fields)  # fmt: skip


def part_in(head: ResponseHead) -> str | None:
    """How an answer to a request by `asking_for_all` is not a whole body, in words; None when it may be one."""
    if head.code in _PARTS:
        return f"status {head.code}"
    for lower, _, value in head.fields:
        if lower == b"content-type" and _BYTERANGES.match(value):
            return "Content-Type " + value.decode("ascii", "replace")
    return None


def changed_fields(fields: Iterable[Field]) -> list[Field]:
    """The fields, or trailers, of an answer whose body is not the one they were said of: no digests, no ranges, and an
    ETag that promises no equal bytes (RFC 9110 section 8.8.1), or none where it is no entity-tag."""
    kept = []
    for field in fields:
        lower, name, value = field
        if lower == b"etag" and value.startswith(b'"'):
            kept.append((lower, name, b"W/" + value))
        elif lower not in DIGESTS and lower != b"accept-ranges" and (lower != b"etag" or value.startswith(b'W/"')):
            kept.append(field)
    return kept


def without_ranges(fields: Iterable[Field]) -> list[Field]:
    """The fields of an answer in no part of which anybody may ask."""
    return [field for field in fields if field[0] != b"accept-ranges"]
