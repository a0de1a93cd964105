"""What a running gateway says of itself."""

from __future__ import annotations

import json

from hmsgw.status import status_of
from tests.assembled import GatewayCase


class StatusTests(GatewayCase):
    """`status_of`."""

    def test_plain_data(self) -> None:
        """It is JSON, and what an operator asks for first is in it."""
        told = json.loads(json.dumps(status_of(self.gateway)))
        self.assertEqual((False, True, False), (told["ready"], told["dev"], told["signed"]))
        self.assertEqual(self.gateway.candidate.digest, told["digest"])
        self.assertEqual(
            [("public", 1000, False)], [(one["name"], one["port"], one["tls"]) for one in told["listeners"]]
        )
        self.assertEqual([{"name": "/a", "path": "/a", "service": "users"}], told["routes"])
        self.assertEqual([{"endpoint": "http://192.0.2.1", "health": "ok", "requests": 0}], told["services"]["users"])

    def test_failing_endpoint(self) -> None:
        """An endpoint that could not be connected to is shown as failing."""
        member = self.gateway.clusters["users"].members[0]
        member.passed_over_until = float("inf")
        self.assertEqual("failing", status_of(self.gateway)["services"]["users"][0]["health"])

    def test_ready(self) -> None:
        """Ready, and why not all is well."""
        self.gateway.startService()
        self.reactor.pump([0.1] * 60)
        told = status_of(self.gateway)
        self.assertEqual((True, False), (told["ready"], told["draining"]))
        self.assertIn("the configuration is unsigned (--dev)", told["degraded"])
        self.successResultOf(self.gateway.stopService())
