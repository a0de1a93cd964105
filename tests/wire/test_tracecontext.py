"""Which `traceparent` is believed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.tracecontext import trace_id_of

_TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
_SPAN = b"00f067aa0ba902b7"


class TraceTests(SynchronousTestCase):
    """`trace_id_of`."""

    def test_valid(self) -> None:
        """The example of the recommendation, and a later version with more after it."""
        self.assertEqual(_TRACE, trace_id_of(b"00-" + _TRACE + b"-" + _SPAN + b"-01"))
        self.assertEqual(_TRACE, trace_id_of(b"01-" + _TRACE + b"-" + _SPAN + b"-01-what-comes"))

    def test_invalid(self) -> None:
        """What section 3.2.2 calls invalid begins a new trace."""
        for bad in (
            b"", b"00", b"ff-" + _TRACE + b"-" + _SPAN + b"-01", b"00-" + b"0" * 32 + b"-" + _SPAN + b"-01",
            b"00-" + _TRACE + b"-" + b"0" * 16 + b"-01", b"00-" + _TRACE.upper() + b"-" + _SPAN + b"-01",
            b"00-" + _TRACE + b"-" + _SPAN + b"-01-more", b"00-" + _TRACE + b"-" + _SPAN + b"-01\n",
            b" 00-" + _TRACE + b"-" + _SPAN + b"-01", b"00-" + _TRACE + b"-" + _SPAN + b"-0",
        ):  # fmt: skip
            self.assertIsNone(trace_id_of(bad), bad)

    @given(st.binary(max_size=80))
    def test_any_bytes(self, value: bytes) -> None:
        """Whatever comes, the answer is None or 32 digits that stand in it."""
        found = trace_id_of(value)
        if found is not None:
            self.assertEqual(32, len(found))
            self.assertIn(found, value)
