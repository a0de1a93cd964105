"""Whom to believe about who the client is, and what they say (RFC 7239).

Knows: the networks of trusted proxies, X-Forwarded-For and Forwarded, from right to left. Refuses to know: what goes
on to the upstream (`proxy.forwarding`). Strategy: the client is the last address that no trusted proxy has; what
stands left of it may be forged.
"""

from __future__ import annotations

import ipaddress
import re

from hmsgw.config.netkinds import address_of, network
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.forwarded import read_forwarded
from hmsgw.wire.heads import RequestHead
from hmsgw.wire.target import AUTHORITY

_SCHEMES = {b"http": "http", b"https": "https"}
#: What nearly every entry of X-Forwarded-For looks like, and a token whatever it is.
_DOTTED = re.compile(rb"[0-9.]{7,15}")


def canonical_host(address: str) -> str:
    """An IP address in one spelling: IPv4-mapped IPv6 as IPv4, no zone. What is no address stays as it is."""
    parsed = address_of(address)
    return address.partition("%")[0] if parsed is None else str(parsed)


class TrustedProxies:
    """The networks whose word about the client is taken. A miss costs a parse; an empty set costs nothing."""

    def __init__(self, cidrs: tuple[str, ...]) -> None:
        self._networks = [network(cidr) for cidr in cidrs]

    def __contains__(self, host: str) -> bool:
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._networks if network.version == address.version)


class Claims:
    """What a trusted proxy says of the client: its address, scheme, host, and the chains of proxies to pass on.

    forwarded_for: for X-Forwarded-For. forwarded: for Forwarded.
    """

    __slots__ = ("forwarded", "forwarded_for", "host", "proto", "request_id", "server_name")

    def __init__(self) -> None:
        self.host: str | None = None
        self.proto: str | None = None
        self.server_name: bytes | None = None
        self.forwarded_for: bytes = b""
        self.forwarded: bytes = b""
        self.request_id: str | None = None


def trusted_claims(head: RequestHead, trusted: TrustedProxies) -> Claims:
    """Read X-Forwarded-* and Forwarded right to left: the client is the last address that is not a trusted proxy's. An
    address that is none ends the walk at the last good one. Where only one of the two chains came, the other is made
    of it. Raises EdgeFault when they name different clients: one of them is forged, and nobody can tell which."""
    claims = Claims()
    chain: list[bytes] = []
    lines: list[bytes] = []
    for lower, _, value in head.fields:
        if lower == b"x-forwarded-for":
            chain.extend(entry for part in value.split(b",") if (entry := part.strip(b" \t")))
        elif lower == b"forwarded":
            lines.append(value)
        elif lower == b"x-forwarded-proto":
            claims.proto = _scheme_of(value.rpartition(b",")[2].strip(b" \t"))
        elif lower == b"x-forwarded-host":
            claims.server_name = _authority_of(value.rpartition(b",")[2].strip(b" \t"))
        elif lower == b"x-request-id" and 0 < len(value) <= 128 and value.isascii():
            claims.request_id = value.decode()
    if chain:
        claims.host, _ = _client_of(chain, trusted)
        claims.forwarded_for = b", ".join(chain)
    if lines:
        _heed_forwarded(b", ".join(lines), claims, trusted)
    elif chain:
        claims.forwarded = b", ".join([_element_of(entry) for entry in chain])
    return claims


def _heed_forwarded(value: bytes, claims: Claims, trusted: TrustedProxies) -> None:
    """What Forwarded adds to the claims of X-Forwarded-For, or says in its place."""
    elements = read_forwarded(value)
    if not elements:
        return
    claims.forwarded = value
    nodes = [element.node for element in elements]
    host, walked = _client_of(nodes, trusted)
    if claims.forwarded_for:
        if any(nodes) and host != claims.host:
            raise EdgeFault("X-Forwarded-For and Forwarded name different clients.")
        return
    claims.host = host
    claims.forwarded_for = b", ".join([(_address_of(node) or "unknown").encode() for node in nodes if node])
    for element in reversed(elements[-walked:]):
        # What stands left of the client's own element may be forged, as the addresses there may.
        if element.proto:
            claims.proto = _scheme_of(element.proto)
        if element.host:
            claims.server_name = _authority_of(element.host)


def _client_of(chain: list[bytes], trusted: TrustedProxies) -> tuple[str | None, int]:
    """(the client's address, None when the last entry is none; how many entries were believed)."""
    host, walked = None, 0
    for entry in reversed(chain):
        walked += 1
        address = _address_of(entry)
        if address is None:
            break
        host = address
        if address not in trusted:
            break
    return host, walked


def _element_of(entry: bytes) -> bytes:
    """An entry of X-Forwarded-For as an element of Forwarded (RFC 7239 section 7.4)."""
    if _DOTTED.fullmatch(entry) is not None:
        return b"for=" + entry
    return b"for=" + node((_address_of(entry) or "unknown").encode())


def node(host: bytes) -> bytes:
    """An address as Forwarded has it (RFC 7239 section 6)."""
    return b'"[%b]"' % host if b":" in host else host


def _scheme_of(name: bytes) -> str | None:
    return _SCHEMES.get(name.lower())


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
