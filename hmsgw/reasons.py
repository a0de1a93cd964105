"""The one list of reasons why the gateway answers a request itself, or gives it up.

Knows: each reason's word, HTTP status, gRPC status and title. The same word stands in the problem+json body, in the
access log and in `gateway_requests_total{reason}`. Refuses to know: who noticed it, and how the answer is written.
Strategy: a reason is a value; whoever meets a fault names its reason, and nobody else chooses a status.
gRPC statuses: gRPC's http-grpc-status-mapping read from the server's side (a limit of ours is RESOURCE_EXHAUSTED).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a request did not simply pass.

    word: the token used in body, log and metric. status: the HTTP status code. grpc_status: the code of
    https://github.com/grpc/grpc/blob/master/doc/statuscodes.md. title: RFC 9457 `title`.
    """

    word: str
    status: int
    grpc_status: int
    title: str


#: The same word with a status of its own: a WebSocket of another version; a protocol that HTTP/2's CONNECT can't reach;
#: a packed body where plugins have to read it.
WEBSOCKET_VERSION = Reason("bad-request", 426, 13, "Upgrade required")
UNKNOWN_PROTOCOL = Reason("bad-request", 501, 12, "Not implemented")
PACKED_BODY = Reason("bad-request", 415, 12, "Unsupported media type")
#: Also the same word: how a backend of HTTP/2 reset a call, by gRPC's table of codes (doc/PROTOCOL-HTTP2.md, Errors).
RESET_BROKEN = Reason("upstream-reset", 502, 13, "Bad gateway")
RESET_CANCELLED = Reason("upstream-reset", 502, 1, "Bad gateway")
RESET_CALM = Reason("upstream-reset", 502, 8, "Bad gateway")
RESET_INSECURE = Reason("upstream-reset", 502, 7, "Bad gateway")
BAD_REQUEST = Reason("bad-request", 400, 13, "Bad request")
BAD_PATH = Reason("bad-path", 400, 13, "Bad path")
UNAUTHENTICATED = Reason("unauthenticated", 401, 16, "Unauthorized")
FORBIDDEN = Reason("forbidden", 403, 7, "Forbidden")
NO_ROUTE = Reason("no-route", 404, 12, "Not found")
METHOD = Reason("method", 405, 12, "Method not allowed")
REQUEST_TIMEOUT = Reason("request-timeout", 408, 4, "Request timeout")
BODY_TOO_LARGE = Reason("body-too-large", 413, 8, "Content too large")
TARGET_TOO_LONG = Reason("head-too-large", 414, 13, "URI too long")
HEAD_TOO_LARGE = Reason("head-too-large", 431, 13, "Request header fields too large")
RATE_LIMITED = Reason("rate-limited", 429, 8, "Too many requests")
QUOTA_EXCEEDED = Reason("quota-exceeded", 429, 8, "Quota exceeded")
CONCURRENCY = Reason("concurrency", 429, 8, "Too many requests at once")
CLIENT_GONE = Reason("client-gone", 499, 1, "Client closed the request")
PLUGIN_ERROR = Reason("plugin-error", 500, 13, "Internal server error")
UPSTREAM_CONNECT = Reason("upstream-connect", 502, 14, "Bad gateway")
UPSTREAM_RESET = Reason("upstream-reset", 502, 14, "Bad gateway")
UPSTREAM_PROTOCOL = Reason("upstream-protocol", 502, 14, "Bad gateway")
NO_ENDPOINT = Reason("no-endpoint", 503, 14, "Service unavailable")
OVERLOAD = Reason("overload", 503, 14, "Service unavailable")
DRAINING = Reason("draining", 503, 14, "Service unavailable")
CIRCUIT_OPEN = Reason("circuit-open", 503, 14, "Service unavailable")
IDENTITY_UNAVAILABLE = Reason("identity-unavailable", 503, 14, "Service unavailable")
UPSTREAM_TIMEOUT = Reason("upstream-timeout", 504, 4, "Gateway timeout")

#: What a plugin's own status is called when it names no reason of its own: the one word of that status, if it is one.
BY_STATUS = {
    400: BAD_REQUEST,
    401: UNAUTHENTICATED,
    403: FORBIDDEN,
    404: NO_ROUTE,
    405: METHOD,
    408: REQUEST_TIMEOUT,
    413: BODY_TOO_LARGE,
    414: TARGET_TOO_LONG,
    429: RATE_LIMITED,
    431: HEAD_TOO_LARGE,
    500: PLUGIN_ERROR,
    504: UPSTREAM_TIMEOUT,
}

ALL = {r.word: r for r in list(globals().values()) if isinstance(r, Reason)}

def can_be_sent(status: object, lowest: int = 200) -> bool:
    """Whether `status` is a number that an answer may go out with, which 499 is not."""
    a_number = isinstance(status, int) and not isinstance(status, bool)
    return a_number and lowest <= status <= 599 and status != CLIENT_GONE.status  # type: ignore[operator]


#: RFC 9110 phrases for the start line; a status that is not here gets an empty phrase (RFC 9112 section 4 allows it).
PHRASES: dict[int, bytes] = {
    100: b"Continue", 101: b"Switching Protocols", 103: b"Early Hints",
    200: b"OK", 201: b"Created", 202: b"Accepted", 203: b"Non-Authoritative Information", 204: b"No Content",
    205: b"Reset Content", 206: b"Partial Content",
    300: b"Multiple Choices", 301: b"Moved Permanently", 302: b"Found", 303: b"See Other", 304: b"Not Modified",
    307: b"Temporary Redirect", 308: b"Permanent Redirect",
    400: b"Bad Request", 401: b"Unauthorized", 402: b"Payment Required", 403: b"Forbidden", 404: b"Not Found",
    405: b"Method Not Allowed", 406: b"Not Acceptable", 408: b"Request Timeout", 409: b"Conflict", 410: b"Gone",
    411: b"Length Required", 412: b"Precondition Failed", 413: b"Content Too Large", 414: b"URI Too Long",
    415: b"Unsupported Media Type", 416: b"Range Not Satisfiable", 417: b"Expectation Failed",
    421: b"Misdirected Request", 422: b"Unprocessable Content", 425: b"Too Early", 426: b"Upgrade Required",
    428: b"Precondition Required", 429: b"Too Many Requests", 431: b"Request Header Fields Too Large",
    451: b"Unavailable For Legal Reasons",
    500: b"Internal Server Error", 501: b"Not Implemented", 502: b"Bad Gateway", 503: b"Service Unavailable",
    504: b"Gateway Timeout", 505: b"HTTP Version Not Supported", 508: b"Loop Detected",
}  # fmt: skip


def title_of(status: int) -> str:
    """A title where no reason gives one."""
    return PHRASES.get(status, b"Error").decode()


#: What a client is told of a policy step that failed: nothing of how.
STEP_FAILED = "A policy step of the gateway failed; its operators find the cause in the log."
