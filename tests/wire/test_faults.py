"""Whose fault, and what it is answered with."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.reasons import BAD_REQUEST, HEAD_TOO_LARGE, UPSTREAM_PROTOCOL
from hmsgw.wire.faults import EdgeFault, UpstreamFault, WireFault


class FaultTests(SynchronousTestCase):
    """`WireFault` and its two sides."""

    def test_sides(self) -> None:
        """A client's fault is a 4xx unless another is named, a backend's a 502."""
        self.assertIs(BAD_REQUEST, EdgeFault("x").reason)
        self.assertIs(UPSTREAM_PROTOCOL, UpstreamFault("x").reason)
        self.assertIs(HEAD_TOO_LARGE, EdgeFault("x", HEAD_TOO_LARGE).reason)

    def test_text(self) -> None:
        """Its text is the sentence."""
        fault = EdgeFault("The head is odd.")
        self.assertIsInstance(fault, WireFault)
        self.assertEqual(("The head is odd.", "The head is odd."), (str(fault), fault.detail))
