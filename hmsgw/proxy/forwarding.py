"""What a proxy must change in a request head before it goes on (RFC 9110 section 7.6, RFC 7239).

Knows: hop-by-hop fields, the fields that only the gateway may set, whom to believe about the client's address.
Refuses to know: wires and connections. Strategy: what depends on the connection alone is encoded once a connection;
a head without anything to drop is handed on as it came.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from hmsgw.wire.fieldlines import encode_fields
from hmsgw.wire.fieldnames import FRAMING, HOP_BY_HOP, MANAGED, NOT_SENDABLE, WRITTEN
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import RequestHead
from hmsgw.wire.http1 import encode_request
from hmsgw.wire.target import AUTHORITY, checked_path, host_of
from hmsgw.wire.tracecontext import trace_id_of

if TYPE_CHECKING:
    from hmsgw.proxy.exchange import Exchange

#: What `Connection` may not take away (RFC 9110 section 7.6.1 leaves end-to-end fields to the sender's good will).
_NEVER_NOMINATED = MANAGED | FRAMING | {b"authorization", b"cookie", b"date", b"cache-control", b"content-type"}

_NOT_FORWARDED = HOP_BY_HOP | MANAGED

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


def canonical_host(address: str) -> str:
    """An IP address in one spelling: IPv4-mapped IPv6 as IPv4, no zone. What is no address stays as it is."""
    bare = address.partition("%")[0]
    try:
        parsed = ipaddress.ip_address(bare)
    except ValueError:
        return bare
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


class TrustedProxies:
    """The networks whose word about the client is taken. A miss costs a parse; an empty set costs nothing."""

    def __init__(self, cidrs: tuple[str, ...]) -> None:
        self._networks = [ipaddress.ip_network(cidr, strict=False) for cidr in cidrs]

    def __contains__(self, host: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks if network.version == address.version)


class Claims:
    """What a trusted proxy says of the client: its address, scheme, host, and the chain of proxies to pass on."""

    __slots__ = ("forwarded_for", "host", "proto", "request_id", "server_name")

    def __init__(self) -> None:
        self.host: str | None = None
        self.proto: str | None = None
        self.server_name: bytes | None = None
        self.forwarded_for: bytes = b""
        self.request_id: str | None = None


def trusted_claims(head: RequestHead, trusted: TrustedProxies) -> Claims:
    """Read X-Forwarded-* (or Forwarded where there is no X-Forwarded-For) right to left: the client is the last
    address that is not a trusted proxy's. An address that is none ends the walk at the last good one."""
    claims = Claims()
    chain: list[bytes] = []
    elements: list[bytes] = []
    for lower, _, value in head.fields:
        if lower == b"x-forwarded-for":
            chain.extend(part.strip(b" \t") for part in value.split(b","))
        elif lower == b"forwarded":
            elements.extend(value.split(b","))
        elif lower == b"x-forwarded-proto" and value.lower() in (b"http", b"https"):
            claims.proto = value.lower().decode()
        elif lower == b"x-forwarded-host":
            claims.server_name = _authority_of(value.rpartition(b",")[2].strip(b" \t"))
        elif lower == b"x-request-id" and 0 < len(value) <= 128 and value.isascii():
            claims.request_id = value.decode()
    if not chain:
        chain = [part for part in (_for_of(element, claims) for element in elements) if part]
    for part in reversed(chain):
        address = _address_of(part)
        if address is None:
            break
        claims.host = address
        if address not in trusted:
            break
    claims.forwarded_for = b", ".join(chain)
    return claims


def _for_of(element: bytes, claims: Claims) -> bytes:
    found = b""
    for pair in element.split(b";"):
        name, _, value = pair.strip(b" \t").partition(b"=")
        lower, bare = name.lower(), value.strip(b'"')
        if lower == b"for":
            found = bare
        elif lower == b"proto" and bare.lower() in (b"http", b"https"):
            claims.proto = bare.lower().decode()
        elif lower == b"host":
            claims.server_name = _authority_of(bare)
    return found


def _authority_of(name: bytes) -> bytes | None:
    """A proxy may hand on what a client wrote: what is no host is as good as nothing."""
    return name.lower() if AUTHORITY.fullmatch(name) is not None else None


def _address_of(part: bytes) -> str | None:
    spelled = part.decode("ascii", "replace")
    if spelled.startswith("["):
        spelled = spelled[1:].partition("]")[0]
    elif spelled.count(":") == 1:
        spelled = spelled.partition(":")[0]
    try:
        ipaddress.ip_address(spelled.partition("%")[0])
    except ValueError:
        return None
    return canonical_host(spelled)


def managed_lines(peer_host: str, scheme: str, authority: bytes, before: bytes, via: bytes) -> bytes:
    """The encoded fields that say where a request came from. before: an X-Forwarded-For of trusted proxies, or b"".

    X-Request-Id and traceparent follow in `exchange`: they differ with each request.
    """
    host = peer_host.encode("ascii", "replace")
    node = b'"[%b]"' % host if b":" in host else host
    lines = [
        b"X-Forwarded-For: %b\r\n" % (b"%b, %b" % (before, host) if before else host),
        b"X-Forwarded-Proto: %b\r\n" % scheme.encode(),
    ]
    if authority:
        lines.append(b"X-Forwarded-Host: %b\r\n" % authority)
        quoted = authority if b":" not in authority and b"[" not in authority else b'"%b"' % authority
        lines.append(b"Forwarded: for=%b;host=%b;proto=%b\r\n" % (node, quoted, scheme.encode()))
    else:
        lines.append(b"Forwarded: for=%b;proto=%b\r\n" % (node, scheme.encode()))
    lines.append(b"Via: %b hmsgw\r\n" % via)
    return b"".join(lines)


def identify(exchange: Exchange) -> bytes:
    """Settle who asks for what: caller, scheme, host and ids of the exchange, and the fields only the gateway sets.
    Returns the authority that the request is for."""
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
            shared = managed_lines(peer.host, scheme, authority, claims.forwarded_for, _VIA[head.protocol])
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
            peer.server_name = host_of(authority)
    exchange.scheme = scheme
    exchange.host = peer.server_name if authority is peer.managed_for else host_of(authority)
    request_id = exchange.request_id
    if trace:
        own = b"X-Request-Id: %b\r\ntraceparent: %b\r\n" % (request_id.encode(), trace)
    else:
        trace_id = exchange.trace_id
        own = f"X-Request-Id: {request_id}\r\ntraceparent: 00-{trace_id}-{trace_id[16:]}-01\r\n".encode()
    exchange.managed = earlier + shared + own if earlier else shared + own
    return authority


_VIA = {"http/1.0": b"1.0", "http/1.1": b"1.1", "h2": b"2.0"}


def forwarded_request(exchange: Exchange, upstream_name: str) -> bytes:
    """The encoded head for the upstream. Raises any exception when what plugins or a rewriting made can't be sent."""
    head = exchange.head
    managed = exchange.managed
    if exchange.edited or head.strip:
        lines, managed = _changed_fields(exchange, managed)
    elif head.encoded is not None:
        lines = head.encoded
    else:
        lines = head.encoded = encode_fields(client_fields(head))
    target, method = head.target, head.method
    if exchange.edited or exchange.respelled or exchange.entry.changes_path:
        method = exchange.sent_method or method
        target = _target(exchange)
    return encode_request(method, target, exchange.authority or upstream_name.encode(), lines + managed)


def _changed_fields(exchange: Exchange, managed: bytes) -> tuple[bytes, bytes]:
    """(encoded fields, managed lines) where plugins or this hop's own rules have a say in them."""
    head = exchange.head
    assert exchange.req is not None
    fields = exchange.req.fields
    if fields is not head.forwardable:
        fields = [field for field in fields if field[0] not in _NOT_A_PLUGINS]
        if head.has_length:
            managed += b"Content-Length: %d\r\n" % (head.length or 0)
    if head.chunked:
        managed += b"Transfer-Encoding: chunked\r\n"
    if head.te_trailers:
        managed += b"TE: trailers\r\nConnection: TE\r\n"
    if exchange.body.collected:
        fields = [field for field in fields if field[0] != b"expect"]
    lines = encode_fields(fields)
    if exchange.edited and not lines.count(b"\n") == lines.count(b"\r") == len(fields):
        raise ValueError("a plugin put a line break into req.fields")
    return lines, managed


def sendable_trailers(exchange: Exchange, trailers: list[Field]) -> list[Field]:
    """Without the names that the route's plugins own or wrote: a backend may read a trailer like any other field, and
    what a client can't say in the head it can't say behind the body."""
    chain, req = exchange.entry.chain, exchange.req
    if chain is None or req is None:
        return trailers
    refused = chain.owned_fields
    if exchange.edited:
        refused = refused | {field[0] for field in set(client_fields(exchange.head)) ^ set(map(tuple, req.fields))}
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
