"""The certificate of a listener that names none: made once, kept in the state directory.

Knows: EC P-256, the names of this host, 0600. Refuses to know: TLS. It is for trying the gateway out; clients do not
trust it, and `curl` needs -k or --cacert.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hmsgw.files import replace_file
from hmsgw.transport.pem import BadCertificate, read_pair

_DAYS = 825
#: It serves, and is its own authority for clients that are given it as a CA file.
_USES = x509.KeyUsage(
    digital_signature=True, key_cert_sign=True, crl_sign=False, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
)  # fmt: skip
_CERTIFICATE, _KEY = "self-signed.pem", "self-signed.key"


def self_signed(folder: str) -> tuple[bytes, bytes]:
    """(certificate PEM, key PEM), made if they are not there, do not fit, or have expired. Blocking. Raises OSError."""
    certificate_path, key_path = os.path.join(folder, _CERTIFICATE), os.path.join(folder, _KEY)
    try:
        with open(certificate_path, "rb") as file:
            certificate = file.read()
        with open(key_path, "rb") as file:
            key = file.read()
        tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
        if read_pair(certificate, key).expires > tomorrow:
            return certificate, key
    except (FileNotFoundError, BadCertificate):
        pass
    certificate, key = _make()
    replace_file(key_path, key, 0o600)
    replace_file(certificate_path, certificate, 0o644)
    return certificate, key


def _make() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname()
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    if host and host != "localhost" and host.isascii() and len(host) <= 64:
        names.append(x509.DNSName(host))
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hms-gateway self-signed")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_USES, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return (
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )
