"""What every peer is given alike: a P-256 certificate, an RS256 key with its public forms, and tokens.

Knows: the files and their names in the bench's folder. Refuses to know: who reads them. Strategy: everything is made
anew for each run and deleted with its folder, so no key of the bench outlives it.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

ISSUER = "https://id.example.gov"
AUDIENCE = "hmsgw"
_KID = "bench"
_LIFE_S = 24 * 3600
_PEM = serialization.Encoding.PEM
_PLAIN_KEY = (_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@dataclass(frozen=True, slots=True)
class Material:
    """Paths of the files, and the key that signs the tokens."""

    folder: Path
    signing_key: rsa.RSAPrivateKey

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    @property
    def both(self) -> Path:
        """Certificate and key in one file, as HAProxy wants them."""
        return self.folder / "both.pem"

    @property
    def public_key(self) -> Path:
        return self.folder / "rsa.pub"

    @property
    def key_set(self) -> Path:
        """The public key as a JWK set (RFC 7517), as Envoy wants it."""
        return self.folder / "jwks.json"

    def token(self, subject: str) -> str:
        """A token that is good for a day (RFC 7519, RS256)."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + _LIFE_S}
        signed = _part({"alg": "RS256", "kid": _KID, "typ": "JWT"}) + "." + _part(claims)
        signature = self.signing_key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return signed + "." + _text(signature)


def make(folder: Path) -> Material:
    """Write certificate and keys into the folder."""
    material = Material(folder, rsa.generate_private_key(65537, 2048))
    tls_key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(tls_key).public_bytes(_PEM)
    key = tls_key.private_bytes(*_PLAIN_KEY)
    material.certificate.write_bytes(certificate)
    material.key.write_bytes(key)
    material.both.write_bytes(certificate + key)
    public_key = material.signing_key.public_key()
    material.public_key.write_bytes(public_key.public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    numbers = public_key.public_numbers()
    jwk = {"kty": "RSA", "kid": _KID, "alg": "RS256", "use": "sig", "n": _number(numbers.n), "e": _number(numbers.e)}
    material.key_set.write_text(json.dumps({"keys": [jwk]}))
    return material


def write_tokens(material: Material, path: Path, count: int) -> None:
    """So many different tokens, one a line. Takes about 0.3 ms of CPU each."""
    with path.open("w") as lines:
        for n in range(count):
            lines.write(material.token(f"caller-{n}") + "\n")


def _certificate(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(tz=datetime.timezone.utc)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
