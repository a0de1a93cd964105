"""From a reason or a plugin's verdict to the answer that goes out (the contract, section 5).

Knows: who gets problem+json and who gets gRPC's form of it. Refuses to know: exchanges; it returns head and body.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hmsgw.proxy.replies import grpc_refusal, grpc_status_of, problem
from hmsgw.reasons import Reason, title_of
from hmsgw.wire.grpc import call_kind
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import NO_CONTENT, RequestHead, ResponseHead


def refusal(
    request: RequestHead, status: int, reason: Reason | None, detail: str | None, request_id: str, fields: list[Field],
    word: str | None = None, title: str | None = None,
) -> tuple[ResponseHead, bytes]:  # fmt: skip
    """(head, body) of a refusal; to HEAD without the body. word, title: instead of the reason's."""
    shown = title or (reason.title if reason is not None else title_of(status))
    kind = call_kind(request.fields)
    if kind is not None:
        return grpc_refusal(kind, grpc_status_of(status, reason), detail or shown, fields), b""
    head, body = problem(status, word or (reason.word if reason else "plugin"), shown, detail, request_id, fields)
    return head, b"" if request.method == b"HEAD" else body


def answer_of_verdict(verdict: Any, request: RequestHead, request_id: str) -> tuple[ResponseHead, bytes, str]:
    """(head, body, reason's word) for what a plugin decided (`chain.verdict.Verdict`)."""
    if verdict.body is not None:
        head = ResponseHead(verdict.status, list(verdict.fields), len(verdict.body))
        if verdict.status in NO_CONTENT:
            head.edited = True  # so that it is framed accordingly, and the body dropped
        return head, b"" if request.method == b"HEAD" else verdict.body, verdict.word
    head, body = refusal(
        request, verdict.status, verdict.reason, verdict.detail, request_id, list(verdict.fields), verdict.word,
        verdict.title,
    )  # fmt: skip
    return head, body, verdict.word


def allow(methods: Iterable[str]) -> Field:
    """The Allow field of a 405 (RFC 9110 section 10.2.1)."""
    return (b"allow", b"Allow", ", ".join(sorted(methods)).encode())
