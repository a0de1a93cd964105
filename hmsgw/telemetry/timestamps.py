"""Moments as a log says them.

Knows: RFC 3339 in UTC with microseconds. Refuses to know: the clock. Strategy: a second is formatted once and kept,
because thousands of lines fall into it; no datetime object is made.
"""

from __future__ import annotations

from time import gmtime, strftime

_kept = (-1, "")
"""The last second and its text: one reference, so that threads may race for it."""


def rfc3339(epoch_s: float) -> str:
    """`2026-11-23T01:25:35.000001Z` for seconds since 1970, which are 0 or more."""
    global _kept
    second, microsecond = divmod(int(epoch_s * 1e6), 1_000_000)
    known, prefix = _kept
    if second != known:
        prefix = strftime("%Y-%m-%dT%H:%M:%S.", gmtime(second))
        _kept = second, prefix
    return f"{prefix}{microsecond:06d}Z"
