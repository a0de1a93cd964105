"""HTTP/1.1 heads: bytes to records and back (RFC 9112).

Knows: start lines, and what a head says of the body that follows; what is ambiguous there is refused.
Refuses to know: sockets, bodies (`wire.bodies`), what a field means to a gateway (`proxy.forwarding`).
Strategy: a head is split at CR LF; every line is checked by the grammar of `wire.fieldlines`, which remembers lines.
Only the few fields that frame or route a message are looked at again. The tests hold this file against llhttp.
"""

from __future__ import annotations

import re

from hmsgw.reasons import HEAD_TOO_LARGE, PHRASES, TARGET_TOO_LONG
from hmsgw.wire.faults import EdgeFault, UpstreamFault
from hmsgw.wire.fieldlines import BadLine, FieldLines, ResponseLines
from hmsgw.wire.fieldnames import FRAMING, HOP_BY_HOP, MANAGED
from hmsgw.wire.headers import LENGTH, TOKEN, Field
from hmsgw.wire.heads import METHODS, RequestHead, ResponseHead
from hmsgw.wire.target import authorities, check_visible, is_plain_target

#: Fields that say how a message is framed or handled on this hop; everything else is carried on unread.
_MARKED_IN_REQUESTS = HOP_BY_HOP | FRAMING | MANAGED | {b"expect"}
_MARKED_IN_RESPONSES = HOP_BY_HOP | {b"content-length", b"date"}

_NO_NAMES: frozenset[bytes] = frozenset()


class _StatusLines(dict[bytes, int]):
    """Status lines seen before -> status; bounded, checked once."""

    _LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9][0-9])(?: [^\x00-\x08\x0a-\x1f\x7f]*)?")

    def __missing__(self, line: bytes) -> int:
        match = self._LINE.fullmatch(line)
        if match is None:
            raise UpstreamFault("The upstream does not answer with an HTTP/1.1 status line.")
        if len(self) >= 1024:
            self.clear()
        status = self[line] = int(match.group(1))
        return status


_request_lines = FieldLines()
_response_lines = ResponseLines()
_statuses = _StatusLines()


def parse_request(head: bytes, max_field_bytes: int, max_fields: int) -> RequestHead:
    """A whole request head, without the empty line that ends it, as a record.

    Raises EdgeFault: bad-request, bad-path, or head-too-large as 431 (fields) or 414 (target).
    """
    lines = head.split(b"\r\n")
    start = lines.pop(0).split(b" ")
    if len(start) != 3:
        if start[0] == b"PROXY":
            raise EdgeFault("A PROXY header came first, which this listener does not take: `proxy_protocol` is off.")
        raise EdgeFault("The request line is not `METHOD target HTTP/1.1`.")
    request = RequestHead()
    method, target, version = start
    if version == b"HTTP/1.1":
        request.protocol = "http/1.1"
    elif version == b"HTTP/1.0":
        request.protocol = "http/1.0"
        request.close = True
    else:
        raise EdgeFault("The request line does not end with HTTP/1.1 or HTTP/1.0.")
    if method not in METHODS and TOKEN.fullmatch(method) is None:
        raise EdgeFault("The request's method is not a token.")
    check_visible(target)
    if len(head) > max_field_bytes:
        if len(method) > max_field_bytes:
            raise EdgeFault(f"The request's method is longer than {max_field_bytes} bytes.")
        if len(target) > max_field_bytes:
            raise EdgeFault(f"The request target is longer than {max_field_bytes} bytes.", TARGET_TOO_LONG)
        if max(map(len, lines), default=0) > max_field_bytes:
            raise EdgeFault(f"A header field is longer than {max_field_bytes} bytes.", HEAD_TOO_LARGE)
    if len(lines) > max_fields:
        raise EdgeFault(f"The request has more than {max_fields} header fields.", HEAD_TOO_LARGE)
    try:
        fields = list(map(_request_lines.__getitem__, lines))
    except BadLine as bad:
        raise EdgeFault(str(bad)) from None

    request.method = method
    host: Field | None = None
    for field in fields:
        lower = field[0]
        if lower in _MARKED_IN_REQUESTS:
            if lower == b"host":
                if host is not None:
                    raise EdgeFault("The request has more than one Host field.")
                host = field
            else:
                _read_marked(request, field)
        elif 0x5F in lower:
            request.strip = True
    if request.chunked and request.has_length:
        raise EdgeFault("The request has both Content-Length and Transfer-Encoding.")
    if host is not None:
        fields.remove(host)
        request.authority = authorities[host[2]]
    elif version == b"HTTP/1.1":
        raise EdgeFault("An HTTP/1.1 request must have a Host field.")
    if target[0] != 0x2F or 0x23 in target:
        target = _other_target(request, target)
    request.target = target
    request.fields = tuple(fields)
    if request.connection and b"upgrade" in request.connection:
        _heed_upgrade(request)
    return request


def _heed_upgrade(request: RequestHead) -> None:
    """RFC 9110 section 7.8: what is offered besides WebSocket, and by HTTP/1.0, is passed over."""
    if request.protocol != "http/1.1":
        return
    offered = b",".join([value for lower, _, value in request.fields if lower == b"upgrade"]).lower()
    if b"websocket" not in [name.strip(b" \t") for name in offered.split(b",")]:
        return
    if request.method != b"GET" or request.length != 0:
        raise EdgeFault("A WebSocket is opened by a GET without a body.")
    request.websocket = True
    request.length = None


def parse_again(request: RequestHead, start: bytes) -> bool:
    """Set method and target anew for a head whose fields and version are those of `request`. start: `METHOD target`.

    False when the line is not of the plain kind; `parse_request` then says what it is.
    """
    method, _, target = start.partition(b" ")
    if method not in METHODS or not is_plain_target(target):
        return False
    request.method = method
    request.target = target
    return True


def _read_marked(request: RequestHead, field: Field) -> None:
    lower, _, value = field
    if lower == b"content-length":
        # Even an equal second one is refused: nobody sends it in good faith.
        if request.has_length or LENGTH.fullmatch(value) is None:
            raise EdgeFault("Content-Length must be one decimal number, without leading zeros.")
        request.has_length = True
        request.length = int(value)
        return
    request.strip = True
    if lower == b"transfer-encoding":
        if request.chunked or value.lower() != b"chunked" or request.protocol == "http/1.0":
            raise EdgeFault("Transfer-Encoding must be `chunked`, once, and on HTTP/1.1.")
        request.chunked = True
        request.length = None
    elif lower == b"connection":
        names = {name.strip(b" \t").lower() for name in value.split(b",")}
        if b"close" in names:
            request.close = True
        elif b"keep-alive" in names and request.protocol == "http/1.0":
            request.close = False
        names -= {b"close", b"keep-alive", b""}
        if names:
            request.connection = request.connection | names
    elif lower == b"expect":
        request.expect_continue = value.lower() == b"100-continue" and request.protocol == "http/1.1"
    elif lower == b"te":
        request.te_trailers = b"trailers" in value.lower()


def _other_target(request: RequestHead, target: bytes) -> bytes:
    """RFC 9112 section 3.2: absolute-form, asterisk-form; CONNECT's form is left for its refusal."""
    if b"#" in target:
        raise EdgeFault("A request target has no fragment.")
    if request.method == b"CONNECT":
        request.close = True  # what follows may be the tunnel's that it did not wait for
        return target
    if target == b"*":
        if request.method != b"OPTIONS":
            raise EdgeFault("Only OPTIONS may ask for `*`.")
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        raise EdgeFault("The request target is neither a path nor an http(s) URL.")
    cut = min((i for i in (rest.find(b"/"), rest.find(b"?")) if i >= 0), default=len(rest))
    # RFC 9112 section 3.2.2: the target's authority takes the place of Host.
    request.authority = authorities[rest[:cut]]
    if cut == len(rest) and request.method == b"OPTIONS":
        return b"*"  # section 3.2.4: asked of the server itself
    return rest[cut:] if rest[cut : cut + 1] == b"/" else b"/" + rest[cut:]


def parse_response(head: bytes, request_method: bytes) -> ResponseHead:
    """A whole response head, without the empty line that ends it, as a record, with what RFC 9112 section 6.3 says of
    its body. Hop-by-hop fields and those that Connection names are left out. Raises UpstreamFault.
    """
    lines = head.split(b"\r\n")
    start = lines.pop(0)
    status = _statuses[start]
    try:
        fields = list(map(_response_lines.__getitem__, lines))
    except BadLine as bad:
        raise UpstreamFault(f"The upstream's answer can't be parsed. {bad}") from None
    response = ResponseHead(status, fields, None)
    old = start[7] == 0x30
    if old:
        response.close = True
    length: int | None = None
    dropped: list[Field] | None = None
    nominated = _NO_NAMES
    for field in fields:
        lower = field[0]
        if lower in _MARKED_IN_RESPONSES:
            if lower == b"date":
                response.dated = True
                continue
            if lower == b"content-length":
                value = field[2]
                if length is not None or not value.isdigit() or len(value) > 18:
                    raise UpstreamFault("The upstream's Content-Length is not one decimal number.")
                length = int(value)
                response.framed = True
                continue
            if dropped is None:
                dropped = []
            dropped.append(field)
            if lower == b"connection":
                nominated = _read_response_connection(response, field[2], nominated)
            elif lower == b"transfer-encoding":
                if response.chunked or field[2].lower() != b"chunked" or old:
                    raise UpstreamFault("The upstream's Transfer-Encoding is not `chunked`.")
                response.chunked = True
    if response.chunked and length is not None:
        raise UpstreamFault("The upstream sent both Content-Length and Transfer-Encoding.")
    if dropped is not None:
        for field in dropped:
            fields.remove(field)
        if nominated:
            fields[:] = [field for field in fields if field[0] not in nominated]
    response.length = length
    if status < 200 or status == 204 or status == 304 or request_method == b"HEAD":
        response.body = False
        if (status < 200 or status == 204) and response.framed:
            # RFC 9110 section 8.6: no Content-Length in a 1xx or 204
            fields[:] = [field for field in fields if field[0] != b"content-length"]
            response.framed = False
            response.length = None
    elif length is None and not response.chunked:
        response.close = True  # its end is the end of the connection
    return response


def _read_response_connection(response: ResponseHead, value: bytes, nominated: frozenset[bytes]) -> frozenset[bytes]:
    lower = value.lower()
    if lower == b"keep-alive":
        response.close = False
        return nominated
    names = {name.strip(b" \t") for name in lower.split(b",")}
    if b"close" in names:
        response.close = True
    elif b"keep-alive" in names:
        response.close = False
    return nominated | (names - {b"date", b"content-length"})


_STATUS_LINES = [b"HTTP/1.1 %d %b\r\n" % (status, PHRASES.get(status, b"")) for status in range(1000)]


def encode_request(method: bytes, target: bytes, authority: bytes, lines: bytes) -> bytes:
    """A request head. lines: encoded fields other than Host (`fieldlines.encode_fields`)."""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (method, target, authority, lines)


def encode_response(status: int, fields: list[Field], framing: bytes) -> bytes:
    """A response head. framing: encoded field lines that say how the body ends, each with its CR LF."""
    lines = [name + b": " + value for _, name, value in fields]
    lines.append(framing)
    return b"%b%b\r\n" % (_STATUS_LINES[status], b"\r\n".join(lines))
