"""A budget for what costs a client nothing and the gateway work: HTTP/2's control frames, and requests given up.

Knows: how many such frames may come for the real work that is done, and how many requests may be given up in a time.
Refuses to know: frames. Strategy: two numbers. A frame that asks for nothing takes from the first; requests, body bytes
and answered bytes fill it again, so that a busy connection with all its acknowledgements never feels it and a flood
ends within a few thousand frames (CVE-2019-9511 to 9518); time fills it a little, so that a connection on which little
is said may be pinged for days. The second fills with time (rapid reset, CVE-2023-44487).
libnghttp2 bounds CONTINUATION and unread acknowledgements itself.
"""

from __future__ import annotations

_MOST = 4000
_A_REQUEST = 20
_A_PIECE = 3
_BYTES = 2048
_A_SECOND = 10.0
_MOST_RESETS = 500.0
_RESETS_PER_S = 33.0


class Budget:
    """left: frames that may still come."""

    __slots__ = ("_resets", "_seen_at", "_spent_at", "left")

    def __init__(self) -> None:
        self.left: float = _MOST
        self._spent_at = 0.0
        self._resets = _MOST_RESETS
        self._seen_at = 0.0

    def spend(self, now: float, frames: int = 1) -> bool:
        """So many that ask for nothing. False when there have been too many. now: by any monotonic clock."""
        self.left = min(self.left + (now - self._spent_at) * _A_SECOND, _MOST) - frames
        self._spent_at = now
        return self.left > 0

    def spend_reset(self, now: float) -> bool:
        """The client has given a request up. False when it has done so too often. now: by any monotonic clock."""
        earned = (now - self._seen_at) * _RESETS_PER_S
        self._seen_at = now
        self._resets = min(self._resets + earned, _MOST_RESETS) - 1
        return self._resets > 0

    def earn_request(self) -> None:
        """A request has come."""
        self.left += _A_REQUEST
        if self.left > _MOST:
            self.left = _MOST

    def earn_piece(self, size: int) -> None:
        """A piece of a body, of so many bytes, went through: a small message is answered by as many frames as a large
        one, a window for the stream, one for the connection, a PING to measure the way."""
        self.left += _A_PIECE + size / _BYTES
        if self.left > _MOST:
            self.left = _MOST
