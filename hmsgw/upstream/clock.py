"""What a backend is waited for, and how long: the same over either protocol.

Knows: the three waits of a lease: for more to be taken, for the answer to begin, for it to go on. Refuses to know:
wires, and who keeps the time. Strategy: the base of a lease, which says how it stands in six attributes.
"""

from __future__ import annotations


class UpstreamClock:
    """See the module. The attributes are the lease's."""

    __slots__ = ()

    full: bool
    _answered: bool
    _first_byte_s: float | None
    _idle_s: float | None
    _reading: bool
    _request_ended: bool

    def _wait_s(self) -> float | None:
        """Seconds that the backend has now; None for ever. While the request is not whole and the backend takes all
        that comes, it is the client that is waited for."""
        if self.full and self._idle_s is not None:
            return self._idle_s
        if not self._request_ended or not self._reading:
            return None
        return self._idle_s if self._answered else self._first_byte_s

    def _timed_out(self) -> str:
        """Which wait is over, in a sentence."""
        if self._answered or (self.full and self._idle_s is not None):
            return f"The upstream made no progress for {self._idle_s:g} s."
        return f"The upstream did not begin to answer within {self._first_byte_s:g} s."
