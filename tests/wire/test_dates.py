"""The Date field."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.dates import http_date_line


class DateTests(SynchronousTestCase):
    """`http_date_line`."""

    def test_form(self) -> None:
        """IMF-fixdate, as RFC 9110 writes it."""
        self.assertEqual(b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", http_date_line(784111777.9))

    @given(st.lists(st.floats(0, 4e9), min_size=1, max_size=5))
    def test_always_the_second_asked_for(self, times: list[float]) -> None:
        """What is remembered is never given for another second, in whatever order times come."""
        for wall_s in times:
            line = http_date_line(wall_s)
            told = parsedate_to_datetime(line[6:-2].decode())
            self.assertEqual(int(wall_s), int(told.timestamp()))
