"""The keys that a token may be signed with, and which algorithm fits which key.

Knows: PEM, JWK and JWK sets (RFC 7517), shared secrets; the strength a key has to have; which key a token's header
points to. Refuses to know: where keys come from. Strategy: a `Key` is made only when everything about it is in order,
and carries the algorithms that fit it, so that a token can never pick an algorithm of another family for it (RFC 8725
section 3.1). The mathematics are PyJWT's and cryptography's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt.algorithms as jwa
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

_ALGORITHMS = jwa.get_default_algorithms()

RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
EC_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ASYMMETRIC = (*RSA_ALGORITHMS, *EC_ALGORITHMS.values(), "EdDSA")
SYMMETRIC = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithm -> least bytes of its secret (RFC 7518 section 3.2)."""

_RSA_BITS = range(2048, 8192 + 1)
"""Below, too weak (NIST SP 800-131A). Above, each check would cost the gateway more than it costs to ask for one."""
_MAX_KEYS = 100
_MAX_TRIED = 3
"""How many keys a token that names none is tried with."""

_Verify = Callable[[bytes, Any, bytes], bool]


class BadKey(ValueError):
    """A key, or a set of keys, that can't be trusted with anything. str(): why, for an operator."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is in order. algorithms: name -> what checks a signature with it. kid: its name in the set."""

    material: Any = field(repr=False)
    algorithms: Mapping[str, _Verify] = field(repr=False)
    kid: str | None = None

    def verifies(self, alg: str, signed: bytes, signature: bytes) -> bool:
        """Whether `signature` is this key's, by `alg`, over `signed`. False also for an algorithm that doesn't fit."""
        verify = self.algorithms.get(alg)
        return verify is not None and verify(signed, self.material, signature)


class Keys:
    """The keys of one issuer at one time."""

    __slots__ = ("_all", "_by_kid", "_named")

    def __init__(self, keys: Iterable[Key], *, named: bool = True) -> None:
        """named: a token's `kid` decides. False for a single key without a name: then `kid` says nothing.

        Raises BadKey when two keys have one name.
        """
        self._all = tuple(keys)
        self._named = named
        self._by_kid = {key.kid: key for key in self._all if key.kid is not None}
        if len(self._by_kid) != sum(key.kid is not None for key in self._all):
            raise BadKey("two keys have the same kid")

    def __len__(self) -> int:
        return len(self._all)

    @property
    def algorithms(self) -> frozenset[str]:
        """What the keys can check, together."""
        return frozenset(alg for key in self._all for alg in key.algorithms)

    def candidates(self, alg: str, kid: str | None) -> tuple[Key, ...]:
        """The keys that a token with this header may be signed with. Empty: none, and perhaps the set is old."""
        if kid is not None and self._named:
            key = self._by_kid.get(kid)
            return () if key is None else (key,)
        fitting = tuple(key for key in self._all if alg in key.algorithms)
        return fitting if len(fitting) <= _MAX_TRIED else ()


def from_secret(secret: bytes, algorithms: Iterable[str]) -> Keys:
    """A shared secret. Raises BadKey when it is shorter than an algorithm's hash (RFC 7518 section 3.2)."""
    fitting = {}
    for alg in algorithms:
        least = SYMMETRIC[alg]
        if len(secret) < least:
            raise BadKey(f"the secret is {len(secret)} bytes long, and {alg} needs at least {least}")
        fitting[alg] = _ALGORITHMS[alg].verify
    return Keys([Key(secret, fitting)], named=False)


def from_pem(pem: bytes) -> Keys:
    """A public key, or the one of a certificate. Raises BadKey."""
    if b"PRIVATE KEY-----" in pem:
        raise BadKey("it holds a private key; the gateway needs only the public one")
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            material: Any = load_pem_x509_certificate(pem).public_key()
        else:
            material = load_pem_public_key(pem)
    except Exception as error:
        raise BadKey("it is not a public key in PEM form (-----BEGIN PUBLIC KEY-----)") from error
    return Keys([_key(material)], named=False)


def from_key_set(raw: bytes) -> Keys:
    """A JWK set. Keys of unknown kinds, for other uses, or too weak are left out (RFC 7517 section 5).

    Raises BadKey when it is no set, holds a symmetric key, names two keys alike, or leaves no key at all.
    """
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
        members = value["keys"]
        if type(members) is not list:
            raise TypeError
    except BadKey:
        raise
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadKey('it is not a JWK set ({"keys": [...]})') from None
    if len(members) > _MAX_KEYS:
        raise BadKey(f"it holds {len(members)} keys, and more than {_MAX_KEYS} are not taken")
    keys, left_out = [], []
    for number, member in enumerate(members):
        if type(member) is dict and member.get("kty") == "oct":
            raise BadKey("it holds a symmetric key; a secret belongs in `secret`, and never in a set of public keys")
        try:
            keys.append(_from_jwk(member))
        except BadKey as error:
            left_out.append(f"keys[{number}]: {error}")
    if not keys:
        raise BadKey("; ".join(["it holds no key that can be used", *left_out[:5]]))
    return Keys(keys)


def _from_jwk(member: Any) -> Key:
    if type(member) is not dict:
        raise BadKey("not an object")
    if member.get("use", "sig") != "sig":
        raise BadKey("not for signatures (use)")
    operations = member.get("key_ops", ["verify"])
    if type(operations) is not list or "verify" not in operations:
        raise BadKey("not for verifying (key_ops)")
    kid, alg = member.get("kid"), member.get("alg")
    if "kid" in member and type(kid) is not str:
        raise BadKey("kid is not a string")
    if "d" in member:
        raise BadKey("it is a private key")
    reader = _JWK_READERS.get(str(member.get("kty")))
    if reader is None:
        raise BadKey("kty is not RSA, EC or OKP")
    try:
        material = reader(member)
    except Exception as error:
        raise BadKey("it can't be read") from error
    key = _key(material, kid)
    if "alg" not in member:
        return key
    if type(alg) is not str or alg not in key.algorithms:
        raise BadKey("alg does not fit the key")
    return Key(material, {alg: key.algorithms[alg]}, kid)


_JWK_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "RSA": jwa.RSAAlgorithm.from_jwk,
    "EC": jwa.ECAlgorithm.from_jwk,
    "OKP": jwa.OKPAlgorithm.from_jwk,
}


def _key(material: Any, kid: str | None = None) -> Key:
    return Key(material, {alg: _ALGORITHMS[alg].verify for alg in _fitting(material)}, kid)


def _fitting(material: Any) -> tuple[str, ...]:
    if isinstance(material, rsa.RSAPublicKey):
        if material.key_size not in _RSA_BITS:
            raise BadKey(f"an RSA key of {material.key_size} bits; 2048 to 8192 are taken")
        return RSA_ALGORITHMS
    if isinstance(material, ec.EllipticCurvePublicKey):
        alg = EC_ALGORITHMS.get(material.curve.name)
        if alg is None:
            raise BadKey(f"the curve {material.curve.name}; P-256, P-384 and P-521 are taken")
        return (alg,)
    if isinstance(material, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        return ("EdDSA",)
    raise BadKey("not a public key for RSA, ECDSA or EdDSA")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadKey("an object in it has two members of one name")
    return members
