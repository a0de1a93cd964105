"""The certificate that a client has proved to own, and the gate that reads it.

Knows: X.509 names and SANs as text, and that a resumed session carries a certificate that nobody verified today.
Refuses to know: authorities (OpenSSL has judged those) and who may do what (`plugins/mtls.py`). Strategy: read once a
connection, before its Protocol is made; what can't be read in full lets nobody in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ObjectIdentifier
from twisted.internet.protocol import Protocol

from hmsgw.transport.become import become
from hmsgw.transport.pem import BadCertificate

#: Microsoft's user principal name, as PIV cards have it: a UTF8String in an otherName.
_UPN = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_UTF8_STRING = 0x0C

CLIENT_CERTIFICATE = "client-certificate"
"""The metric's word for a client that is not let in for its certificate, or the want of one."""

Refusing = Callable[[str, str, str], None]
"""(the client's address, one word for the metric, a sentence): a connection is not let in."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """`req.client.certificate`. subject, issuer: as RFC 4514 writes them. serial: hexadecimal. fingerprint: SHA-256 of
    the DER, hexadecimal. sans: `DNS:...`, `email:...`, `URI:...`, `IP:...`, `UPN:...`; other kinds are left out.
    not_before, not_after: UTC."""

    subject: str
    issuer: str
    serial: str
    fingerprint: str
    sans: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    der: bytes = field(repr=False)

    @property
    def pem(self) -> str:
        """The same in PEM."""
        return x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM).decode("ascii")


def read_client_certificate(der: bytes) -> ClientCertificate:
    """Raises BadCertificate for what OpenSSL takes and nobody should: names that can't be read."""
    try:
        found = x509.load_der_x509_certificate(der)
        return ClientCertificate(
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            serial=format(found.serial_number, "x"),
            fingerprint=found.fingerprint(SHA256()).hex(),
            sans=_sans(found),
            not_before=found.not_valid_before_utc,
            not_after=found.not_valid_after_utc,
            der=der,
        )
    except (ValueError, TypeError) as error:
        raise BadCertificate(f"the client's certificate can't be read: {error}") from None


def _sans(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(text for name in names if (text := _san(name)) is not None)


def _san(name: x509.GeneralName) -> str | None:
    if isinstance(name, x509.DNSName):
        return f"DNS:{name.value.lower()}"
    if isinstance(name, x509.RFC822Name):
        return f"email:{name.value}"
    if isinstance(name, x509.UniformResourceIdentifier):
        return f"URI:{name.value}"
    if isinstance(name, x509.IPAddress):
        return f"IP:{name.value}"
    if isinstance(name, x509.OtherName) and name.type_id == _UPN:
        # DER: tag, length in one byte, text.
        value = name.value
        if len(value) < 2 or value[0] != _UTF8_STRING or value[1] != len(value) - 2 or value[1] > 127:
            raise ValueError("its UPN is no short UTF8String")
        return f"UPN:{value[2:].decode('utf-8')}"
    return None


class CertificateGate(Protocol):
    """Stands where a connection is made; gives it to what `new_protocol` makes once its certificate is read, as
    `client_certificate` of the transport. None is read where the client showed none."""

    def __init__(self, new_protocol: Callable[[], Any], refused: Refusing) -> None:
        self._new_protocol = new_protocol
        self._refused = refused

    def connectionMade(self) -> None:
        transport: Any = self.transport
        der = transport.getPeerCertificate()
        if der is not None:
            why = self._kept(transport, der)
            if why is not None:
                self._refused(str(getattr(transport.getPeer(), "host", "")), CLIENT_CERTIFICATE, why)
                transport.abortConnection()
                return
        become(transport, self._new_protocol())

    def _kept(self, transport: Any, der: bytes) -> str | None:
        try:
            certificate = transport.client_certificate = read_client_certificate(der)
        except BadCertificate as error:
            return str(error)
        if certificate.not_after < datetime.now(timezone.utc):
            return "the client's certificate, which its resumed session carries, has expired"
        return None
