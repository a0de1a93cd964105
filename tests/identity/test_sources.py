"""Where keys come from: one place, and never none."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.identity.sources import BadSource, Source, choose, local_keys
from tests.identity.minting import ec_key, jwk, key_set, pem, rsa_key

FILES = {"rsa.pem": pem(rsa_key()), "ec.pem": pem(ec_key()), "set.json": key_set(jwk(rsa_key(), kid="a"))}
ENVIRON = {"HMSGW_JWT_SECRET": "e" * 32}


def chosen(environ: dict[str, str] | None = None, signed: bool = False, dev: str | None = None, **said: str) -> Source:
    return choose(said, environ or {}, signed=signed, dev_secret=dev)


class ChooseTests(SynchronousTestCase):
    def refused(self, words: str, **what: Any) -> None:
        self.assertIn(words, str(self.assertRaises(BadSource, lambda: chosen(**what))))

    def test_none_is_refused(self) -> None:
        """A set-up without a key does not load, and the fault says what to set."""
        self.refused("`jwks: https://")
        self.refused("$HMSGW_JWT_SECRET")
        self.refused("`jwks: https://", secret="", jwks="")
        self.refused("`jwks: https://", environ={"HMSGW_JWT_SECRET": ""})

    def test_two_are_refused(self) -> None:
        """Two sources are a contradiction, in the configuration and in the environment."""
        self.refused("not several", jwks="https://x/", secret="s" * 32)
        self.refused("not several", environ={**ENVIRON, "HMSGW_JWT_PUBLIC_KEY": "x.pem"})

    def test_order(self) -> None:
        """The configuration, then the environment, then the development key."""
        self.assertEqual(chosen(ENVIRON, dev="d" * 32, public_key="rsa.pem").option, "public_key")
        self.assertEqual(chosen(ENVIRON, dev="d" * 32).value, "e" * 32)
        source = chosen(dev="d" * 32)
        self.assertEqual((source.value, source.development), ("d" * 32, True))

    def test_signed_takes_nothing_from_outside(self) -> None:
        """A signed configuration has its key in it, or does not load."""
        self.refused("signed", environ=ENVIRON, signed=True)
        self.refused("signed", signed=True, dev="d" * 32)

    def test_no_secret_in_words(self) -> None:
        """A source does not show its secret."""
        self.assertNotIn("eee", repr(chosen(ENVIRON)))


class LocalKeysTests(SynchronousTestCase):
    def refused(self, words: str, source: Source, *algorithms: str, signed: bool = False) -> str | None:
        error = self.assertRaises(BadSource, local_keys, source, FILES.__getitem__, algorithms, signed=signed)
        self.assertIn(words, str(error))
        return error.option

    def test_files(self) -> None:
        """A PEM file and a local key set are read at once; a URL is not."""
        for name, option in (("rsa.pem", "public_key"), ("set.json", "jwks")):
            keys = local_keys(Source(option, name, ""), FILES.__getitem__, ["RS256"], signed=True)
            self.assertEqual(keys and len(keys), 1)
        self.assertIsNone(local_keys(Source("jwks", "https://x/", ""), FILES.__getitem__, [], signed=True))

    def test_faults(self) -> None:
        """What can't be used is a fault at its option."""
        self.assertEqual(self.refused("can't be read", Source("public_key", "none.pem", "")), "public_key")
        self.assertEqual(self.refused("not a public key", Source("public_key", "set.json", "")), "public_key")
        self.assertEqual(self.refused("not a JWK set", Source("jwks", "rsa.pem", "")), "jwks")
        self.assertEqual(self.refused("not the URL", Source("jwks", "https://", "")), "jwks")
        self.assertEqual(self.refused("31 bytes", Source("secret", "s" * 31, "")), "secret")

    def test_algorithms_fit(self) -> None:
        """An algorithm of another family than the key is a fault, above all HMAC with a public key."""
        self.assertEqual(self.refused("HS256", Source("public_key", "rsa.pem", ""), "RS256", "HS256"), "algorithms")
        self.assertEqual(self.refused("HS256", Source("jwks", "https://x/", ""), "HS256"), "algorithms")
        self.assertEqual(self.refused("RS256", Source("secret", "s" * 64, ""), "RS256"), "algorithms")
        self.assertEqual(self.refused("RS256 does not fit", Source("public_key", "ec.pem", ""), "RS256"), "algorithms")

    def test_key_sets_in_clear(self) -> None:
        """A signed configuration fetches no keys over a network in clear."""
        clear = Source("jwks", "http://id.example.gov/", "")
        self.assertEqual(self.refused("https", clear, signed=True), "jwks")
        self.assertIsNone(local_keys(clear, FILES.__getitem__, [], signed=False))
