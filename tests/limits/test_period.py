"""How a window's length is written."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.limits.calendar import FIXED_S
from hmsgw.limits.period import Period


class PeriodTests(SynchronousTestCase):
    def test_words_and_durations(self) -> None:
        """A word of the calendar is its length, and durations are what they are elsewhere."""
        self.assertEqual(Period().words, FIXED_S)
        self.assertEqual([Period().of_text(text) for text in ("minute", "day", "10s", "250ms")], [60, 86400, 10, 0.25])
