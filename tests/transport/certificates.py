"""Certificates for tests: an authority, and leaves it signs, valid or expired."""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate with its key, both in PEM."""

    certificate: bytes
    key: bytes


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> bytes:
    form = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, form)


@cache
def _authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _subject("test authority")
    now = datetime.datetime.now(datetime.timezone.utc)
    uses = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=3))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(uses, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def authority() -> bytes:
    """The authority's certificate in PEM, the same one in a process."""
    return _authority()[1].public_bytes(Encoding.PEM)


def leaf(*names: str, expired: bool = False, self_signed: bool = False, passphrase: bytes | None = None) -> Made:
    """A certificate for DNS names and IP addresses. passphrase: to encrypt its key with."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority_key, authority_certificate = _authority()
    now = datetime.datetime.now(datetime.timezone.utc)
    own = _subject(names[0] if names else "nobody")
    builder = (
        x509.CertificateBuilder()
        .subject_name(own)
        .issuer_name(own if self_signed else authority_certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=-1 if expired else 20))
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key((key if self_signed else authority_key).public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
    certificate = builder.sign(key if self_signed else authority_key, hashes.SHA256())
    return Made(certificate.public_bytes(Encoding.PEM), _pem(key, passphrase))


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
