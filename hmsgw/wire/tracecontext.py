"""W3C Trace Context, as far as a gateway that makes no spans needs it (https://www.w3.org/TR/trace-context/).

Knows: what a valid `traceparent` looks like. Refuses to know: spans, sampling, exporters.
"""

from __future__ import annotations

import re

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_ZERO_TRACE, _ZERO_SPAN = b"0" * 32, b"0" * 16


def trace_id_of(traceparent: bytes) -> bytes | None:
    """The trace id of a valid `traceparent`, else None (then a new trace begins; section 3.2.2)."""
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None or traceparent[:2] == b"ff" or (traceparent[:2] == b"00" and len(traceparent) != 55):
        return None
    if match.group(1) == _ZERO_TRACE or match.group(2) == _ZERO_SPAN:
        return None
    return match.group(1)
