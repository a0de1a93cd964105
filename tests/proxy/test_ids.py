"""Ids of requests and traces."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.proxy.ids import new_request_id
from hmsgw.wire.tracecontext import trace_id_of


class IdTests(SynchronousTestCase):
    """`new_request_id`."""

    def test_form(self) -> None:
        """32 hexadecimal digits that serve as a trace's id, and whose last half as a span's: never all zero."""
        for _ in range(1000):
            one = new_request_id()
            self.assertRegex(one, r"\A[0-9a-f]{32}\Z")
            self.assertEqual(one.encode(), trace_id_of(f"00-{one}-{one[16:]}-01".encode()))

    def test_differ(self) -> None:
        """No two of a process are the same, though the last bit is always set."""
        many = [new_request_id() for _ in range(50_000)]
        self.assertEqual(len(many), len(set(many)))

    def test_low_bits_spread(self) -> None:
        """Half of the ids lie below the middle: samplers that read the low 64 bits see an even spread."""
        low = sum(int(new_request_id()[16:], 16) < 2**63 for _ in range(4000))
        self.assertTrue(1900 < low < 2100, low)
