"""Services that can't be found are told, each once, and others are not."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.unreachable import unreachable
from tests.config.arrange import good

SERVICES = "services: {redis: {endpoints: ['http://127.0.0.1:6379']}, empty: {}}\n"
NAMED = """\
listeners: [{name: raw, tls: off}, {name: web, port: 8081}]
routes:
  - {path: /a, service: redis}
  - {path: /b, service: empty}
  - {path: /c, service: other}
  - {path: /d, service: other}
  - {path: /e, plugins: [respond]}
streams:
  - {listener: raw, service: rediss}
"""


class UnreachableTests(SynchronousTestCase):
    def test_told(self) -> None:
        """A name that is nowhere, with the one that was probably meant, and one without endpoints."""
        found = [str(one) for one in unreachable(good("registry: {kind: none}\n" + SERVICES + NAMED))]
        nowhere = ", and with `registry: {kind: none}` nothing else finds it; "
        self.assertEqual(
            [
                f"f.yaml:6:25: `empty` has no `endpoints`{nowhere}list them",
                f"f.yaml:7:25: `other` is not under `services:`{nowhere}give it `endpoints` there",
                f"f.yaml:11:30: `rediss` is not under `services:`{nowhere}did you mean `redis`?",
            ],
            found,
        )

    def test_registry(self) -> None:
        """Where there is a registry, who knows?"""
        self.assertEqual([], unreachable(good(SERVICES + NAMED)))
