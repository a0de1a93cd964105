"""jwt: who gets in, who doesn't, and in which words."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, OptionError
from hmsgw.identity.keys import Keys, from_key_set
from hmsgw.plugins import jwt
from hmsgw.plugins.jwt import Jwt, Settings
from hmsgw.testing import FakeRequest
from hmsgw.transport.client_certificate import read_client_certificate
from tests.identity.minting import NOW, b64, ec_key, ed_key, jwk, key_set, pem, rsa_key, spelled, token
from tests.plugins.building import Workbench, use
from tests.transport.minting import authority, mint

SECRET = "s" * 64
URL = "https://id.example.gov/jwks.json"


class Holder:
    """A key set whose fetches the test answers."""

    def __init__(self, keys: Keys | None = None) -> None:
        self.keys = keys
        self.version = 0 if keys is None else 1
        self.asked: list[str | None] = []
        self.open: list[Deferred[None]] = []

    def refresh_for(self, kid: str | None) -> Deferred[None]:
        self.asked.append(kid)
        waiting: Deferred[None] = Deferred()
        self.open.append(waiting)
        return waiting

    def answer(self, keys: Keys | None) -> None:
        if keys is not None:
            self.keys = keys
            self.version += 1
        self.open.pop().callback(None)


class JwtCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Workbench(NOW)
        self.bench.files.update({"rsa.pem": pem(rsa_key()), "set.json": key_set(jwk(rsa_key(), kid="a"))})
        self.holder = Holder()
        self.bench.key_sets[URL] = self.holder

    def step(self, dev_secret: str | None = None, environ: dict[str, str] | None = None, **options: Any) -> Jwt:
        made = Settings(**options)
        jwt.verify(made, self.bench.files, environ or {}, dev_secret is not None, False)
        return jwt.build(made, self.bench.tools(dev_secret=dev_secret, environ=environ or {}), use("jwt"))

    def run_with(self, step: Jwt, bearer: bytes | str | None, *more: tuple[str, str]) -> FakeRequest:
        spelling = bearer.decode("latin-1") if isinstance(bearer, bytes) else bearer
        headers = [] if spelling is None else [("Authorization", f"Bearer {spelling}")]
        req = FakeRequest(headers=[*headers, *more])
        self.assertIsNone(step.run(req))
        return req

    def refused(self, step: Jwt, bearer: bytes | str | None, *more: tuple[str, str]) -> HTTPError:
        error = self.assertRaises(HTTPError, self.run_with, step, bearer, *more)
        return error  # type: ignore[no-any-return]

    def invalid(self, step: Jwt, bearer: bytes | str | None, words: str = "", *more: tuple[str, str]) -> None:
        error = self.refused(step, bearer, *more)
        self.assertEqual((error.status, error.reason), (401, "unauthenticated"))
        self.assertRegex(
            error.headers["WWW-Authenticate"],
            r'^Bearer realm="hmsgw", error="invalid_token", error_description="[ !#-\[\]-~]+"$',
        )
        self.assertIn(words, str(error.message))


class AnswerTests(JwtCase):
    def test_a_good_token(self) -> None:
        """The request goes on with its user and claims."""
        req = self.run_with(self.step(public_key="rsa.pem"), token(rsa_key(), "RS256", {"role": "clerk"}))
        self.assertEqual((req.user, req.claims and req.claims["role"]), ("alice", "clerk"))

    def test_no_token(self) -> None:
        """401 with a challenge and no error code; other schemes and the query are no token."""
        step = self.step(public_key="rsa.pem")
        good = token(rsa_key(), "RS256").decode()
        for headers in ([], [("Authorization", "Basic YTpi")], [("Authorization", good)], [("Authorization", "")]):
            error = self.refused(step, None, *headers)
            self.assertEqual((error.status, error.reason), (401, "unauthenticated"))
            self.assertEqual(error.headers, {"WWW-Authenticate": 'Bearer realm="hmsgw"'})
        self.assertRaises(HTTPError, step.run, FakeRequest(query=f"access_token={good}"))

    def test_spelling_of_the_scheme(self) -> None:
        """The scheme's case does not matter."""
        step = self.step(public_key="rsa.pem")
        good = token(rsa_key(), "RS256").decode()
        for scheme in ("Bearer", "bearer", "BEARER", "bEaReR"):
            req = FakeRequest(headers={"Authorization": f"{scheme} {good}"})
            step.run(req)
            self.assertEqual(req.user, "alice")

    def test_two_tokens(self) -> None:
        """Two Authorization fields are refused, also when the second is remembered as good."""
        step = self.step(public_key="rsa.pem")
        good = token(rsa_key(), "RS256").decode()
        self.run_with(step, good)
        self.invalid(step, "x", "two Authorization", ("Authorization", f"Bearer {good}"))
        self.invalid(step, good, "two Authorization", ("authorization", "Basic YTpi"))
        three = [("Authorization", "a"), ("Authorization", "b"), ("Authorization", f"Bearer {good}")]
        self.invalid(step, None, "two Authorization", *three)

    def test_scopes(self) -> None:
        """A missing scope is 403 and named."""
        step = self.step(public_key="rsa.pem", scopes=("read", "write"))
        self.run_with(step, token(rsa_key(), "RS256", {"scope": "write other read"}))
        error = self.refused(step, token(rsa_key(), "RS256", {"scope": "read"}))
        self.assertEqual((error.status, error.reason), (403, "forbidden"))
        self.assertEqual(
            error.headers["WWW-Authenticate"], 'Bearer realm="hmsgw", error="insufficient_scope", scope="read write"'
        )

    def test_realm(self) -> None:
        """The realm is the set-up's, quoted."""
        error = self.refused(self.step(public_key="rsa.pem", realm='a"b\\'), None)
        self.assertEqual(error.headers["WWW-Authenticate"], 'Bearer realm="a\\"b\\\\"')

    def test_shows_no_token(self) -> None:
        """Nothing of a refused token comes back in the refusal."""
        error = self.refused(self.step(public_key="rsa.pem"), token(rsa_key(), "RS256", {"exp": 1}, kid="zebra"))
        self.assertNotIn("zebra", repr(error) + repr(error.headers))

    def test_explain(self) -> None:
        """Explaining judges without letting anybody in."""
        step = self.step(public_key="rsa.pem")
        self.assertIn("no token", step.explain(FakeRequest()))
        good = FakeRequest(headers={"Authorization": "Bearer " + token(rsa_key(), "RS256").decode()})
        self.assertIn("alice", step.explain(good))
        self.assertIsNone(good.user)
        self.assertIn("401", step.explain(FakeRequest(headers={"Authorization": "Bearer x"})))
        self.assertIn("503", self.step(jwks=URL).explain(good))


class BoundTests(JwtCase):
    """Tokens that are bound to a certificate (RFC 8705)."""

    def ask(self, step: Jwt, bearer: bytes, certificate: Any) -> Any:
        req = FakeRequest(headers=[("Authorization", f"Bearer {bearer.decode()}")], certificate=certificate)
        step.run(req)
        return req.user

    def test_holder(self) -> None:
        """Good from the certificate's holder, and from nobody else, however often it was good before."""
        mine, other = (read_client_certificate(mint(name, (), authority()).der) for name in ("me", "mallory"))
        bound = token(rsa_key(), "RS256", {"cnf": {"x5t#S256": b64(bytes.fromhex(mine.fingerprint)).decode()}})
        step = self.step(public_key="rsa.pem")
        for _ in range(2):
            self.assertEqual("alice", self.ask(step, bound, mine))
            for thief in (other, None):
                error = self.assertRaises(HTTPError, self.ask, step, bound, thief)
                self.assertEqual((401, "unauthenticated"), (error.status, error.reason))
                self.assertIn("bound to a certificate", str(error.message))
        req = FakeRequest(headers=[("Authorization", f"Bearer {bound.decode()}")])
        self.assertIn("would be refused: 401", step.explain(req))

    def test_other_keys(self) -> None:
        """One that is bound to another key as well is good from nobody."""
        mine = read_client_certificate(mint("me", (), authority()).der)
        thumb = b64(bytes.fromhex(mine.fingerprint)).decode()
        step = self.step(public_key="rsa.pem")
        for bound in ({"jkt": thumb}, {"x5t#S256": thumb, "jkt": thumb}, {}):
            self.assertRaises(HTTPError, self.ask, step, token(rsa_key(), "RS256", {"cnf": bound}), mine)


class AttackTests(JwtCase):
    def test_none(self) -> None:
        """An unsigned token is no token, however `none` is spelled."""
        step = self.step(public_key="rsa.pem")
        for alg in ("none", "None", "NONE", "nOnE"):
            body = b64(json.dumps({"alg": alg}).encode()) + b"." + b64(json.dumps({"exp": NOW + 60}).encode())
            self.invalid(step, body + b".")
            self.invalid(step, body + b".AA", "algorithm")

    def test_hmac_with_the_public_key(self) -> None:
        """The public key is no secret: a token signed by HMAC with it is refused."""
        step = self.step(public_key="rsa.pem")
        for key in (self.bench.files["rsa.pem"], self.bench.files["rsa.pem"].strip()):
            self.invalid(step, token(key, "HS256"), "algorithm")

    def test_an_algorithm_that_is_not_listed(self) -> None:
        """An algorithm that the key could do and the set-up does not list is refused."""
        step = self.step(public_key="rsa.pem", algorithms=("RS256",))
        self.invalid(step, token(rsa_key(), "PS256"), "algorithm")
        self.invalid(step, token(rsa_key(), "RS512"), "algorithm")

    def test_a_key_in_the_token(self) -> None:
        """Keys that a token brings or points to are not looked at."""
        step = self.step(public_key="rsa.pem")
        mine = rsa_key(2048, 1)
        for header in ({"jwk": jwk(mine)}, {"jku": "https://evil.example/"}, {"x5u": "https://evil.example/"}):
            self.invalid(step, token(mine, "RS256", **header), "signature")

    def test_extensions(self) -> None:
        """Unknown `crit` and `b64` refuse a token though its signature is good."""
        step = self.step(public_key="rsa.pem")
        self.invalid(step, token(rsa_key(), "RS256", crit=["x"], x=1), "extension")
        self.invalid(step, token(rsa_key(), "RS256", crit=["b64"], b64=False), "extension")

    def test_duplicate_members(self) -> None:
        """A signed token with two `exp`, or two `alg`, is refused."""
        step = self.step(public_key="rsa.pem")
        header, far = b'{"alg":"RS256"}', NOW + 60
        self.invalid(step, spelled(header, b'{"exp":1,"exp":%d}' % far, rsa_key(), "RS256"), "two members")
        self.invalid(step, spelled(b'{"alg":"none","alg":"RS256"}', b'{"exp":%d}' % far, rsa_key(), "RS256"), "two")

    def test_size_and_depth(self) -> None:
        """Long and deep tokens are refused before they cost anything."""
        step = self.step(public_key="rsa.pem")
        self.invalid(step, b"a" * 1_000_000, "too long")
        deep = b'{"exp":9999999999,"a":' + b"[" * 5000 + b"]" * 5000 + b"}"
        self.invalid(step, spelled(b'{"alg":"RS256"}', deep, rsa_key(), "RS256"), "too deep")

    def test_spoofed_claim_fields(self) -> None:
        """What a client sends in a claim's field never arrives: without a claim, with one, refused or not."""
        step = self.step(public_key="rsa.pem", claims_to_headers={"sub": "X-User-Id", "role": "X-Role"})
        forged = (("x-user-id", "root"), ("X-USER-ID", "root"), ("X-Role", "admin"), ("X-Other", "1"))
        for _ in range(2):
            req = self.run_with(step, token(rsa_key(), "RS256"), *forged)
            sent = [(name, value) for name, value in req.headers.items() if name not in ("Host", "Authorization")]
            self.assertEqual(sent, [("X-Other", "1"), ("X-User-Id", "alice")])
        req = FakeRequest(headers=list(forged))
        self.assertRaises(HTTPError, step.run, req)
        self.assertEqual(req.headers.items()[1:], [("X-Other", "1")])

    def test_claims_that_break_fields(self) -> None:
        """A claim with a line break can't smuggle a field to the upstream."""
        step = self.step(public_key="rsa.pem", claims_to_headers={"sub": "X-User-Id"})
        self.invalid(step, token(rsa_key(), "RS256", {"sub": "a\r\nX-Admin: 1"}), "claim sub")

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_no_mutation_is_good(self, data: Any) -> None:
        """A good token with any byte changed, dropped or added is refused, before and after the good one was seen."""
        step = self.step(secret=SECRET)
        good = token(SECRET.encode(), "HS256")
        if data.draw(st.booleans()):
            self.run_with(step, good)
        at = data.draw(st.integers(0, len(good) - 1))
        kind = data.draw(st.sampled_from(["change", "drop", "add"]))
        byte = bytes([data.draw(st.integers(0x21, 0x7E))])
        mutant = good[:at] + (byte if kind != "drop" else b"") + (good[at:] if kind == "add" else good[at + 1 :])
        if mutant != good:
            self.invalid(step, mutant)

    @settings(max_examples=100, deadline=None)
    @given(st.binary(max_size=80))
    def test_garbage(self, raw: bytes) -> None:
        """Whatever stands in the field is refused as 401, and nothing else is raised."""
        req = FakeRequest()
        req.headers.fields.append((b"authorization", b"Authorization", raw))
        error = self.assertRaises(HTTPError, self.step(secret=SECRET).run, req)
        self.assertEqual(error.status, 401)


class MemoryTests(JwtCase):
    def test_a_remembered_token_expires(self) -> None:
        """A token is good from memory until its time is over, to the instant."""
        step = self.step(public_key="rsa.pem")
        good = token(rsa_key(), "RS256", {"exp": NOW + 60})
        self.run_with(step, good)
        self.bench.clock.advance(89.9)
        self.run_with(step, good)
        self.bench.clock.advance(0.1)
        self.invalid(step, good, "expired")

    def test_what_a_plugin_does_to_claims(self) -> None:
        """A plugin that changes claims changes them for its own request only."""
        step = self.step(public_key="rsa.pem")
        good = token(rsa_key(), "RS256", {"roles": ["clerk"], "o": {"a": [1]}})
        for _ in range(3):
            claims = self.run_with(step, good).claims
            assert claims is not None
            self.assertEqual((claims["roles"], claims["o"], claims["sub"]), (["clerk"], {"a": [1]}, "alice"))
            claims["roles"].append("admin")
            claims["o"]["a"].append(2)
            claims["sub"] = "root"

    def test_bounded(self) -> None:
        """However many tokens come, so many are remembered."""
        step = self.step(secret=SECRET, cache_tokens=5)
        for number in range(50):
            self.run_with(step, token(SECRET.encode(), "HS256", {"sub": str(number)}))
        self.assertEqual(len(step._known), 5)

    def test_only_good_tokens_are_remembered(self) -> None:
        """A flood of bad tokens takes no memory, and neither do odd spellings of a good one."""
        step = self.step(secret=SECRET)
        for number in range(50):
            self.invalid(step, token(b"other" * 20, "HS256", {"sub": str(number)}))
        for spaces in range(1, 20):
            self.run_with(step, " " * spaces + token(SECRET.encode(), "HS256").decode())
        self.assertLessEqual(len(step._known), 19)

    def test_insufficient_scope_is_not_remembered(self) -> None:
        """A token without the scope is refused each time."""
        step = self.step(secret=SECRET, scopes=("read",))
        for _ in range(2):
            self.assertEqual(self.refused(step, token(SECRET.encode(), "HS256")).status, 403)


class KeySetTests(JwtCase):
    def test_rotation(self) -> None:
        """An unknown key waits for the set once; a token of a key that is gone is refused though it was remembered."""
        self.holder.keys, self.holder.version = from_key_set(key_set(jwk(rsa_key(), kid="old"))), 1
        step = self.step(jwks=URL)
        old, new = token(rsa_key(), "RS256", kid="old"), token(ec_key(), "ES256", kid="new")
        self.run_with(step, old)
        req = FakeRequest(headers={"Authorization": "Bearer " + new.decode()})
        waiting = step.run(req)
        assert waiting is not None
        self.assertNoResult(waiting)
        self.assertEqual(self.holder.asked, ["new"])
        self.holder.answer(from_key_set(key_set(jwk(ec_key(), kid="new"))))
        self.successResultOf(waiting)
        self.assertEqual(req.user, "alice")
        again = step.run(FakeRequest(headers={"Authorization": "Bearer " + old.decode()}))
        assert again is not None
        self.holder.answer(None)
        self.assertEqual(self.failureResultOf(again, HTTPError).value.status, 401)

    def test_never_fetched(self) -> None:
        """503 with the reason and Retry-After for tokens that can't be judged; what is no token is 401 all the same."""
        step = self.step(jwks=URL)
        waiting = step.run(FakeRequest(headers={"Authorization": "Bearer " + token(rsa_key(), "RS256").decode()}))
        assert waiting is not None
        self.holder.answer(None)
        error = self.failureResultOf(waiting, HTTPError).value
        self.assertEqual((error.status, error.reason), (503, "identity-unavailable"))
        self.assertEqual(error.headers, {"Retry-After": "5"})
        self.invalid(step, "garbage")
        self.assertEqual(self.refused(step, None).status, 401)
        self.assertEqual(len(self.holder.asked), 1)

    def test_a_client_that_goes_away(self) -> None:
        """A cancelled wait ends, and lets nobody in."""
        req = FakeRequest(headers={"Authorization": "Bearer " + token(rsa_key(), "RS256").decode()})
        waiting = self.step(jwks=URL).run(req)
        assert waiting is not None
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertIsNone(req.user)

    def test_hmac_never_waits(self) -> None:
        """A token of an algorithm that no set can have is refused without a fetch."""
        self.invalid(self.step(jwks=URL), token(b"x" * 32, "HS256"), "algorithm")
        self.assertEqual(self.holder.asked, [])

    def test_who_needs_which_set(self) -> None:
        """A step says which key set it needs, so that the others can be let go."""
        self.assertEqual((self.step(jwks=URL).key_url, self.step(public_key="rsa.pem").key_url), (URL, None))
        self.assertIsNone(self.step(jwks="set.json").key_url)


class SettingTests(JwtCase):
    def fault(self, option: str | None, words: str, signed: bool = False, **options: Any) -> None:
        made = Settings(**options)
        error = self.assertRaises(OptionError, jwt.verify, made, self.bench.files, {}, False, signed)
        self.assertEqual(error.option, option)
        self.assertIn(words, str(error))

    def test_faults(self) -> None:
        """Every set-up by which a token would be taken unseen, or judged wrongly, does not load."""
        self.fault(None, "jwks")
        self.fault(None, "jwks", issuer=("https://id.example.gov",))
        self.fault(None, "signed", signed=True)
        self.fault("jwks", "not several", jwks=URL, public_key="rsa.pem")
        self.fault("public_key", "can't be read", public_key="none.pem")
        self.fault("secret", "needs at least 32", secret="short")
        self.fault("secret", "needs at least 64", secret="s" * 63, algorithms=("HS512",))
        self.fault("algorithms", "HS256", public_key="rsa.pem", algorithms=("HS256",))
        self.fault("algorithms", "ES256 does not fit", public_key="rsa.pem", algorithms=("ES256",))
        self.fault("claims_to_headers", "Host", public_key="rsa.pem", claims_to_headers={"sub": "Host"})
        self.fault("scopes", "scope", public_key="rsa.pem", scopes=('a"b',))
        self.fault("realm", "printable", public_key="rsa.pem", realm="a\r\nb")
        self.fault("jwks", "https", signed=True, jwks="http://id.example.gov/")

    def test_environment(self) -> None:
        """The environment gives a key to a configuration without one."""
        self.run_with(self.step(environ={"HMSGW_JWT_SECRET": SECRET}), token(SECRET.encode(), "HS256"))
        self.run_with(self.step(environ={"HMSGW_JWT_PUBLIC_KEY": "rsa.pem"}), token(rsa_key(), "RS256"))
        self.assertEqual(self.step(environ={"HMSGW_JWT_JWKS_URL": URL}).key_url, URL)

    def test_development_key(self) -> None:
        """Under --dev the development key is taken, whose tokens name no issuer; and only when there is no other."""
        dev = "d" * 43
        self.run_with(self.step(dev_secret=dev, issuer=("https://id.example.gov",)), token(dev.encode(), "HS256"))
        self.invalid(self.step(dev_secret=dev, secret=SECRET), token(dev.encode(), "HS256"), "signature")

    def test_issuer_and_audience(self) -> None:
        """`iss` and `aud` are judged when they are configured."""
        step = self.step(public_key="rsa.pem", issuer=("https://id.example.gov",), audience=("hmsgw",))
        self.run_with(step, token(rsa_key(), "RS256", {"iss": "https://id.example.gov", "aud": ["hmsgw"]}))
        self.invalid(step, token(rsa_key(), "RS256", {"iss": "https://id.example.gov"}), "audience")
        self.invalid(step, token(rsa_key(), "RS256", {"aud": "hmsgw"}), "issuer")

    def test_each_kind_of_key(self) -> None:
        """RSA, ECDSA and EdDSA keys from files and sets, and secrets of each length."""
        self.bench.files.update({"ec.pem": pem(ec_key("secp384r1")), "ed.pem": pem(ed_key())})
        self.run_with(self.step(public_key="rsa.pem"), token(rsa_key(), "PS384"))
        self.run_with(self.step(public_key="ec.pem"), token(ec_key("secp384r1"), "ES384"))
        self.run_with(self.step(public_key="ed.pem"), token(ed_key(), "EdDSA"))
        self.run_with(self.step(jwks="set.json"), token(rsa_key(), "RS256", kid="a"))
        self.run_with(self.step(secret=SECRET, algorithms=("HS512",)), token(SECRET.encode(), "HS512"))

    def test_signature_of_the_rfc(self) -> None:
        """HMAC is what RFC 7515 says it is: the signature is over the two parts as they were sent."""
        signed = b64(b'{"alg":"HS256"}') + b"." + b64(json.dumps({"exp": NOW + 9, "sub": "b"}).encode())
        signature = hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()
        self.assertEqual(self.run_with(self.step(secret=SECRET), signed + b"." + b64(signature)).user, "b")

    def test_secrets_do_not_show(self) -> None:
        """A secret is in no representation of its settings."""
        self.assertNotIn(SECRET, repr(Settings(secret=SECRET)))
