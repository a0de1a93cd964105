"""HTTP/2 heads: lists of fields to records and back (RFC 9113 section 8).

Knows: pseudo-header fields, what HTTP/2 forbids that HTTP/1.1 allows, cookies in crumbs. Refuses to know: frames
(`wire.http2`). Strategy: what libnghttp2 has checked is checked again by the grammar that HTTP/1.1 is held to, because
a request is likely to go on as HTTP/1.1; each field is remembered, so that costs one look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hmsgw.reasons import HEAD_TOO_LARGE, TARGET_TOO_LONG, UNKNOWN_PROTOCOL
from hmsgw.wire.bodies import sendable_trailers
from hmsgw.wire.dates import http_date_line
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.fieldlines import BadLine, FieldPairs
from hmsgw.wire.fieldnames import FRAMING, HOP_BY_HOP, HTTP1_ONLY, MANAGED
from hmsgw.wire.headers import LENGTH, TOKEN, Field
from hmsgw.wire.heads import METHODS, RequestHead, ResponseHead
from hmsgw.wire.target import authorities, check_visible, is_plain_target

_MARKED = HOP_BY_HOP | FRAMING | MANAGED | {b"expect", b"cookie"}
#: RFC 8441 section 5: left out, as the stream says as much.
_HANDSHAKE_OF_HTTP1 = frozenset({b"sec-websocket-key", b"sec-websocket-accept"})
_SCHEMES = frozenset({b"https", b"http"})
FIELD_OVERHEAD_BYTES = 32
"""What a field counts besides its bytes (RFC 9113 section 6.5.2)."""

_fields = FieldPairs()
_STATUS = [(b":status", b"%d" % status) for status in range(1000)]

Pairs = Iterable[tuple[bytes, bytes]]


class HeadReader:
    """Reads the heads of one connection. One that is like the last but for its path, as most are, is not read again.

    max_head_bytes, max_field_bytes, max_fields: `limits.head`, `field` and `fields`.
    """

    __slots__ = ("_at", "_bounds", "_ended", "_head", "_pairs")

    def __init__(self, max_head_bytes: int, max_field_bytes: int, max_fields: int) -> None:
        self._bounds = (max_head_bytes, max_field_bytes, max_fields)
        self._pairs: tuple[tuple[bytes, bytes], ...] = ()
        self._head = RequestHead()
        self._at = 0
        self._ended = True

    def read(self, pairs: tuple[tuple[bytes, bytes], ...], ended: bool) -> RequestHead:
        """A request's head as a record, not to be written: one that is equal to the last in all is that one. ended: no
        body follows. Raises EdgeFault."""
        if pairs == self._pairs and ended is self._ended:
            return self._head
        if len(pairs) == len(self._pairs) and ended is self._ended:
            at = self._at
            name, target = pairs[at]
            before = self._pairs
            like = name == b":path" and pairs[:at] == before[:at] and pairs[at + 1 :] == before[at + 1 :]
            if like and is_plain_target(target):
                again = RequestHead()
                again.__dict__.update(self._head.__dict__)
                again.target = target
                return again
        head = request_head(pairs, ended, *self._bounds)
        if head.target[:1] == b"/" and not head.websocket:
            self._pairs, self._head, self._ended = pairs, head, ended
            self._at = next(at for at, pair in enumerate(pairs) if pair[0] == b":path")
        return head

    def trailers(self, pairs: Sequence[tuple[bytes, bytes]]) -> list[Field]:
        """What came behind a request's body, by the bounds of its head. Raises EdgeFault."""
        _, max_field_bytes, max_fields = self._bounds
        if len(pairs) > max_fields or any(len(name) + len(value) > max_field_bytes for name, value in pairs):
            raise EdgeFault("The trailers are too many, or too long.")
        try:
            return trailer_fields(pairs)
        except BadLine as error:
            raise EdgeFault(str(error)) from None


def request_head(pairs: Pairs, ended: bool, max_head_bytes: int, max_field_bytes: int, max_fields: int) -> RequestHead:
    """A request's head as a record. ended: no body follows.

    Raises EdgeFault: bad-request, or head-too-large as 431 (fields) or 414 (target).
    """
    request = RequestHead()
    request.protocol = "h2"
    pseudo: dict[bytes, bytes] = {}
    fields: list[Field] = []
    marked: list[Field] | None = None
    size = 0
    try:
        for pair in pairs:
            name, value = pair
            size += len(name) + len(value)
            if name[:1] == b":":
                if fields or name in pseudo:
                    raise EdgeFault("A pseudo-header field stands twice, or behind other fields.")
                pseudo[name] = value
                continue
            field = _fields[pair]
            if name in _MARKED:
                if marked is None:
                    marked = []
                marked.append(field)
            elif 0x5F in name:
                request.strip = True
            fields.append(field)
    except BadLine as bad:
        raise EdgeFault(str(bad)) from None
    if size + FIELD_OVERHEAD_BYTES * len(fields) > max_field_bytes or len(fields) > max_fields:
        _check_sizes(pseudo, fields, max_head_bytes, max_field_bytes, max_fields)
    if not ended:
        request.length = None
    if marked is not None:
        for field in marked:
            _read_marked(request, field, fields)
    if ended:
        if request.length:
            raise EdgeFault("Content-Length promises a body, and there is none.")
        request.length = 0
    elif request.length is None:
        request.chunked = request.strip = True
    _read_pseudo(request, pseudo, fields)
    request.fields = tuple(fields)
    return request


def _check_sizes(
    pseudo: dict[bytes, bytes], fields: list[Field], max_head_bytes: int, max_field_bytes: int, max_fields: int
) -> None:
    if len(fields) > max_fields:
        raise EdgeFault(f"The request has more than {max_fields} header fields.", HEAD_TOO_LARGE)
    if len(pseudo.get(b":path", b"")) > max_field_bytes:
        raise EdgeFault(f"The request target is longer than {max_field_bytes} bytes.", TARGET_TOO_LONG)
    if max((len(name) + len(value) for name, _, value in fields), default=0) > max_field_bytes:
        raise EdgeFault(f"A header field is longer than {max_field_bytes} bytes.", HEAD_TOO_LARGE)
    if sum(len(name) + len(value) + 4 for name, _, value in fields) > max_head_bytes:
        raise EdgeFault(f"The request's head is longer than {max_head_bytes} bytes.", HEAD_TOO_LARGE)


def _read_marked(request: RequestHead, field: Field, fields: list[Field]) -> None:
    name, _, value = field
    if name in HTTP1_ONLY:
        raise EdgeFault(f"The field {name.decode()} has no meaning in HTTP/2.")
    if name == b"content-length":
        if request.has_length or LENGTH.fullmatch(value) is None:
            raise EdgeFault("Content-Length must be one decimal number, without leading zeros.")
        request.has_length = True
        request.length = int(value)
    elif name == b"host":
        if request.authority:
            raise EdgeFault("The request has more than one Host field.")
        request.authority = authorities[value]
        fields.remove(field)
    elif name == b"cookie":
        _join_cookies(fields)
    elif name == b"expect":
        request.expect_continue = value.lower() == b"100-continue"
    else:
        request.strip = True
        if name == b"te":
            request.te_trailers = value == b"trailers"


def _join_cookies(fields: list[Field]) -> None:
    """RFC 9113 section 8.2.3: crumbs are one field to whoever does not speak HTTP/2."""
    crumbs = [field for field in fields if field[0] == b"cookie"]
    if len(crumbs) > 1:
        at = fields.index(crumbs[0])
        fields[:] = [field for field in fields if field[0] != b"cookie"]
        fields.insert(at, (b"cookie", b"cookie", b"; ".join([value for _, _, value in crumbs])))


def _read_pseudo(request: RequestHead, pseudo: dict[bytes, bytes], fields: list[Field]) -> None:
    """RFC 9113 section 8.3.1. The authority wins over Host, and they may not differ."""
    method = pseudo.pop(b":method", b"")
    if method not in METHODS and TOKEN.fullmatch(method) is None:
        raise EdgeFault("The request's method is not a token.")
    request.method = method
    given = pseudo.pop(b":authority", None)
    if given is not None:
        authority = authorities[given]
        if request.authority and request.authority != authority:
            raise EdgeFault("Host and :authority name different hosts.")
        request.authority = authority
    if not request.authority:
        raise EdgeFault("The request names no host: neither :authority nor Host.")
    if method == b"CONNECT" and not pseudo:
        request.target = request.authority
        return
    protocol = pseudo.pop(b":protocol", None)
    if protocol is not None:
        _read_protocol(request, protocol, fields)
    if pseudo.pop(b":scheme", b"") not in _SCHEMES:
        raise EdgeFault("The request's scheme is neither http nor https.")
    target = pseudo.pop(b":path", b"")
    if pseudo:
        raise EdgeFault("The request has a pseudo-header field that is not known here.")
    if target[:1] != b"/" and not (target == b"*" and method == b"OPTIONS"):
        raise EdgeFault("The request's path does not begin with a slash.")
    check_visible(target)
    if 0x23 in target:
        raise EdgeFault("A request target has no fragment.")
    request.target = target


def _read_protocol(request: RequestHead, protocol: bytes, fields: list[Field]) -> None:
    """Extended CONNECT (RFC 8441 section 4). To everybody else it is the GET that it would be in HTTP/1.1."""
    if request.method != b"CONNECT":
        raise EdgeFault("Only CONNECT has a :protocol.")
    if protocol.lower() != b"websocket":
        raise EdgeFault("CONNECT leads to no other protocol here than websocket.", UNKNOWN_PROTOCOL)
    if request.length is not None:
        raise EdgeFault("A WebSocket's opening has neither a length nor an end.")
    request.method, request.websocket, request.chunked, request.strip = b"GET", True, False, True
    fields[:] = [field for field in fields if field[0] not in _HANDSHAKE_OF_HTTP1]


def response_pairs(head: ResponseHead, wall_s: float) -> list[tuple[bytes, bytes]]:
    """A final answer's fields as HTTP/2 carries them. wall_s: for Date, where the answer has none."""
    status = head.code
    pairs = [_STATUS[status]]
    pairs += [(name, value) for name, _, value in head.fields]
    if head.length is not None and not head.framed and status != 204 and status != 304:
        pairs.append((b"content-length", b"%d" % head.length))
    if not head.dated:
        pairs.append((b"date", http_date_line(wall_s)[6:-2]))
    return pairs


def informational_pairs(status: int, fields: Iterable[Field]) -> list[tuple[bytes, bytes]]:
    """A 1xx answer's fields."""
    return [_STATUS[status], *field_pairs(fields)]


def trailer_fields(pairs: Pairs) -> list[Field]:
    """What came behind a body, as far as it may go on. Raises BadLine."""
    return sendable_trailers([_fields[pair] for pair in pairs])


def field_pairs(fields: Iterable[Field]) -> list[tuple[bytes, bytes]]:
    """Fields as HTTP/2 carries them."""
    return [(name, value) for name, _, value in fields]
