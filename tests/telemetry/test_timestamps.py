"""Moments in a log."""

from __future__ import annotations

from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.timestamps import rfc3339


class TimestampTests(SynchronousTestCase):
    def test_form(self) -> None:
        """UTC, six digits, a Z."""
        self.assertEqual(rfc3339(1_700_000_000.000001), "2023-11-14T22:13:20.000001Z")

    @given(st.lists(st.integers(0, 4_000_000_000_000_000), min_size=1))
    def test_against_datetime(self, moments_us: list[int]) -> None:
        """In any order, a moment is written as datetime would, to the microsecond that a float can hold."""
        for moment_us in moments_us:
            read = datetime.strptime(rfc3339(moment_us / 1e6), "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
            self.assertAlmostEqual(read.timestamp(), moment_us / 1e6, places=5)
