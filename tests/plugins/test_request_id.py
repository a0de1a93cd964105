"""request-id: who gets to see the id."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.tools import UseInfo
from hmsgw.config.model import NOWHERE
from hmsgw.plugins.request_id import Settings, build
from hmsgw.testing import FakeRequest, FakeResponse

USE = UseInfo("request-id", "request-id", NOWHERE, "/")


def made(**settings: Any) -> Any:
    return build(Settings(**settings), None, USE)  # type: ignore[arg-type]


class RequestIdTests(SynchronousTestCase):
    def test_answer(self) -> None:
        """The answer carries the id, in place of whatever an upstream said."""
        resp = FakeResponse(headers={"X-Request-ID": "forged"})
        made().on_response(FakeRequest(id="abc"), resp)
        self.assertEqual(resp.headers.items(), [("X-Request-Id", "abc")])

    def test_nothing_for_the_request(self) -> None:
        """The gateway tells the upstream by itself, so there is no request step."""
        self.assertFalse(hasattr(made(), "run"))

    def test_other_name(self) -> None:
        """Another name goes both ways, in place of what the client sent."""
        req, resp = FakeRequest(id="abc", headers={"x-trace": "forged"}), FakeResponse()
        plugin = made(header="X-Trace")
        plugin.run(req)
        plugin.on_response(req, resp)
        self.assertEqual((req.headers.get_all("X-Trace"), resp.headers["X-Trace"]), (["abc"], "abc"))

    def test_not_in_the_answer(self) -> None:
        """response: false keeps it from the client."""
        for header in ("X-Trace", "X-Request-Id"):
            self.assertFalse(hasattr(made(header=header, response=False), "on_response"))
