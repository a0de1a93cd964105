"""Tokens that were verified before: a bounded memory from the bytes of a token to what it said.

Knows: how many tokens, of how many bytes together, and which is forgotten first (the oldest). Refuses to know: what
makes a token good. Strategy: a dict and a queue. Only successes are kept, so that a flood of bad tokens costs no
memory, and an entry is good until its token expires or the keys change.
"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

MAX_BYTES = 8 * 1024 * 1024
"""Bytes of tokens as sent; what they said takes a small multiple of that."""


class Verified(NamedTuple):
    """What a good token said. nested: the claims that are lists or objects. fields: for the upstream. ends: POSIX
    seconds at which it ceases to be good."""

    claims: dict[str, Any]
    nested: tuple[str, ...]
    user: str | None
    fields: list[tuple[bytes, bytes, bytes]]
    ends: float


class Remembered:
    """At most `max_tokens` tokens and `max_bytes` of them."""

    __slots__ = ("_bytes", "_max_bytes", "_max_tokens", "_order", "known", "version")

    def __init__(self, max_tokens: int, max_bytes: int = MAX_BYTES) -> None:
        self._max_tokens = max_tokens
        self._max_bytes = max_bytes
        self._bytes = 0
        self._order: deque[bytes] = deque()
        self.known: dict[bytes, Verified] = {}
        self.version = 0
        """Of the keys that the tokens were verified with."""

    def keep(self, token: bytes, verified: Verified) -> None:
        """Remember `token`, and forget the oldest until there is room."""
        if self._max_tokens == 0 or len(token) > self._max_bytes:
            return
        if token not in self.known:
            self._order.append(token)
            self._bytes += len(token)
        self.known[token] = verified
        while len(self._order) > self._max_tokens or self._bytes > self._max_bytes:
            oldest = self._order.popleft()
            self._bytes -= len(oldest)
            del self.known[oldest]

    def start_anew(self, version: int) -> None:
        """The keys are others now: nothing that was verified counts any more."""
        self.version = version
        self._bytes = 0
        self._order.clear()
        self.known.clear()
