"""When certificates end, as /metrics and /ready tell it."""

from __future__ import annotations

import os

from hmsgw.certificates import near_their_end, seconds_left
from hmsgw.generation import Candidate
from tests.assembled import GatewayCase
from tests.transport.minting import Pair, leaf


class CertificateTests(GatewayCase):
    def serving(self, *pairs: Pair) -> Candidate:
        names = []
        for n, pair in enumerate(pairs):
            for end, content in ((".pem", pair.pem), (".key", pair.key_pem)):
                with open(os.path.join(self.folder, f"{n}{end}"), "wb") as file:
                    file.write(content)
            names.append(f"{{certificate: {n}.pem, key: {n}.key}}")
        listen = f"listeners: [{{port: 1001, tls: {{certificates: [{', '.join(names)}]}}}}, {{name: b, port: 1, tls: off}}]\n"
        return self.read("registry: {kind: none}\n", listen)

    def test_told(self) -> None:
        """One that has long to live is a number; one near its end, or past it, is said in words too."""
        candidate = self.serving(leaf("a.gov", days=400), leaf("b.gov", days=2), leaf("c.gov", days=0))
        left = seconds_left(candidate)
        self.assertEqual([("public", "0.pem"), ("public", "1.pem"), ("public", "2.pem")], list(left))
        self.assertTrue(399 * 86400 < left["public", "0.pem"] < 400 * 86400)
        self.assertTrue(left["public", "2.pem"] < 0)
        soon, over = near_their_end(candidate)
        self.assertIn("certificate 1.pem of listener public expires on", soon)
        self.assertIn("certificate 2.pem of listener public expired on", over)

    def test_shown(self) -> None:
        """The gateway is ready all the same, and degraded; the metric has each certificate."""
        self.gateway.apply(self.serving(leaf("b.gov", days=2)))
        self.assertIn("certificate 0.pem of listener public expires", " ".join(self.gateway.degraded()))
        self.assertEqual([("public", "0.pem")], list(self.gateway.metrics.copy().certificates_s))

    def test_short_lives(self) -> None:
        """A certificate that was never meant to live long is not near its end from the first day on."""
        self.assertEqual([], near_their_end(self.serving(leaf("a.gov", days=6))))
