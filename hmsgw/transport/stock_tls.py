"""TLS by pyOpenSSL on Twisted's own transports: what serving and connecting share, and a server's settings.

Knows: Twisted's TLS Protocol, and that it shows itself before its handshake. Refuses to know: sockets. Strategy: a
Protocol in between holds ours back until the handshake is done, so that both transports keep one promise:
connectionMade means that TLS is up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IHandshakeListener, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import BufferingTLSTransport, TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from hmsgw.transport.pem import read_authorities, read_pair
from hmsgw.transport.tls import CIPHERS_1_2, ServerTls, certificate_for

_log = Logger()

#: Of those that OpenSSL has, the ones with AES (SP 800-52r2 section 3.3.1.1.2).
_SUITES_1_3 = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"


class StockTls(BufferingTLSTransport):
    """Twisted's TLS, with what `uv_transport.UvTransport` has besides."""

    client_certificate: Any = None

    @property
    def tls_version(self) -> str | None:
        """`TLSv1.3`."""
        session = self.getHandle()
        return None if session is None else session.get_protocol_version_name()

    def become(self, protocol: Any) -> None:
        """Another Protocol takes the connection over."""
        between: Any = self.wrappedProtocol
        between.become(protocol)

    def abortConnection(self) -> None:
        """Close now. Twisted's own fails on a connection that is lost already."""
        if self.getHandle() is not None:
            super().abortConnection()

    def getPeerCertificate(self) -> bytes | None:
        """The other side's certificate in DER, if it gave one."""
        session = self.getHandle()
        certificate = None if session is None else session.get_peer_certificate(as_cryptography=True)
        return None if certificate is None else certificate.public_bytes(Encoding.DER)


def tls_factory(reactor: Any, creator: Any, is_client: bool, wrapped: Any) -> TLSMemoryBIOFactory:
    """Wraps what `wrapped` makes, AfterHandshake Protocols, in StockTls."""
    factory = TLSMemoryBIOFactory(creator, is_client, wrapped, reactor)
    factory.protocol = StockTls
    return factory


def hardened(minimum: str) -> SSL.Context:
    """A context that agrees to what `tls` has for uvloop, and no more."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION if minimum == "1.3" else SSL.TLS1_2_VERSION)
    context.set_cipher_list(CIPHERS_1_2.encode())
    context.set_tls13_ciphersuites(_SUITES_1_3)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    return context


@implementer(IHandshakeListener)
class AfterHandshake(Protocol):
    """Shows the transport to `inner` once the handshake is done; `inner` never hears of one that failed.

    over: called once, with None when it is done, or with why there was none.
    """

    def __init__(self, inner: Any, over: Callable[[Failure | None], None]) -> None:
        self._inner = inner
        self._over = over
        self._shown = False

    def handshakeCompleted(self) -> None:
        self._shown = True
        self.dataReceived = self._inner.dataReceived  # type: ignore[method-assign]
        transport: Any = self.transport
        try:
            self._inner.makeConnection(transport)
        except Exception:
            why = Failure()
            _log.failure("a connection failed in connectionMade", why)
            transport.abortConnection()
            self._over(why)
        else:
            self._over(None)

    def become(self, protocol: Any) -> None:
        """Another Protocol takes the place of `inner`."""
        self._inner = protocol
        self.dataReceived = protocol.dataReceived  # type: ignore[method-assign]
        protocol.makeConnection(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # Without the cycle both are freed at once.
        self.__dict__.pop("dataReceived", None)
        if self._shown:
            ended = Failure(ConnectionLost(str(reason.value))) if reason.check(SSL.Error) else reason
            self._inner.connectionLost(ended)
        else:
            self._over(reason)


@implementer(IOpenSSLServerConnectionCreator)
class ServerConnections:
    """pyOpenSSL connections for a `ServerTls`; the certificate follows SNI."""

    def __init__(self, tls: ServerTls) -> None:
        self._by_name: dict[str, SSL.Context] = {}
        self._authorities = [] if tls.clients is None else read_authorities(tls.clients.ca)
        contexts = [self._context(tls, *pair) for pair in tls.pairs]
        self._default = contexts[0]
        self._default.set_tlsext_servername_callback(self._choose)

    def _context(self, tls: ServerTls, chain_pem: bytes, key_pem: bytes) -> SSL.Context:
        context = hardened(tls.minimum)
        chain = x509.load_pem_x509_certificates(chain_pem)
        context.use_certificate(chain[0])
        for above in chain[1:]:
            context.add_extra_chain_cert(above)
        key: Any = load_pem_private_key(key_pem, None)
        context.use_privatekey(key)
        context.set_alpn_select_callback(lambda _, offered: _chosen(tls.alpn, offered))
        if tls.clients is not None:
            store: Any = context.get_cert_store()
            for authority in self._authorities:
                store.add_cert(crypto.X509.from_cryptography(authority))
            required = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if tls.clients.required else 0
            context.set_verify(SSL.VERIFY_PEER | required)
            # Without one OpenSSL refuses to resume a session with a certificate in it.
            context.set_session_id(b"hmsgw")
        for name in read_pair(chain_pem, key_pem).names:
            self._by_name.setdefault(name, context)
        return context

    def _choose(self, connection: SSL.Connection) -> None:
        found = certificate_for((connection.get_servername() or b"").decode("ascii", "replace"), self._by_name)
        if found is not None:
            connection.set_context(found)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        return SSL.Connection(self._default, None)


def _chosen(ours: tuple[bytes, ...], offered: list[bytes]) -> Any:
    return next((protocol for protocol in ours if protocol in offered), SSL.NO_OVERLAPPING_PROTOCOLS)
