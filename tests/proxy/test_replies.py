"""The answers that the gateway makes itself."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw import reasons
from hmsgw.proxy.replies import grpc_refusal, grpc_status_of, problem
from hmsgw.wire.grpc import GRPC, GRPC_WEB


class ReplyTests(SynchronousTestCase):
    """`problem`, `grpc_refusal`."""

    def test_problem(self) -> None:
        """RFC 9457 with the reason and the request's id; never stored."""
        head, body = problem(404, "no-route", "Not found", None, "ab12")
        self.assertEqual((404, len(body)), (head.status, head.length))
        self.assertEqual("application/problem+json", head.headers["Content-Type"])
        self.assertEqual("no-store", head.headers["Cache-Control"])
        self.assertEqual(
            {"type": "about:blank", "title": "Not found", "status": 404, "detail": "Not found", "reason": "no-route",
             "request_id": "ab12"},
            json.loads(body),
        )  # fmt: skip

    @given(st.text(max_size=60))
    def test_any_detail(self, detail: str) -> None:
        """Whatever a plugin says, lone surrogates included, the body is JSON."""
        _, body = problem(500, "plugin-error", "t", detail + "\udc80", "id")
        self.assertIsInstance(json.loads(body)["detail"], str)

    @given(st.text(max_size=60))
    def test_grpc_message(self, detail: str) -> None:
        """A gRPC message holds printable ASCII only, percent-encoded: it can't end its line."""
        try:
            detail.encode()
        except UnicodeEncodeError:
            return
        head = grpc_refusal(GRPC, 8, detail)
        self.assertEqual((200, "8"), (head.status, head.headers["grpc-status"]))
        self.assertRegex(head.headers["grpc-message"], r"\A[ -~]*\Z")

    def test_grpc_retry(self) -> None:
        """When to try again is said in gRPC's words too, and only where it is known."""
        head = grpc_refusal(GRPC_WEB, 8, "Wait.", [(b"retry-after", b"Retry-After", b"3")])
        self.assertEqual(
            ("application/grpc-web", "3", "3000"),
            tuple(head.headers[name] for name in ("content-type", "retry-after", "grpc-retry-pushback-ms")),
        )
        self.assertNotIn("grpc-retry-pushback-ms", grpc_refusal(GRPC, 8, "Wait.").headers)

    def test_grpc_status(self) -> None:
        """A reason knows its own; a bare status is mapped; an unknown one is UNKNOWN, a 5xx UNAVAILABLE."""
        self.assertEqual(16, grpc_status_of(401, reasons.UNAUTHENTICATED))
        for status, expected in ((403, 7), (429, 8), (500, 13), (503, 14), (418, 2)):
            self.assertEqual(expected, grpc_status_of(status, None), status)

    def test_title(self) -> None:
        """A status without a phrase still has a title."""
        self.assertEqual(("Conflict", "Error"), (reasons.title_of(409), reasons.title_of(299)))
