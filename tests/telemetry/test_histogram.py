"""Durations in buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.histogram import BOUNDS_S, Histogram


class HistogramTests(SynchronousTestCase):
    def test_bounds_belong_to_the_bucket_they_end(self) -> None:
        """What took exactly as long as a bound counts as at most that (`le`)."""
        histogram = Histogram()
        histogram.observe(0.005)
        histogram.observe(0.0051)
        histogram.observe(11.0)
        buckets = dict(histogram.cumulated())
        self.assertEqual((buckets["0.005"], buckets["0.01"], buckets["10.0"], buckets["+Inf"]), (1, 2, 2, 3))

    @given(st.lists(st.floats(0, 100)))
    def test_against_counting(self, durations: list[float]) -> None:
        """Each bucket holds all that took at most its bound, whatever was observed."""
        histogram = Histogram()
        for duration_s in durations:
            histogram.observe(duration_s)
        wanted = [(str(bound), sum(d <= bound for d in durations)) for bound in BOUNDS_S]
        self.assertEqual(histogram.cumulated(), [*wanted, ("+Inf", len(durations))])

    def test_copy(self) -> None:
        """A copy does not follow."""
        histogram = Histogram()
        histogram.observe(1.0)
        copy = histogram.copy()
        histogram.observe(1.0)
        self.assertEqual((sum(copy.counts), copy.sum_s), (1, 1.0))
