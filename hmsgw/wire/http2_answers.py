"""HTTP/2 heads as a client writes and reads them: requests to lists of fields, answers to records (RFC 9113 section 8).

Knows: pseudo-header fields, what HTTP/2 forbids that HTTP/1.1 allows, which fields stay behind. Refuses to know: frames
(`wire.http2`), who asks. Mirror of `wire.http2_heads`: what libnghttp2 has checked is checked again by the grammar that
HTTP/1.1 is held to, because an answer is likely to go on as HTTP/1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from hmsgw.wire.faults import UpstreamFault
from hmsgw.wire.fieldlines import BadLine, FieldPairs
from hmsgw.wire.fieldnames import HOP_BY_HOP, HTTP1_ONLY
from hmsgw.wire.headers import TOKEN, Field
from hmsgw.wire.heads import ResponseHead
from hmsgw.wire.http2_heads import trailer_fields

_STATUS = re.compile(rb"[1-9][0-9]{2}")
_BREAKS = re.compile(rb"[\r\n\0]")

_fields = FieldPairs()

Pairs = Iterable[tuple[bytes, bytes]]


def response_head(pairs: Pairs, ended: bool, request_method: bytes) -> ResponseHead:
    """An answer's head as a record, hop-by-hop fields left out. ended: no body follows. Raises UpstreamFault."""
    fields: list[Field] = []
    status = b""
    response = ResponseHead(0, fields, None)
    length: int | None = None
    try:
        for pair in pairs:
            name, value = pair
            if name[:1] == b":":
                if name != b":status" or status or fields or _STATUS.fullmatch(value) is None:
                    raise UpstreamFault("The upstream's answer has no status, or a pseudo-header field it can't have.")
                status = value
                continue
            field = _fields[pair]
            if name in HOP_BY_HOP:
                if name in HTTP1_ONLY:
                    raise UpstreamFault(f"The upstream's field {name.decode()} has no meaning in HTTP/2.")
                continue
            if name == b"content-length":
                if length is not None or not value.isdigit() or len(value) > 18:
                    raise UpstreamFault("The upstream's Content-Length is not one decimal number.")
                length = int(value)
                response.framed = True
            elif name == b"date":
                response.dated = True
            fields.append(field)
    except BadLine as bad:
        raise UpstreamFault(f"The upstream's answer can't be read. {bad}") from None
    if not status:
        raise UpstreamFault("The upstream's answer has no status.")
    code = response.code = int(status)
    if code < 200 or code in (204, 304) or request_method == b"HEAD":
        response.body = False
        if (code < 200 or code == 204) and response.framed:
            # RFC 9110 section 8.6: no Content-Length in a 1xx or 204
            fields[:] = [field for field in fields if field[0] != b"content-length"]
            response.framed, length = False, None
    elif ended:
        if length:
            raise UpstreamFault("The upstream's Content-Length promises a body, and there is none.")
        length = 0
    response.length = length
    return response


class AnswerReader:
    """Reads the heads of one connection's answers. One that is like the last, as most are, is not read again."""

    __slots__ = ("_ended", "_head", "_pairs", "_trailer_pairs", "_trailers")

    def __init__(self) -> None:
        self._pairs: Pairs = ()
        self._head = ResponseHead(0, [], None)
        self._ended = True
        self._trailer_pairs: Pairs = ()
        self._trailers: list[Field] = []

    def read_trailers(self, pairs: Pairs) -> list[Field]:
        """As `trailer_fields`; not to be written."""
        if pairs != self._trailer_pairs:
            self._trailers = trailer_fields(pairs)
            self._trailer_pairs = pairs
        return self._trailers

    def read(self, pairs: Pairs, ended: bool, request_method: bytes) -> ResponseHead:
        """As `response_head`."""
        if ended is self._ended and request_method != b"HEAD" and pairs == self._pairs:
            return self._head.again()
        head = response_head(pairs, ended, request_method)
        if head.body:
            self._pairs, self._head, self._ended = pairs, head.again(), ended
        return head


@lru_cache(maxsize=256)
def pairs_of(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Of field lines as HTTP/1.1 has them, those that HTTP/2 has too. Not to be written: it is kept."""
    pairs: list[tuple[bytes, bytes]] = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        name = name.lower()
        if name not in HTTP1_ONLY:
            pairs.append((name, value))
    return pairs


def check_sendable(fields: Iterable[Field]) -> None:
    """Raises ValueError for a field that would be read as something else, which a plugin may have made."""
    for lower, _, value in fields:
        if TOKEN.fullmatch(lower) is None or lower != lower.lower() or _BREAKS.search(value) is not None:
            raise ValueError("a plugin put what is no header field into req.fields")
