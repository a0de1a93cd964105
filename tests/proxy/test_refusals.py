"""From a reason or a verdict to the answer."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from hmsgw import reasons
from hmsgw.chain.verdict import Verdict
from hmsgw.proxy.refusals import allow, answer_of_verdict, refusal
from hmsgw.wire.heads import RequestHead


def _asked(*fields: tuple[bytes, bytes, bytes]) -> RequestHead:
    head = RequestHead()
    head.method, head.target, head.fields = b"POST", b"/", fields
    return head


_GRPC = _asked((b"content-type", b"Content-Type", b"application/grpc+proto"))


class RefusalTests(SynchronousTestCase):
    """`refusal`, `answer_of_verdict`, `allow`."""

    def test_by_reason(self) -> None:
        """A reason's word and title stand in the body."""
        head, body = refusal(
            _asked(), 429, reasons.RATE_LIMITED, "Wait.", "id", [(b"retry-after", b"Retry-After", b"3")]
        )
        told = json.loads(body)
        self.assertEqual((429, "rate-limited", "Wait.", "3"), (
            head.status, told["reason"], told["detail"], head.headers["retry-after"]))  # fmt: skip

    def test_grpc(self) -> None:
        """A gRPC caller gets the same in gRPC's form: 200, the status in a field, no body."""
        head, body = refusal(_GRPC, 429, reasons.RATE_LIMITED, None, "id", [])
        self.assertEqual((200, "8", b""), (head.status, head.headers["grpc-status"], body))

    def test_without_a_reason(self) -> None:
        """A plugin's own status without a reason is called `plugin`."""
        _, body = refusal(_asked(), 418, None, None, "id", [])
        self.assertEqual("plugin", json.loads(body)["reason"])

    def test_verdict_without_a_body(self) -> None:
        """A verdict without a body of its own becomes problem+json, and its word is what is logged."""
        verdict = Verdict(403, reasons.FORBIDDEN, "forbidden", "Forbidden", "No.", [], None, "mine")
        head, body, word = answer_of_verdict(verdict, _asked(), "id")
        self.assertEqual((403, "forbidden", "No."), (head.status, word, json.loads(body)["detail"]))

    def test_verdict_with_a_body(self) -> None:
        """A plugin's own answer goes out as it is."""
        verdict = Verdict(200, None, "", "OK", None, [], b"hello", "mine")
        head, body, _ = answer_of_verdict(verdict, _asked(), "id")
        self.assertEqual((200, 5, b"hello"), (head.status, head.length, body))

    def test_allow(self) -> None:
        """Methods in one order, whatever the set's."""
        self.assertEqual((b"allow", b"Allow", b"GET, HEAD, POST"), allow({"POST", "GET", "HEAD"}))
