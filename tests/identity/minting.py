"""Keys and tokens for tests: made once, and spelled by hand so that bad ones can be spelled too."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

NOW = 1_800_000_000.0


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(curve: str = "secp256r1") -> ec.EllipticCurvePrivateKey:
    curves = {"secp256r1": ec.SECP256R1(), "secp384r1": ec.SECP384R1(), "secp521r1": ec.SECP521R1(),
              "secp256k1": ec.SECP256K1()}  # fmt: skip
    return ec.generate_private_key(curves[curve])


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def pem(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[no-any-return]


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    reader: Any = RSAAlgorithm
    if isinstance(key, ec.EllipticCurvePrivateKey):
        reader = ECAlgorithm
    elif isinstance(key, ed25519.Ed25519PrivateKey):
        reader = OKPAlgorithm
    made = reader.to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, **members}


def key_set(*jwks: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(jwks)}).encode()


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def sign(alg: str, key: Any, signed: bytes) -> bytes:
    if alg.startswith("HS"):
        return hmac.new(key, signed, getattr(hashlib, f"sha{alg[2:]}")).digest()
    if alg == "EdDSA":
        return key.sign(signed)  # type: ignore[no-any-return]
    digest: Any = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}[alg[2:]]()
    if alg.startswith("RS"):
        return key.sign(signed, padding.PKCS1v15(), digest)  # type: ignore[no-any-return]
    if alg.startswith("PS"):
        salted = padding.PSS(padding.MGF1(digest), digest.digest_size)
        return key.sign(signed, salted, digest)  # type: ignore[no-any-return]
    from jwt.utils import der_to_raw_signature

    return der_to_raw_signature(key.sign(signed, ec.ECDSA(digest)), key.curve)


def spelled(header: bytes, payload: bytes, key: Any, alg: str) -> bytes:
    """A token over exactly these bytes of JSON."""
    signed = b64(header) + b"." + b64(payload)
    return signed + b"." + b64(sign(alg, key, signed))


def token(key: Any, alg: str, claims: dict[str, Any] | None = None, **header: Any) -> bytes:
    """A token with `claims`, which live until an hour from NOW unless they say otherwise."""
    members = {"alg": alg, "typ": "JWT", **header}
    said = {"exp": NOW + 3600, "sub": "alice", **(claims or {})}
    kept = {name: value for name, value in said.items() if value is not ...}
    return spelled(json.dumps(members).encode(), json.dumps(kept).encode(), key, alg)
