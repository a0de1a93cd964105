"""Certificates for tests: one authority, and what it has signed."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


class Pair(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def encrypted_key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))

    @property
    def both(self) -> tuple[bytes, bytes]:
        return (self.pem, self.key_pem)


def mint(
    name: str,
    names: Sequence[str] = (),
    issuer: Pair | None = None,
    *,
    ca: bool = False,
    days: int = 2,
    sans: Sequence[x509.GeneralName] = (),
    use: x509.ObjectIdentifier | None = None,
) -> Pair:
    """A certificate from ten days ago on, for `days` (0 or less: expired). names: DNS names and IP addresses; sans:
    other kinds of names. use: what it may only be used for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days, minutes=-1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    general = [*map(_general, names), *sans]
    if general:
        builder = builder.add_extension(x509.SubjectAlternativeName(general), critical=False)
    if use is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    return Pair(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@cache
def authority() -> Pair:
    return mint("test authority", ca=True, days=30)


@cache
def leaf(*names: str, days: int = 2) -> Pair:
    """Signed by the authority."""
    return mint(names[0], names, authority(), days=days)
