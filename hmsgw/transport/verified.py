"""pyOpenSSL connections to others, of which the certificate is verified.

Knows: the chain is OpenSSL's to judge, the name service-identity's. Refuses to know: sockets. Strategy: whatever goes
wrong while a name is compared refuses the certificate. Twisted's own `optionsForClientTLS` (26.10) logs such a fault
and accepts: to it a certificate without a subjectAltName is good for every name.
"""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from hmsgw.transport.stock_tls import hardened
from hmsgw.transport.tls import ClientTls


def client_context(tls: ClientTls) -> SSL.Context:
    """A context for connections of `tls`. Blocking: it reads the host's trust store. Raises BadCertificate."""
    tls.context()  # the same checks as on uvloop
    context = hardened("1.2")
    if tls.ca is None:
        context.set_default_verify_paths()
    else:
        store: Any = context.get_cert_store()
        for one in x509.load_pem_x509_certificates(tls.ca):
            store.add_cert(crypto.X509.from_cryptography(one))
    if tls.certificate is not None and tls.key is not None:
        chain = x509.load_pem_x509_certificates(tls.certificate)
        context.use_certificate(chain[0])
        for above in chain[1:]:
            context.add_extra_chain_cert(above)
        key: Any = load_pem_private_key(tls.key, None)
        context.use_privatekey(key)
    context.set_alpn_protos(list(tls.alpn))
    return context


@implementer(IOpenSSLClientConnectionCreator)
class VerifiedConnections:
    """Connections to the one whose certificate is for `name`, a DNS name or an IP address."""

    def __init__(self, context: SSL.Context, name: str) -> None:
        self._context = context
        self._is_address = isIPAddress(name) or isIPv6Address(name)
        self._name = name if self._is_address else name.encode("idna").decode("ascii")

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """For Twisted's TLS. An address is not sent as a server name (RFC 6066 section 3)."""

        def verify(_: SSL.Connection, certificate: crypto.X509, __: int, depth: int, good: int) -> bool:
            if good and depth == 0:
                try:
                    self._compare(certificate.to_cryptography())
                except Exception:
                    tlsProtocol.failVerification(Failure())
                    return False
            return bool(good)

        connection = SSL.Connection(self._context, None)
        if not self._is_address:
            connection.set_tlsext_host_name(self._name.encode())
        connection.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
        return connection

    def _compare(self, certificate: x509.Certificate) -> None:
        if self._is_address:
            verify_certificate_ip_address(certificate, self._name)
        else:
            verify_certificate_hostname(certificate, self._name)


@implementer(IPolicyForHTTPS)
class HttpsPolicy:
    """For Twisted's HTTP client: who is trusted, by `tls`. Blocking when made, not when used."""

    def __init__(self, tls: ClientTls) -> None:
        self._context = client_context(tls)

    def creatorForNetloc(self, hostname: bytes, port: int) -> VerifiedConnections:
        """Raises ValueError for what can't be a name."""
        return VerifiedConnections(self._context, hostname.decode("ascii"))
