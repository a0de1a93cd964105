"""Certificates and keys from bytes into an `ssl.SSLContext`, which only takes files.

Knows: a file without a name (memfd), and the fallback of a private one that is removed at once. Refuses to know: whose
certificate it is. Bytes come from the bundle: what was verified is what is loaded.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_RENEW_BEFORE = timedelta(days=14)


class BadCertificate(Exception):
    """One sentence on what is wrong with a certificate or a key."""


def load_chain(context: ssl.SSLContext, chain_pem: bytes, key_pem: bytes) -> None:
    """Put a chain and its key into a context. Raises BadCertificate."""
    content = key_pem.rstrip() + b"\n" + chain_pem
    try:
        if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
            descriptor = os.memfd_create("hmsgw", os.MFD_CLOEXEC)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        else:
            with tempfile.NamedTemporaryFile() as file:
                file.write(content)
                file.flush()
                context.load_cert_chain(file.name)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise BadCertificate(f"the certificate and its key can't be used: {error}") from None


@dataclass(frozen=True, slots=True)
class Leaf:
    """What the first certificate of a chain says. names: DNS names it is for, lower-case. begins, expires: UTC."""

    names: tuple[str, ...]
    begins: datetime
    expires: datetime

    def is_near_end(self, now: datetime) -> bool:
        """Time to renew: two weeks are left, or a third of its life where that is less."""
        return self.expires - now < min(_RENEW_BEFORE, (self.expires - self.begins) / 3)


def read_pair(chain_pem: bytes, key_pem: bytes) -> Leaf:
    """Read a chain's first certificate. Raises BadCertificate when it can't be read, or the key is another's."""
    try:
        certificate = x509.load_pem_x509_certificate(chain_pem)
    except ValueError:
        if _is_key_only(chain_pem):
            said = "the certificate's file holds a private key, and no certificate; name the other"
            raise BadCertificate(said) from None
        raise BadCertificate("the certificate is not PEM, or what is between its lines is damaged") from None
    try:
        key = load_pem_private_key(key_pem, None)
    except TypeError:
        raise BadCertificate("the key is encrypted; store it without a passphrase, for the gateway only") from None
    except (ValueError, UnsupportedAlgorithm):
        if b"BEGIN CERTIFICATE" in key_pem and b"PRIVATE KEY-----" not in key_pem:
            raise BadCertificate("the key's file holds a certificate, and no private key; name the other") from None
        raise BadCertificate("the key is not PEM, damaged, or of no kind that can be used") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise BadCertificate("the key does not belong to the certificate; name the key that it was made with")
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = tuple(name.lower() for name in names.get_values_for_type(x509.DNSName))
    except x509.ExtensionNotFound:
        found = ()
    except ValueError as error:
        raise BadCertificate(f"the certificate's names can't be read: {error}") from None
    return Leaf(found, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def read_authorities(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a CA file, whatever stands between them. Raises BadCertificate; one at least is there."""
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError:
        if _is_key_only(pem):
            raise BadCertificate("it holds a private key, and no certificate of a CA") from None
        raise BadCertificate("the CA is not PEM, or what is between its lines is damaged") from None
    if not any(_may_vouch(one) for one in found):
        raise BadCertificate("no certificate in it is a CA's: they vouch for nobody else (`CA:FALSE`)")
    return found


def _is_key_only(pem: bytes) -> bool:
    return b"PRIVATE KEY-----" in pem and b"BEGIN CERTIFICATE" not in pem


def _may_vouch(certificate: x509.Certificate) -> bool:
    """A CA's, one of before there were extensions, or one that vouches for itself."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return True
    return constraints.ca or certificate.issuer == certificate.subject
