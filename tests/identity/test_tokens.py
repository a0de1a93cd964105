"""Reading tokens: what has two readings is refused, and claims are what they have to be."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.identity.tokens import BadToken, Header, Rules, check, decoded, read, read_object, scopes, thumbprint
from tests.identity.minting import NOW, b64

HEADER = Header("RS256", None, "jwt")
ANY = Rules()


class SpellingTests(SynchronousTestCase):
    def refused(self, token: bytes, words: str) -> None:
        error = self.assertRaises(BadToken, read, token)
        self.assertIn(words, str(error))

    def test_rfc_7515_example(self) -> None:
        """The token of RFC 7515 appendix A.1 is taken apart as it says there."""
        token = read(
            b"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
            b"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        )
        self.assertEqual(token.header, Header("HS256", None, "jwt"))
        self.assertEqual(read_object(token.payload)["iss"], "joe")
        self.assertEqual(len(token.signature), 32)

    def test_parts(self) -> None:
        """Anything but three parts of base64url is no token; five are a JWE."""
        good = b64(b'{"alg":"HS256"}')
        for bad in (b"", b".", b"..", good, good + b".e30", good + b".e30.", good + b".e30.AA.", good + b".e30.A A",
                    good + b".e30.AA\n", good + b".e30.AA==", good + b".e3+.AA", b"\xff" + good + b".e.A"):  # fmt: skip
            self.refused(bad, "three parts")
        self.refused(good + b".a.b.c.d", "encrypted")

    def test_canonical_bits(self) -> None:
        """The bits that base64 throws away have to be zero, and no length is left over."""
        self.assertEqual(decoded(b"AQ"), b"\x01")
        for loose in (b"AR", b"AAB", b"A", b"AAAAA"):
            self.assertRaises(BadToken, decoded, loose)

    @given(st.binary(max_size=40))
    def test_one_spelling(self, raw: bytes) -> None:
        """What is decoded is encoded to the same bytes again."""
        self.assertEqual(decoded(b64(raw)), raw)

    @given(st.text("ABCwxyz0189-_", max_size=12))
    def test_no_second_spelling(self, text: str) -> None:
        """Whatever is taken is the one spelling of its value."""
        try:
            value = decoded(text.encode())
        except BadToken:
            return
        self.assertEqual(b64(value), text.encode())

    def test_too_long(self) -> None:
        """A token of a megabyte is refused by its length."""
        self.refused(b"a." + b"b" * 1_000_000 + b".c", "too long")

    def test_header(self) -> None:
        """A header without a proper algorithm, or with an extension, is refused."""
        for members, words in (
            ({}, "no algorithm"),
            ({"alg": 5}, "no algorithm"),
            ({"alg": "HS256", "crit": ["x"]}, "extension"),
            ({"alg": "HS256", "crit": []}, "extension"),
            ({"alg": "HS256", "b64": False}, "extension"),
            ({"alg": "HS256", "b64": True}, "extension"),
            ({"alg": "dir", "enc": "A256GCM"}, "encrypted"),
            ({"alg": "HS256", "zip": "DEF"}, "compressed"),
            ({"alg": "HS256", "kid": 5}, "kid"),
            ({"alg": "HS256", "kid": None}, "kid"),
            ({"alg": "HS256", "typ": ["JWT"]}, "typ"),
            ({"alg": "HS256", "typ": None}, "typ"),
        ):
            self.refused(b64(json.dumps(members).encode()) + b".e30.AA", words)


class JsonTests(SynchronousTestCase):
    def refused(self, raw: bytes, words: str) -> None:
        self.assertIn(words, str(self.assertRaises(BadToken, read_object, raw)))

    def test_duplicate_members(self) -> None:
        """Two members of one name are refused, at any depth and however they are escaped."""
        self.refused(b'{"exp":1,"exp":2}', "two members")
        self.refused(b'{"a":{"b":1,"b":1}}', "two members")
        self.refused(b'{"a":1,"\\u0061":2}', "two members")

    def test_not_an_object(self) -> None:
        """Only an object is an object."""
        for raw in (b"[]", b'"a"', b"1", b"null", b"true"):
            self.refused(raw, "not a JSON object")
        for raw in (b"", b"{", b"{}x", b"{'a':1}", b'{"a":1,}', b"\xef\xbb\xbf{}", b'{"a":"\n"}', b'{"a":01}'):
            self.refused(raw, "not JSON")

    def test_numbers_that_are_none(self) -> None:
        """NaN and the infinities are refused."""
        for word in (b"NaN", b"Infinity", b"-Infinity"):
            self.refused(b'{"exp":' + word + b"}", "number")

    def test_encodings(self) -> None:
        """UTF-8 and nothing else, and no half characters."""
        self.refused('{"a":1}'.encode("utf-16"), "UTF-8")
        self.refused(b'{"a":"\xff"}', "UTF-8")
        self.refused(b'{"a":"\\ud800"}', "half a character")
        self.refused(b'{"\\udfff":1}', "half a character")
        self.assertEqual(read_object(b'{"a":"\\ud83d\\ude00"}'), {"a": "\U0001f600"})

    def test_depth(self) -> None:
        """Nesting is bounded before it is parsed; brackets in strings are no nesting."""
        self.refused(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too deep")
        self.refused(b'{"a":' + b"[" * 16 + b"]" * 16 + b"}", "too deep")
        self.assertEqual(len(read_object(b'{"a":' + b"[" * 15 + b"]" * 15 + b"}")), 1)
        self.assertEqual(len(read_object(b'{"a":"' + b"[" * 1000 + b'\\""}')), 1)
        self.assertEqual(len(read_object(b'{"a":[' + b",".join([b"{}"] * 1000) + b"]}")), 1)

    def test_long_integers(self) -> None:
        """An integer of thousands of digits is refused, and costs no time."""
        self.refused(b'{"exp":' + b"9" * 12_000 + b"}", "not JSON")

    @given(st.binary(max_size=60))
    def test_never_raises_anything_else(self, raw: bytes) -> None:
        """Whatever the bytes, there is an object or a BadToken."""
        try:
            self.assertIsInstance(read_object(raw), dict)
        except BadToken as error:
            self.assertTrue(str(error).isascii())


class ClaimTests(SynchronousTestCase):
    def good(self, claims: dict[str, Any], rules: Rules = ANY, header: Header = HEADER) -> float:
        return check(header, {"exp": NOW + 60, **claims}, rules, NOW)

    def refused(self, claims: dict[str, Any], words: str, rules: Rules = ANY, header: Header = HEADER) -> None:
        error = self.assertRaises(BadToken, self.good, claims, rules, header)
        self.assertIn(words, str(error))
        self.assertRegex(str(error), r"^[ !#-\[\]-~]+$")

    def test_expiry(self) -> None:
        """A token is good until `exp` and the leeway are over, to the instant."""
        self.assertEqual(self.good({"exp": NOW}), NOW + 30)
        self.assertEqual(self.good({"exp": NOW - 29.5}), NOW + 0.5)
        self.refused({"exp": NOW - 30}, "expired")
        self.refused({"exp": 0}, "expired")

    def test_exp_is_required(self) -> None:
        """A token without `exp` is refused unless the set-up says otherwise."""
        self.assertRaises(BadToken, check, HEADER, {}, Rules(), NOW)
        self.assertEqual(check(HEADER, {}, Rules(require_exp=False), NOW), float("inf"))
        self.assertRaises(BadToken, check, HEADER, {"exp": NOW - 99}, Rules(require_exp=False), NOW)

    def test_not_yet(self) -> None:
        """`nbf` and `iat` in the future are refused beyond the leeway."""
        for name in ("nbf", "iat"):
            self.good({name: NOW + 30})
            self.assertRaises(BadToken, self.good, {name: NOW + 30.5})

    def test_times_are_numbers(self) -> None:
        """A time is a finite number of seconds in this age, and nothing that looks like one."""
        for name in ("exp", "nbf", "iat"):
            for value in ("1800000060", True, None, [], {}, float("nan"), float("inf"), -1, -0.5, 1e18, 10**30):
                self.refused({name: value}, "is not a time")

    def test_issuer(self) -> None:
        """The issuer is the whole string and nothing near it."""
        rules = Rules(issuers=frozenset({"https://id.example.gov"}))
        self.good({"iss": "https://id.example.gov"}, rules)
        for near in ("https://id.example", "https://id.example.gov/", "id.example.gov", "", "HTTPS://ID.EXAMPLE.GOV"):
            self.refused({"iss": near}, "another issuer", rules)
        self.refused({}, "another issuer", rules)
        for wrong in (["https://id.example.gov"], {"https://id.example.gov": 1}, None, 5):
            self.refused({"iss": wrong}, "iss is not a string", rules)

    def test_audience(self) -> None:
        """The audience is a string or a list of strings that holds one of ours, whole."""
        rules = Rules(audiences=frozenset({"hmsgw", "other"}))
        for aud in ("hmsgw", ["hmsgw"], ["x", "other"]):
            self.good({"aud": aud}, rules)
        for aud in ("hms", "hmsgw ", "xhmsgw", [], ["h"], ""):
            self.refused({"aud": aud}, "another audience", rules)
        self.refused({}, "another audience", rules)
        for wrong in ({"hmsgw": 1}, [["hmsgw"]], ["hmsgw", 5], None, 5):
            self.refused({"aud": wrong}, "aud is neither", rules)

    def test_subject(self) -> None:
        """A subject is a string."""
        for wrong in (5, ["alice"], None, {}):
            self.refused({"sub": wrong}, "sub is not a string")

    def test_bound_tokens(self) -> None:
        """A token that is bound to a key proves nothing to who only bears it."""
        certificate = {"x5t#S256": "A" * 43}
        for bound in ({"jkt": "x"}, {}, None, certificate):
            self.refused({"cnf": bound}, "bound to a key")

    def test_bound_to_a_certificate(self) -> None:
        """Where the caller compares certificates, a thumbprint that is spelled right passes, and nothing beside it."""
        rules = Rules(may_be_bound=True)
        self.good({"cnf": {"x5t#S256": "A" * 43}}, rules)
        self.assertEqual(bytes(32), thumbprint({"cnf": {"x5t#S256": "A" * 43}}))
        self.assertIsNone(thumbprint({}))
        for bound in (
            {"x5t#S256": "A" * 42}, {"x5t#S256": "A" * 44}, {"x5t#S256": "A" * 42 + "B"}, {"x5t#S256": "A" * 43, "jkt": "x"},
            {"x5t#S256": ["A" * 43]}, {"x5t": "A" * 43}, ["x5t#S256"], {"x5t#S256": None}, {"jkt": "x"}, {}, None, "x",
        ):  # fmt: skip
            self.refused({"cnf": bound}, "bound to a key", rules)

    def test_types(self) -> None:
        """Without a setting only ordinary types pass; with one, only what it names."""
        for typ in (None, "jwt", "at+jwt"):
            self.good({}, header=Header("RS256", None, typ))
        for typ in ("dpop+jwt", "logout+jwt", "secevent+jwt", ""):
            self.refused({}, "another type", header=Header("RS256", None, typ))
        only = Rules(types=frozenset({"at+jwt"}))
        self.good({}, only, Header("RS256", None, "at+jwt"))
        self.refused({}, "another type", only)
        self.refused({}, "another type", only, Header("RS256", None, None))

    def test_scopes(self) -> None:
        """Scopes are words of `scope`, or members of `scp`."""
        self.assertEqual(scopes({"scope": "read write"}), {"read", "write"})
        self.assertEqual(scopes({"scp": ["read", 5, "a b"]}), {"read", "a b"})
        self.assertEqual(scopes({"scp": "read"}), {"read"})
        self.assertEqual(scopes({"scope": 5}), frozenset())
