"""The answers that the gateway makes itself (RFC 9457; the contract, section 5).

Knows: problem+json, and its gRPC form (HTTP 200, trailers-only). Refuses to know: why, and how it is sent.
Nothing of the request but its id stands in a body: an error page that echoes its input is an attack's tool.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from hmsgw.reasons import Reason
from hmsgw.wire.grpc import status_fields
from hmsgw.wire.headers import Field
from hmsgw.wire.heads import ResponseHead

_NO_STORE: Field = (b"cache-control", b"Cache-Control", b"no-store")
_PROBLEM: Field = (b"content-type", b"Content-Type", b"application/problem+json")


def problem(
    status: int, word: str, title: str, detail: str | None, request_id: str, fields: Iterable[Field] = ()
) -> tuple[ResponseHead, bytes]:
    """A refusal as (head, body). word: the reason. detail: one sentence, or None."""
    members: dict[str, Any] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail or title,
        "reason": word,
        "request_id": request_id,
    }
    try:
        body = orjson.dumps(members)
    except TypeError:  # a lone surrogate in a plugin's message
        body = orjson.dumps({**members, "detail": members["detail"].encode("utf-8", "replace").decode()})
    return ResponseHead(status, [_PROBLEM, _NO_STORE, *fields], len(body)), body


def grpc_refusal(kind: bytes, grpc_status: int, detail: str, fields: Iterable[Field] = ()) -> ResponseHead:
    """The same refusal for a gRPC caller: a trailers-only answer. kind: the call's (`wire.grpc.call_kind`)."""
    told = [(b"content-type", b"Content-Type", kind), *status_fields(grpc_status, detail), *fields]
    for lower, _, value in fields:
        if lower == b"retry-after" and value.isdigit():  # gRFC A6, for clients that try again by themselves
            told.append((b"grpc-retry-pushback-ms", b"grpc-retry-pushback-ms", value + b"000"))
    return ResponseHead(200, told, 0)


#: gRPC statuses of refusals by plugins that name no reason.
_GRPC_BY_STATUS = {400: 13, 401: 16, 403: 7, 404: 12, 405: 12, 409: 10, 413: 8, 415: 12, 429: 8, 499: 1, 504: 4}


def grpc_status_of(status: int, reason: Reason | None) -> int:
    """The gRPC status for a refusal."""
    if reason is not None:
        return reason.grpc_status
    return _GRPC_BY_STATUS.get(status, 13 if status == 500 else 14 if status > 500 else 2)
