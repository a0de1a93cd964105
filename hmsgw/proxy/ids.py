"""Ids of requests and traces.

Knows: how to make them cheaply. Refuses to know: whose request it is. Strategy: a random prefix drawn at start, and a
counter that is spread over 64 bits, so that ids differ between processes and samplers that read a trace id's low bits
(OpenTelemetry's TraceIdRatioBased) see evenly distributed ones. A request's id is its trace's id too, unless the
caller brought a trace: one word finds a request in logs and traces. Its last half is the gateway's own span's id.
"""

from __future__ import annotations

import itertools
import secrets

_prefix = secrets.token_hex(8)
_counter = itertools.count(secrets.randbits(63))
_MASK = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio, odd: multiplying by it visits every 64-bit number once (Knuth 6.4)."""


def new_request_id() -> str:
    """32 hexadecimal digits: 16 of this process, 16 that differ with each request."""
    return _prefix + (next(_counter) * _GOLDEN & _MASK | 1).to_bytes(8, "big").hex()
