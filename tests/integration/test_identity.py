"""Key sets that are away, come back, rotate, or turn to garbage under the running gateway."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from jwt.algorithms import ECAlgorithm

from tests.integration.asking import Wire
from tests.integration.origins import Origin, Received
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports


class Issuer:
    """Signs tokens and answers with its key set. garbage: what it answers instead, when set. hang_s: before it does."""

    def __init__(self) -> None:
        self._keys: dict[str, EllipticCurvePrivateKey] = {}
        self.garbage: bytes | None = None
        self.hang_s = 0.0
        self.asked = 0

    def add(self, kid: str) -> None:
        """A key that is published from now on."""
        self._keys[kid] = generate_private_key(SECP256R1())

    def remove(self, kid: str) -> None:
        """No longer published."""
        del self._keys[kid]

    def token(self, kid: str, **claims: Any) -> str:
        """Signed by a published key."""
        said = {"iss": "https://id.example.gov", "aud": "hmsgw", "sub": "pat", "exp": int(time.time()) + 300, **claims}
        return jwt.encode(said, self._keys[kid], algorithm="ES256", headers={"kid": kid})

    def answer(self, got: Received, to: socket.socket) -> None:
        """For an Origin."""
        self.asked += 1
        time.sleep(self.hang_s)
        keys = [{**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid} for kid, key in self._keys.items()]
        body = self.garbage or json.dumps({"keys": keys}).encode()
        to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@on_both_transports
class IdentityTests(GatewayCase):
    def setUp(self) -> None:
        self.behind = Origin()
        self.addCleanup(self.behind.close)
        self.issuer = Issuer()
        self.issuer.add("one")

    def serve(self, jwks: str, more: str = "") -> Gateway:
        """A gateway whose tokens are signed by the issuer, with a public route beside."""
        return self.gateway(
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\ndefaults: {plugins: []}\n"
            "plugins:\n  jwt: {issuer: 'https://id.example.gov', audience: hmsgw, algorithms: [ES256], "
            f"jwks: '{jwks}'}}\n"
            f"services: {{web: {{endpoints: ['{self.behind.url}']}}}}\n"
            f"routes: [{{path: /in, service: web, plugins: [jwt]}}, {{path: /out, service: web}}]\n{more}"
        )

    def published(self) -> str:
        """The key set's URL."""
        origin = Origin(self.issuer.answer)
        self.addCleanup(origin.close)
        return f"{origin.url}/jwks.json"

    def get(self, gateway: Gateway, token: str, path: str = "/in") -> Any:
        """One request with a token."""
        with Wire(gateway.port()) as wire:
            return wire.get(path, f"Authorization: Bearer {token}")

    def test_away_at_start(self) -> None:
        """The key set is away at start: 503 identity-unavailable, /ready 200 but degraded, other routes served; when it
        appears it is found in the background."""
        port = free_port()
        gateway = self.serve(f"http://127.0.0.1:{port}/jwks.json")
        answer = self.get(gateway, self.issuer.token("one"))
        self.assertEqual((answer.status, answer.reason), (503, "identity-unavailable"))
        self.assertGreaterEqual(int(answer.field("retry-after")), 1)
        self.assertTrue([one for one in gateway.degraded() if f"127.0.0.1:{port}" in one], gateway.degraded())
        self.assertEqual(self.get(gateway, "x", "/out").status, 200)
        self.assertEqual([got.target for got in self.behind.got], ["/out"])
        appeared = Origin(self.issuer.answer, port=port)
        self.addCleanup(appeared.close)
        eventually("the key set is found", lambda: not [one for one in gateway.degraded() if "key set" in one])
        self.assertEqual(self.get(gateway, self.issuer.token("one")).status, 200)

    def test_rotation(self) -> None:
        """A token of a key that was published since is accepted at its first request; the old key lives on."""
        gateway = self.serve(self.published())
        self.assertEqual(self.get(gateway, self.issuer.token("one")).status, 200)
        self.issuer.add("two")
        self.assertEqual(self.get(gateway, self.issuer.token("two")).status, 200)
        self.assertEqual(self.get(gateway, self.issuer.token("one")).status, 200)
        self.assertEqual(self.issuer.asked, 2)

    def test_withdrawn(self) -> None:
        """A key that was withdrawn ends the tokens that were remembered, as soon as the set is seen anew."""
        gateway = self.serve(self.published())
        old = self.issuer.token("one")
        self.assertEqual([self.get(gateway, old).status for _ in range(2)], [200, 200])
        self.issuer.add("two")
        self.issuer.remove("one")
        self.assertEqual(self.get(gateway, self.issuer.token("two")).status, 200)
        self.assertEqual(self.get(gateway, old).status, 401)

    def test_unknown_keys_do_not_ask(self) -> None:
        """Tokens that name keys nobody has are 401, and cost the issuer one question in 30 s."""
        gateway = self.serve(self.published())
        foreign = generate_private_key(SECP256R1())
        statuses = [
            self.get(gateway, jwt.encode({"sub": "x"}, foreign, algorithm="ES256", headers={"kid": f"no-{n}"})).status
            for n in range(20)
        ]
        self.assertEqual(statuses, [401] * 20)
        self.assertLessEqual(self.issuer.asked, 2)

    def test_garbage(self) -> None:
        """A key set that turns to garbage changes nothing: the keys from before are kept, and /ready says so."""
        gateway = self.serve(self.published())
        self.assertEqual(self.get(gateway, self.issuer.token("one")).status, 200)
        self.issuer.garbage = b"<html>we are down</html>"
        unknown = jwt.encode({"sub": "x"}, generate_private_key(SECP256R1()), algorithm="ES256", headers={"kid": "new"})
        self.assertEqual(self.get(gateway, unknown).status, 401)
        self.assertEqual(self.get(gateway, self.issuer.token("one")).status, 200)
        self.assertTrue(eventually("it is said", lambda: [one for one in gateway.degraded() if "key set" in one]))

    def test_hanging(self) -> None:
        """A key set that hangs stops nobody: other routes are served, and requests with tokens get an answer."""
        self.issuer.hang_s = 30
        started = time.monotonic()
        gateway = self.serve(self.published())
        self.assertTrue(time.monotonic() - started < 15)
        self.assertEqual(self.get(gateway, "x", "/out").status, 200)
        self.assertEqual(self.get(gateway, self.issuer.token("one")).status, 503)

    def test_reload_keeps_keys(self) -> None:
        """A reload while the issuer is away keeps the keys, and tokens go on being taken."""
        origin = Origin(self.issuer.answer)
        gateway = self.serve(f"{origin.url}/jwks.json")
        self.assertEqual(self.get(gateway, self.issuer.token("one")).status, 200)
        origin.close()
        with open(gateway.config, encoding="utf-8") as file:
            text = file.read()
        self.assertEqual(gateway.reload(text.replace("path: /out", "path: /other")).returncode, 0)
        self.assertEqual(self.get(gateway, self.issuer.token("one")).status, 200)
        self.assertEqual(self.get(gateway, "x", "/other").status, 200)

    def test_refused_tokens(self) -> None:
        """Tokens on the wrong side of doubt are 401 invalid_token, and none reaches the service."""
        gateway = self.serve(self.published())
        good = self.issuer.token("one")
        head, claims, signature = good.split(".")
        none = jwt.encode({"sub": "x", "exp": int(time.time()) + 60}, "", algorithm="none")
        for bad in (
            none, f"{head}.{claims}.", f"{head}.{claims}", good + "x", f"{head}.{signature}.{claims}",
            self.issuer.token("one", exp=int(time.time()) - 60), self.issuer.token("one", aud="hmsgw2"),
            self.issuer.token("one", iss="https://id.example.gov.evil"),
            self.issuer.token("one", nbf=int(time.time()) + 90),
            jwt.encode({"sub": "x"}, "k" * 40, algorithm="HS256", headers={"kid": "one"}),
        ):  # fmt: skip
            answer = self.get(gateway, bad)
            self.assertEqual(answer.status, 401, bad)
            self.assertIn('error="invalid_token"', answer.field("www-authenticate"))
        with Wire(gateway.port()) as wire:
            two = wire.get("/in", f"Authorization: Bearer {good}", f"Authorization: Bearer {none}")
        self.assertIn(two.status, (400, 401))
        self.assertEqual(self.behind.got, [])
        self.assertNotIn(signature, gateway.output())
