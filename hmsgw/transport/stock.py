"""The same Protocols on Twisted's own transports, where uvloop can't be had.

Knows: pyOpenSSL's contexts and how Twisted adopts a listening socket. Refuses to know: uvloop. Slower, and equal in
what it promises: the tests run on both.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory
from twisted.protocols.tls import TLSMemoryBIOFactory
from zope.interface import implementer

from hmsgw.transport.pem import names_of
from hmsgw.transport.tls import CIPHERS_1_2, ServerTls


class _Accepting(Factory):
    noisy = False

    def __init__(self, new_protocol: Callable[[], Any]) -> None:
        self._new_protocol = new_protocol

    def buildProtocol(self, addr: Any) -> Any:
        return self._new_protocol()


def _hardened(minimum: str) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION if minimum == "1.3" else SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS_1_2.encode())
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    return context


@implementer(IOpenSSLServerConnectionCreator)
class ServerConnections:
    """pyOpenSSL connections for a `ServerTls`; the certificate follows SNI. `tls` may be replaced."""

    def __init__(self, tls: ServerTls) -> None:
        self._by_name: dict[str, SSL.Context] = {}
        self._default: Any = None
        self.use(tls)

    def use(self, tls: ServerTls) -> None:
        """For handshakes from now on."""
        by_name: dict[str, SSL.Context] = {}
        default: Any = None
        for chain_pem, key_pem in tls.pairs:
            context = _hardened(tls.minimum)
            chain = x509.load_pem_x509_certificates(chain_pem)
            context.use_certificate(chain[0])
            for above in chain[1:]:
                context.add_extra_chain_cert(above)
            context.use_privatekey(load_pem_private_key(key_pem, None))
            context.set_alpn_select_callback(lambda _, offered: _chosen(tls.alpn, offered))
            default = default or context
            for name in names_of(chain_pem, key_pem):
                by_name.setdefault(name, context)
        default.set_tlsext_servername_callback(self._choose)
        self._by_name, self._default = by_name, default

    def _choose(self, connection: SSL.Connection) -> None:
        name = (connection.get_servername() or b"").decode("ascii", "replace").lower()
        found = self._by_name.get(name) or self._by_name.get("*." + name.partition(".")[2])
        if found is not None:
            connection.set_context(found)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        return SSL.Connection(self._default, None)


def _chosen(ours: tuple[bytes, ...], offered: list[bytes]) -> Any:
    return next((protocol for protocol in ours if protocol in offered), SSL.NO_OVERLAPPING_PROTOCOLS)


class StockServing:
    """A socket that Twisted accepts from."""

    refused = 0
    handshaking = 0

    def __init__(self, port: Any, connections: ServerConnections | None, address: tuple[str, int]) -> None:
        self._port = port
        self._connections = connections
        self.address = address

    def set_tls(self, tls: ServerTls) -> None:
        """For connections from now on."""
        if self._connections is not None:
            self._connections.use(tls)

    def stop_accepting(self) -> None:
        """Close the listening socket; connections go on."""
        self._port.stopListening()


def serve_stock(reactor: Any, sock: socket.socket, new_protocol: Callable[[], Any], tls: ServerTls | None) -> StockServing:
    """`listen.serve` on any other reactor."""
    factory: Any = _Accepting(new_protocol)
    connections = None
    if tls is not None:
        connections = ServerConnections(tls)
        factory = TLSMemoryBIOFactory(connections, False, factory, reactor)
    name = sock.getsockname()
    port = reactor.adoptStreamPort(sock.fileno(), sock.family, factory)
    sock.close()
    return StockServing(port, connections, (name[0], name[1]))
