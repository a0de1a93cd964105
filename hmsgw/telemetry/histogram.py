"""How long things took, as counts in buckets.

Knows: the bucket bounds that OpenTelemetry gives for HTTP durations (semantic conventions, `http.server.request.
duration`), which are also the usual ones of Prometheus. Refuses to know: what was timed, and how it is exposed.
Strategy: plain lists of ints, so that one observation is a bisection and two additions.
"""

from __future__ import annotations

from bisect import bisect_left

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


class Histogram:
    """counts: observations in each bucket, not cumulated; the last is for what is above all bounds. sum_s: seconds."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def observe(self, duration_s: float) -> None:
        """Count one. A bound belongs to the bucket that it ends (`le`)."""
        self.counts[bisect_left(BOUNDS_S, duration_s)] += 1
        self.sum_s += duration_s

    def copy(self) -> Histogram:
        """As it is now."""
        twin = Histogram()
        twin.counts = self.counts.copy()
        twin.sum_s = self.sum_s
        return twin

    def cumulated(self) -> list[tuple[str, float]]:
        """(`le`, how many took at most that long), with `+Inf` at the end."""
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), self.counts, strict=True):
            total += count
            buckets.append((bound, total))
        return buckets
