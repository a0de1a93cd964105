"""gRPC, as far as a proxy has a say in it (grpc/grpc doc/PROTOCOL-HTTP2.md and PROTOCOL-WEB.md).

Knows: which requests are calls, how long their caller waits, how an end is said in trailers. Refuses to know: messages,
and who ends a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.headers import Field, octets
from hmsgw.wire.heads import RequestHead

GRPC = b"application/grpc"
GRPC_WEB = b"application/grpc-web"
GRPC_WEB_TEXT = b"application/grpc-web-text"
_KIND = re.compile(rb"(application/grpc(?:-web(?:-text)?)?)(?:[+; \t].*)?", re.IGNORECASE | re.DOTALL)

TIMEOUT = b"grpc-timeout"
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MOST = 99_999_999
UNKNOWN = 2


def call_kind(fields: Iterable[Field]) -> bytes | None:
    """GRPC, GRPC_WEB or GRPC_WEB_TEXT by the content type; None for what is no call."""
    for lower, _, value in fields:
        if lower == b"content-type":
            if value == GRPC:
                return GRPC
            match = _KIND.fullmatch(value)
            return None if match is None else match.group(1).lower()
    return None


def given_s(fields: Iterable[Field]) -> float | None:
    """The seconds that the caller waits for the end of the call, None for ever. Raises EdgeFault for a grpc-timeout
    that is none: whoever guesses answers too late, or too soon."""
    given: float | None = None
    for lower, _, value in fields:
        if lower == TIMEOUT:
            match = _TIMEOUT.fullmatch(value)
            if match is None or given is not None:
                raise EdgeFault("grpc-timeout is one number of at most 8 digits with its unit, such as 500m.")
            given = int(match.group(1)) * _UNITS_S[match.group(2)]
    return given


def call_in(head: RequestHead) -> tuple[bytes | None, float | None]:
    """(`call_kind`, `given_s`) of a request, and kept in its head. Raises as `given_s` does, for a call only."""
    kind = call_kind(head.fields)
    head.call = kind, None if kind is None else given_s(head.fields)
    return head.call


def timeout_field(left_s: float) -> Field:
    """The grpc-timeout that says how much is left of it, rounded down, in the finest unit that holds it."""
    number, unit = max(1, int(left_s * 1e6)), b"u"
    if number > _MOST:
        number, unit = int(left_s * 1e3), b"m"
    if number > _MOST:
        number, unit = min(int(left_s), _MOST), b"S"
    return TIMEOUT, TIMEOUT, b"%d%b" % (number, unit)


def status_in(fields: Iterable[Field]) -> int | None:
    """The grpc-status that stands there, None for none. What is no number is UNKNOWN, as callers read it."""
    for lower, _, value in fields:
        if lower == b"grpc-status":
            return int(value) if value.isdigit() and len(value) <= 4 else UNKNOWN
    return None


def status_fields(status: int, message: str) -> list[Field]:
    """How a call ended: grpc-status (doc/statuscodes.md) and grpc-message, percent-encoded."""
    encoded = b"".join(
        bytes((byte,)) if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte for byte in octets(message)
    )
    return [(b"grpc-status", b"grpc-status", b"%d" % status), (b"grpc-message", b"grpc-message", encoded)]
