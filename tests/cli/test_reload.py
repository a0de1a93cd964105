"""`hms-gateway reload`."""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.running import answer_calls, run

ACCEPTED: dict[str, Any] = {
    "accepted": True, "file": "/r.yaml", "said": ["2 routes", "listener x opened"], "faults": [], "advice": "",
    "digest": "sha256:1",
}  # fmt: skip
REFUSED: dict[str, Any] = {
    "accepted": False, "file": "/r.yaml", "said": [], "faults": ["/r.yaml:1:1: no", "/r.yaml:2:1: no"],
    "advice": "hms-gateway check /r.yaml", "digest": "",
}  # fmt: skip


class ReloadTests(SynchronousTestCase):
    """What is asked, and how the outcome reads."""

    def test_accepted(self) -> None:
        """The absolute path goes out; what changed is said; 0."""
        asked = answer_calls(self, ACCEPTED)
        ran = run("reload", "routes.yaml", "--state-dir", "/s")
        self.assertEqual(asked, [("/s", "reload", {"file": os.path.abspath("routes.yaml")})])
        self.assertEqual(
            ran, (0, "accepted: /r.yaml is served now (sha256:1)\n  2 routes\n  listener x opened\n", "")
        )

    def test_without_a_file(self) -> None:
        """The gateway is left to say which one."""
        asked = answer_calls(self, ACCEPTED)
        run("reload")
        self.assertEqual(asked[0][2], {"file": None})

    def test_refused(self) -> None:
        """Every fault, that nothing has changed, the exact next command; 1."""
        answer_calls(self, REFUSED)
        expected = "/r.yaml:1:1: no\n/r.yaml:2:1: no\nrefused: nothing has changed\nnext: hms-gateway check /r.yaml\n"
        self.assertEqual(run("reload", "r.yaml"), (1, "", expected))

    def test_json(self) -> None:
        """For programs, the outcome as it is, with the same exit code."""
        answer_calls(self, REFUSED)
        ran = run("reload", "r.yaml", "--json")
        self.assertEqual((ran.code, json.loads(ran.out)), (1, REFUSED))
