"""Keys: strength, kind, and which algorithm fits which."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.identity.keys import (
    ASYMMETRIC,
    EC_ALGORITHMS,
    RSA_ALGORITHMS,
    BadKey,
    Key,
    Keys,
    from_key_set,
    from_pem,
    from_secret,
)  # fmt: skip
from tests.identity.minting import ec_key, ed_key, jwk, key_set, pem, rsa_key, sign


class AlgorithmTests(SynchronousTestCase):
    def test_each_algorithm(self) -> None:
        """A signature holds for its key and algorithm, and for no other algorithm and no other bytes."""
        cases: list[tuple[str, Any]] = [(alg, rsa_key()) for alg in RSA_ALGORITHMS]
        cases += [(alg, ec_key(curve)) for curve, alg in EC_ALGORITHMS.items()]
        cases.append(("EdDSA", ed_key()))
        for alg, private in cases:
            (key,) = from_pem(pem(private)).candidates(alg, None)
            signature = sign(alg, private, b"signed")
            self.assertTrue(key.verifies(alg, b"signed", signature), alg)
            self.assertFalse(key.verifies(alg, b"other", signature), alg)
            self.assertFalse(key.verifies(alg, b"signed", signature[:-1]), alg)
            self.assertFalse(key.verifies(alg, b"signed", b"\0" * len(signature)), alg)
            for other in {*ASYMMETRIC, "HS256", "none"} - {alg}:
                self.assertFalse(key.verifies(other, b"signed", signature), (alg, other))

    def test_secret(self) -> None:
        """A secret checks its own algorithms only, whatever kid a token names."""
        keys = from_secret(b"s" * 32, ["HS256"])
        (key,) = keys.candidates("HS256", "any")
        self.assertTrue(key.verifies("HS256", b"signed", sign("HS256", b"s" * 32, b"signed")))
        self.assertFalse(key.verifies("HS512", b"signed", sign("HS512", b"s" * 32, b"signed")))
        self.assertEqual(keys.candidates("RS256", None), ())

    def test_short_secrets(self) -> None:
        """A secret is at least as long as its hash."""
        for alg, least in (("HS256", 32), ("HS384", 48), ("HS512", 64)):
            from_secret(b"s" * least, [alg])
            self.assertRaises(BadKey, from_secret, b"s" * (least - 1), [alg])

    def test_a_key_does_not_show_itself(self) -> None:
        """No secret in a representation."""
        self.assertNotIn("hush", repr(Key(b"hush", {})))


class PemTests(SynchronousTestCase):
    def test_refused(self) -> None:
        """Weak keys, foreign curves, private keys and garbage are refused in words."""
        private = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        for raw, words in (
            (pem(rsa_key(1024)), "1024 bits"),
            (pem(ec_key("secp256k1")), "secp256k1"),
            (private, "private key"),
            (b"hello", "not a public key"),
            (b"", "not a public key"),
        ):
            self.assertIn(words, str(self.assertRaises(BadKey, from_pem, raw)))


class KeySetTests(SynchronousTestCase):
    def refused(self, raw: bytes, words: str) -> None:
        self.assertIn(words, str(self.assertRaises(BadKey, from_key_set, raw)))

    def test_by_kid(self) -> None:
        """A kid finds its key; an unknown one finds none; without one the fitting keys are tried."""
        keys = from_key_set(key_set(jwk(rsa_key(), kid="r"), jwk(ec_key(), kid="e"), jwk(ed_key(), kid="o")))
        self.assertEqual([key.kid for key in keys.candidates("RS256", "r")], ["r"])
        self.assertEqual([key.kid for key in keys.candidates("ES256", None)], ["e"])
        self.assertEqual(keys.candidates("RS256", "unknown"), ())
        self.assertEqual(len(keys), 3)

    def test_few_are_tried(self) -> None:
        """A token that names no key is not tried with every key of a long set."""
        keys = from_key_set(key_set(*(jwk(ec_key(), kid=str(number)) for number in range(4))))
        self.assertEqual(keys.candidates("ES256", None), ())

    def test_what_is_left_out(self) -> None:
        """Keys for other uses, of unknown kinds, or too weak are left out; the others stay."""
        good = jwk(rsa_key(), kid="good", use="sig", key_ops=["verify"], alg="RS256")
        bad = [
            jwk(rsa_key(), use="enc"), jwk(rsa_key(), key_ops=["encrypt"]), jwk(rsa_key(), key_ops="verify"),
            jwk(rsa_key(1024)), jwk(ec_key("secp256k1")), jwk(rsa_key(), alg="HS256"), jwk(rsa_key(), alg="ES256"),
            jwk(ec_key(), alg="ES384"), jwk(rsa_key(), kid=5), jwk(rsa_key(), d="AQAB"), {"kty": "XYZ"}, {"kty": "RSA"},
            {}, jwk(ec_key(), x="AAAA"), jwk(rsa_key(), alg=None), {"kty": ["RSA"]},
        ]  # fmt: skip
        keys = from_key_set(key_set(*bad, good))
        self.assertEqual([key.kid for key in keys.candidates("RS256", None)], ["good"])
        self.assertEqual(len(keys), 1)
        for member in bad:
            self.refused(key_set(member), "no key that can be used")

    def test_alg_of_the_key(self) -> None:
        """A key that names its algorithm checks no other."""
        (key,) = from_key_set(key_set(jwk(rsa_key(), alg="RS256", kid="k"))).candidates("PS256", "k")
        self.assertFalse(key.verifies("PS256", b"x", sign("PS256", rsa_key(), b"x")))

    def test_sets_that_are_refused(self) -> None:
        """No set at all, one that mixes in a secret, and one in which a name is no name."""
        self.refused(b"", "not a JWK set")
        self.refused(b"[]", "not a JWK set")
        self.refused(b'{"keys":{}}', "not a JWK set")
        self.refused(b"\xff", "not a JWK set")
        self.refused(b"[" * 100_000, "not a JWK set")
        self.refused(b'{"keys":[]}', "no key")
        self.refused(b'{"keys":[],"keys":[]}', "two members")
        self.refused(key_set(jwk(rsa_key()), {"kty": "oct", "k": "AAAA"}), "symmetric")
        self.refused(key_set(jwk(rsa_key(), kid="a"), jwk(ec_key(), kid="a")), "same kid")
        self.refused(key_set(*[{}] * 101), "101 keys")

    def test_two_keys_without_a_name(self) -> None:
        """Keys without a kid are no duplicates."""
        self.assertEqual(len(Keys([Key(b"", {}), Key(b"", {})])), 2)
