"""What a proxy must change in a request head before it goes on (RFC 9110 section 7.6, RFC 7239).

Knows: hop-by-hop fields, the fields that only the gateway may set. Refuses to know: whom to believe about the client's
address (`proxy.trusted`), wires and connections. Strategy: what depends on the connection alone is encoded once a
connection; a head without anything to drop is handed on as it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hmsgw.proxy.trusted import node, trusted_claims
from hmsgw.wire.fieldlines import encode_fields
from hmsgw.wire.fieldnames import FRAMING, HOP_BY_HOP, MANAGED, NOT_SENDABLE, WRITTEN
from hmsgw.wire.grpc import TIMEOUT, timeout_field
from hmsgw.wire.headers import TOKEN, Field
from hmsgw.wire.heads import RequestHead
from hmsgw.wire.http1 import encode_request
from hmsgw.wire.http2_answers import check_sendable, pairs_of
from hmsgw.wire.http2_heads import field_pairs
from hmsgw.wire.representation import ASKS_FOR_LESS, DIGESTS
from hmsgw.wire.target import checked_path, host_of
from hmsgw.wire.tracecontext import trace_id_of
from hmsgw.wire.websocket import KEY_FIELD, UPGRADE_LINES, VERSION_FIELD, new_key, tunnel_pairs

if TYPE_CHECKING:
    from hmsgw.proxy.entry import Entry
    from hmsgw.proxy.exchange import Exchange
    from hmsgw.proxy.sides import UpstreamStream

#: What `Connection` may not take away (RFC 9110 section 7.6.1 leaves end-to-end fields to the sender's good will).
_NEVER_NOMINATED = MANAGED | FRAMING | {
    b"authorization", b"cookie", b"date", b"cache-control", b"content-type", KEY_FIELD, VERSION_FIELD,
}  # fmt: skip

_NOT_FORWARDED = HOP_BY_HOP | MANAGED

_MAX_FORWARDS = b"max-forwards"

#: What the gateway writes itself goes out once: a plugin's own copy is dropped.
_NOT_A_PLUGINS = NOT_SENDABLE | WRITTEN


def client_fields(head: RequestHead) -> tuple[Field, ...]:
    """The fields that plugins see and that may go on: nothing of this hop, nothing forged, no look-alikes.

    Field names with `_` are dropped: `X_Forwarded_For` and `X-Forwarded-For` are one variable to a CGI backend.
    """
    fields = head.forwardable
    if fields is None:
        fields = head.fields
        if head.strip:
            dropped = _NOT_FORWARDED | (head.connection - _NEVER_NOMINATED)
            fields = tuple(field for field in fields if field[0] not in dropped and b"_" not in field[0])
        head.forwardable = fields
    return fields


def managed_lines(
    peer_host: str, scheme: str, authority: bytes, before: bytes, via: bytes, forwarded: bytes = b""
) -> bytes:
    """The encoded fields that say where a request came from. before, forwarded: what trusted proxies say in
    X-Forwarded-For and Forwarded, or b"".

    X-Request-Id and traceparent follow in `exchange`: they differ with each request.
    """
    host = peer_host.encode("ascii", "replace")
    own = b"for=" + node(host)
    lines = [
        b"X-Forwarded-For: %b\r\n" % (b"%b, %b" % (before, host) if before else host),
        b"X-Forwarded-Proto: %b\r\n" % scheme.encode(),
    ]
    if authority:
        lines.append(b"X-Forwarded-Host: %b\r\n" % authority)
        # What is no token stands in quotes; neither `"` nor a backslash is in an authority (RFC 7239 section 4).
        own += b";host=" + (authority if TOKEN.fullmatch(authority) is not None else b'"%b"' % authority)
    own += b";proto=" + scheme.encode()
    lines.append(b"Forwarded: %b\r\n" % (b"%b, %b" % (forwarded, own) if forwarded else own))
    lines.append(b"Via: %b hmsgw\r\n" % via)
    return b"".join(lines)


def identify(exchange: Exchange) -> bytes:
    """Settle who asks for what: caller, scheme, host and ids of the exchange, and the fields only the gateway sets.
    Returns the authority that the request is for. Raises EdgeFault as `trusted_claims` does."""
    head, peer = exchange.head, exchange.peer
    scheme, authority = peer.scheme, head.authority
    earlier = b""
    trace = b""
    shared: bytes | None = None
    if head.strip:
        trusted = exchange.plane.trusted.get(peer.listener)
        if trusted is not None and peer.host in trusted:
            claims = trusted_claims(head, trusted)
            if claims.host is not None:
                exchange.caller = peer.client.behind_proxy(claims.host)
                exchange.client = claims.host
            if claims.request_id is not None:
                exchange.request_id = given = claims.request_id
                if trace_id_of(f"00-{given}-{given[16:]}-01".encode()) is not None:
                    exchange.trace_id = given
            scheme = claims.proto or scheme
            authority = claims.server_name or authority
            shared = managed_lines(
                peer.host, scheme, authority, claims.forwarded_for, _VIA[head.protocol], claims.forwarded
            )
        for lower, _, value in head.fields:
            if lower == b"via":
                earlier += b"Via: %b\r\n" % value
            elif lower == b"traceparent":
                found = trace_id_of(value)
                if found is not None:
                    exchange.trace_id, trace = found.decode(), value
    if shared is None:
        if peer.managed_for is authority:
            shared = peer.managed
        else:
            shared = peer.managed = managed_lines(peer.host, scheme, authority, b"", _VIA[head.protocol])
            peer.managed_for = authority
            peer.managed_pairs = None
            peer.server_name = host_of(authority)
    exchange.scheme = scheme
    exchange.host = peer.server_name if authority is peer.managed_for else host_of(authority)
    exchange.managed = earlier + shared if earlier else shared
    if trace:
        exchange.traceparent = trace
    return authority


def ends_here(exchange: Exchange, found: Entry, method: str) -> bool:
    """Whether this CONNECT, OPTIONS or TRACE goes no further, although a route matches. What Max-Forwards lets go on
    has one hop less from here (RFC 9110 section 7.6.2)."""
    if method == "CONNECT" or (method == "TRACE" and method not in found.methods):
        return True
    for lower, _, value in exchange.head.fields:
        if lower == _MAX_FORWARDS and value.isdigit() and len(value) <= 18:
            exchange.hops_left = int(value) - 1
            exchange.changes_head = True
    return exchange.hops_left == -1


_VIA = {"http/1.0": b"1.0", "http/1.1": b"1.1", "h2": b"2.0"}


def forwarded_request(exchange: Exchange, connection: UpstreamStream) -> bytes:
    """The encoded head for the upstream. Raises any exception when what plugins or a rewriting made can't be sent."""
    head = exchange.head
    request_id, trace_id = exchange.request_id, exchange.trace_id
    if exchange.traceparent is None:
        own = f"X-Request-Id: {request_id}\r\ntraceparent: 00-{trace_id}-{trace_id[16:]}-01\r\n".encode()
    else:
        own = b"X-Request-Id: %b\r\ntraceparent: %b\r\n" % (request_id.encode(), exchange.traceparent)
    if exchange.edited or head.strip or exchange.changes_head:
        fields, more = _changed_fields(exchange)
        own += more
        lines = encode_fields(fields)
        if exchange.edited and not lines.count(b"\n") == lines.count(b"\r") == len(fields):
            raise ValueError("a plugin put a line break into req.fields")
    elif head.encoded is not None:
        lines = head.encoded
    else:
        lines = head.encoded = encode_fields(client_fields(head))
    target, method = head.target, head.method
    if exchange.edited or exchange.respelled or exchange.entry.changes_path:
        method = exchange.sent_method or method
        target = _target(exchange)
    authority = exchange.authority or connection.name.encode()
    return encode_request(method, target, authority, lines + exchange.managed + own)


def forwarded_pairs(exchange: Exchange, connection: Any) -> list[tuple[bytes, bytes]]:
    """The head for an upstream that speaks HTTP/2. Raises as `forwarded_request` does."""
    head, peer = exchange.head, exchange.peer
    fields, more = _changed_fields(exchange)
    if fields is not head.forwardable:
        if exchange.edited:
            check_sendable(fields)
        pairs = field_pairs(fields)
    elif head.pairs is not None:
        pairs = head.pairs
    else:
        pairs = head.pairs = field_pairs(fields)
    if exchange.managed is not peer.managed:
        managed = pairs_of(exchange.managed)
    elif peer.managed_pairs is not None:
        managed = peer.managed_pairs
    else:
        managed = peer.managed_pairs = pairs_of(peer.managed)
    request_id, trace_id = exchange.request_id, exchange.trace_id
    trace = exchange.traceparent or f"00-{trace_id}-{trace_id[16:]}-01".encode()
    target, method = head.target, head.method
    if exchange.edited or exchange.respelled or exchange.entry.changes_path:
        method, target = exchange.sent_method or method, _target(exchange)
    if exchange.opens_tunnel:
        method = b"CONNECT"
    asked = [
        (b":method", method), (b":scheme", connection.scheme),
        (b":authority", exchange.authority or connection.name.encode()), (b":path", target),
        *pairs, *managed, (b"x-request-id", request_id.encode()), (b"traceparent", trace),
    ]  # fmt: skip
    if more:
        asked += pairs_of(more)
    return tunnel_pairs(asked) if exchange.opens_tunnel else asked


def _changed_fields(exchange: Exchange) -> tuple[Sequence[Field], bytes]:
    """(fields, more lines) where plugins or this hop's own rules have a say in them."""
    head = exchange.head
    managed = b""
    assert exchange.req is not None
    fields = exchange.req.fields
    rewrites = exchange.rewrites_body
    if fields is not head.forwardable or rewrites:
        fields = [field for field in fields if field[0] not in _NOT_A_PLUGINS]
        if head.has_length and not rewrites:
            managed += b"Content-Length: %d\r\n" % (head.length or 0)
    if head.chunked or rewrites:
        managed += b"Transfer-Encoding: chunked\r\n"
    if head.te_trailers or exchange.call is not None:
        managed += b"TE: trailers\r\nConnection: TE\r\n"
    if exchange.call_ends_at is not None:
        left_s = exchange.call_ends_at - exchange.plane.seconds()
        fields = [*(field for field in fields if field[0] != TIMEOUT), timeout_field(left_s)]
    if exchange.hops_left is not None:
        fields = [field for field in fields if field[0] != _MAX_FORWARDS]
        managed += b"Max-Forwards: %d\r\n" % exchange.hops_left
    if head.websocket:
        managed += _upgrade_lines(exchange, fields)
    if exchange.body.collected:
        fields = [field for field in fields if field[0] != b"expect"]
    return fields, managed


def _upgrade_lines(exchange: Exchange, fields: Iterable[Field]) -> bytes:
    """What asks the upstream for a WebSocket. Raises ValueError when plugins have left no handshake to ask with."""
    if exchange.sent_method not in (None, b"GET"):
        raise ValueError("a plugin wrote req.method of a request that opens a WebSocket: it stays a GET")
    if exchange.head.protocol == "h2":
        return UPGRADE_LINES + b"Sec-WebSocket-Key: %b\r\n" % new_key()
    if sum(field[0] == KEY_FIELD for field in fields) != 1:
        raise ValueError("a plugin took away Sec-WebSocket-Key, or added one, and the WebSocket can't be asked for")
    return UPGRADE_LINES


def unowned_trailers(exchange: Exchange, trailers: list[Field]) -> list[Field]:
    """Without the names that the route's plugins own or wrote: a backend may read a trailer like any other field, and
    what a client can't say in the head it can't say behind the body."""
    chain, req = exchange.entry.chain, exchange.req
    if chain is None or req is None:
        return trailers
    refused = chain.owned_fields
    if exchange.edited:
        refused = refused | {field[0] for field in set(client_fields(exchange.head)) ^ set(map(tuple, req.fields))}
    if exchange.rewrites_body:
        refused = refused | DIGESTS
    if exchange.transforms is not None and exchange.transforms.response_too:
        refused = refused | ASKS_FOR_LESS
    return [field for field in trailers if field[0] not in refused]


def _target(exchange: Exchange) -> bytes:
    """The target as the client, the route's rewriting or a plugin wrote it, in its one spelling. Raises EdgeFault."""
    req, entry = exchange.req, exchange.entry
    assert req is not None
    query = req.query
    raw = req.path.encode("ascii")
    if req.path is exchange.path:
        if entry.changes_path:
            raw = checked_path(entry.upstream_path(req.path, exchange.params).encode("ascii"))
        elif query is exchange.query and not exchange.respelled:
            return exchange.head.target
    return b"%b?%b" % (raw, query.encode("ascii")) if query else raw
