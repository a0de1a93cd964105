"""A budget for what costs a client nothing and the gateway work: HTTP/2's control frames, and requests given up.

Knows: how many such frames may come for the real work that is done, and how many requests may be given up in a time.
Refuses to know: frames. Strategy: two numbers. A frame that asks for nothing takes from the first; requests, body bytes
and answered bytes fill it again, so that a busy connection with all its acknowledgements never feels it and a flood
ends within a few thousand frames (CVE-2019-9511 to 9518). The second fills with time (rapid reset, CVE-2023-44487).
libnghttp2 bounds CONTINUATION and unread acknowledgements itself.
"""

from __future__ import annotations

_MOST = 4000
_A_REQUEST = 20
_BYTES = 2048
_MOST_RESETS = 500.0
_RESETS_PER_S = 33.0


class Budget:
    """left: frames that may still come."""

    __slots__ = ("_resets", "_seen_at", "left")

    def __init__(self) -> None:
        self.left = _MOST
        self._resets = _MOST_RESETS
        self._seen_at = 0.0

    def spend(self, frames: int = 1) -> bool:
        """So many that ask for nothing. False when there have been too many."""
        self.left -= frames
        return self.left > 0

    def spend_reset(self, now: float) -> bool:
        """The client has given a request up. False when it has done so too often. now: by any monotonic clock."""
        earned = (now - self._seen_at) * _RESETS_PER_S
        self._seen_at = now
        self._resets = min(self._resets + earned, _MOST_RESETS) - 1
        return self._resets > 0

    def earn_request(self) -> None:
        """A request has come."""
        self.left = min(self.left + _A_REQUEST, _MOST)

    def earn_bytes(self, size: int) -> None:
        """So many bytes of bodies or answers went through."""
        self.left = min(self.left + size // _BYTES, _MOST)
