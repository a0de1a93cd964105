"""Who is at the other end of a client's connection, as far as a connection can tell.

Knows: addresses, TLS, the listener. Refuses to know: requests; what a trusted proxy claims is `proxy.forwarding`'s.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Caller(NamedTuple):
    """`req.client`, of every request of the connection, so nobody may write to it. host: IP address. port: 0 when a
    proxy in between hides it. certificate: a `transport.client_certificate.ClientCertificate`; None without mTLS."""

    host: str
    port: int
    certificate: Any

    def behind_proxy(self, host: str) -> Caller:
        """Who this one, a trusted proxy, says that it speaks for."""
        return Caller(host, 0, None)


def peer_of(transport: Any, listener: str, scheme: str, canonical_host: Callable[[str], str]) -> Peer:
    """Who is at the other end of `transport`."""
    address = transport.getPeer()
    host = canonical_host(getattr(address, "host", "") or "")
    certificate = getattr(transport, "client_certificate", None)
    return Peer(
        Caller(host, getattr(address, "port", 0) or 0, certificate), listener, scheme,
        getattr(transport, "tls_version", None), getattr(transport, "getHost", None),
    )  # fmt: skip


class Peer:
    """host: IP address as text, IPv4-mapped as IPv4. scheme: `https` or `http`. tls: `TLSv1.3`, or None. local: our own
    end's address, when it is called.

    managed, managed_for, managed_pairs, server_name: what forwarding keeps of one request for the next (see
    `proxy.forwarding`).
    """

    __slots__ = (
        "client", "host", "listener", "local", "managed", "managed_for", "managed_pairs", "scheme", "server_name",
        "tls",
    )  # fmt: skip

    def __init__(
        self, client: Caller, listener: str, scheme: str, tls: str | None, local: Callable[[], Any] | None = None
    ) -> None:
        self.client = client
        self.host = client.host
        self.listener = listener
        self.scheme = scheme
        self.tls = tls
        self.local = local
        self.managed = b""
        self.managed_for: bytes | None = None
        self.managed_pairs: list[tuple[bytes, bytes]] | None = None
        self.server_name = ""
