"""`hms-gateway explain`."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.cli.running import answer_calls, run

FOUND: dict[str, Any] = {
    "answer": "it would go to c",
    "considered": [{"route": "/c/*", "where": "r.yaml:3:5", "says": "taken"}],
    "route": {"name": "/c/*", "path": "/c/*", "where": "r.yaml:3:5"},
    "plugins": [{"plugin": "jwt", "where": "r.yaml:4:9", "says": "would pass as user jo"}],
    "upstream": {"service": "c", "path": "/c/1", "endpoints": []},
}


class ExplainTests(SynchronousTestCase):
    """What is asked, and how the answer reads."""

    def test_question(self) -> None:
        """Method, URL, headers as curl takes them, the client."""
        asked = answer_calls(self, FOUND)
        run("explain", "GET", "/c/1", "-H", "A: b:c", "-H", "D:e", "--client", "10.0.0.1", "--state-dir", "/s")
        said = {"method": "GET", "url": "/c/1", "headers": [["A", "b:c"], ["D", "e"]], "client": "10.0.0.1"}
        self.assertEqual(asked, [("/s", "explain", said)])

    def test_answer(self) -> None:
        """The answer first, then why."""
        answer_calls(self, FOUND)
        self.assertEqual(
            run("explain", "GET", "/c/1").out.splitlines(),
            [
                "it would go to c",
                "  route   /c/*  (r.yaml:3:5)  taken",
                "  plugin  jwt  (r.yaml:4:9)  would pass as user jo",
                "  service c  /c/1  to no endpoint",
            ],
        )
        self.assertEqual(json.loads(run("explain", "GET", "/c/1", "--json").out), FOUND)

    def test_by_id(self) -> None:
        """By request id is a later version's."""
        ran = run("explain", "3b092c884123a49f")
        self.assertEqual(ran.code, 2)
        self.assertIn("not in this version", ran.err)

    def test_client(self) -> None:
        """So is a client that is no address, before anybody is asked."""
        asked = answer_calls(self, FOUND)
        ran = run("explain", "GET", "/", "--client", "bogus")
        self.assertEqual((ran.code, ran.err.count("\n"), asked), (2, 1, []))

    def test_header(self) -> None:
        """A header without a colon is a usage error."""
        self.assertEqual(run("explain", "GET", "/", "-H", "nonsense").code, 2)
