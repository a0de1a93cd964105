"""The Date field (RFC 9110 section 5.6.7), written once a second.

Knows: IMF-fixdate. Refuses to know: the clock; it is told the time.
"""

from __future__ import annotations

from email.utils import formatdate

_last: tuple[int, bytes] = (-1, b"")


def http_date_line(wall_s: float) -> bytes:
    """`Date: ...` with its CR LF. wall_s: seconds since 1970."""
    global _last
    second = int(wall_s)
    if _last[0] != second:
        _last = (second, b"Date: %b\r\n" % formatdate(second, usegmt=True).encode())
    return _last[1]
