"""What a plugin may write into a request line, judged where it is written.

Knows: methods, paths and queries that can be sent to an upstream, and their one spelling. Refuses to know: who writes.
Strategy: whatever can't be sent raises TypeError or ValueError with a sentence for the plugin's author, in the
author's own line, so that the log names it; what comes back can be sent as it is.
"""

from __future__ import annotations

import re

from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.headers import TOKEN
from hmsgw.wire.target import checked_path

_QUERY = re.compile(rb"[!-\"$-~]*")


def written_method(value: object) -> str:
    """A method. CONNECT is none that a request can become: its answer is a tunnel (RFC 9110 section 9.3.6)."""
    raw = _octets("method", value)
    if TOKEN.fullmatch(raw) is None or raw == b"CONNECT":
        raise ValueError(f"{value!r} is not a method that a request can be sent on with")
    return raw.decode("ascii")


def written_path(value: object) -> str:
    """A path in its one spelling."""
    raw = _octets("path", value)
    if b"?" in raw or b"#" in raw:
        raise ValueError(f"{value!r} is not a path: a query goes to req.query, and a ? or # of the path is %3F or %23")
    try:
        return checked_path(raw).decode("ascii")
    except EdgeFault as fault:
        raise ValueError(f"{value!r} is not a path. {fault.detail}") from None


def written_query(value: object) -> str:
    """A query, without its question mark; "" for none."""
    raw = _octets("query", value)
    if _QUERY.fullmatch(raw) is None:
        raise ValueError(f"{value!r} is not a query: it holds a byte that must be percent-encoded")
    return raw.decode("ascii")


def _octets(name: str, value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"req.{name} is a str, not {type(value).__name__}")
    return value.encode("utf-8", "surrogateescape")
