"""The one list of reasons."""

from __future__ import annotations

from http import HTTPStatus

from twisted.trial.unittest import SynchronousTestCase

from hmsgw import reasons


class ReasonsTests(SynchronousTestCase):
    """`hmsgw.reasons`."""

    def test_every_status_has_a_phrase(self) -> None:
        """An answer that the gateway makes itself never goes out with an empty phrase; 499 never goes out."""
        for reason in reasons.ALL.values():
            if reason is not reasons.CLIENT_GONE:
                self.assertIn(reason.status, reasons.PHRASES, reason.word)

    def test_words(self) -> None:
        """A word is fit for a metric's label and a log: lower-case letters and hyphens."""
        for word in reasons.ALL:
            self.assertRegex(word, r"\A[a-z]+(-[a-z]+)*\Z")

    def test_fault_side(self) -> None:
        """A status below 500 says that the client can mend it: gRPC never hears INTERNAL or UNAVAILABLE instead of
        a limit of ours."""
        for reason in (reasons.RATE_LIMITED, reasons.QUOTA_EXCEEDED, reasons.CONCURRENCY, reasons.BODY_TOO_LARGE):
            self.assertEqual(8, reason.grpc_status)
        for reason in reasons.ALL.values():
            if reason.status in (502, 503):
                self.assertEqual(14, reason.grpc_status, reason.word)

    def test_can_be_sent(self) -> None:
        """A number of an answer that ends an exchange; 499 is only logged."""
        for status in (200, 400, 498, 500, 599, HTTPStatus.OK):
            self.assertTrue(reasons.can_be_sent(status), status)
        for wrong in (199, 499, 600, True, 200.0, "200", None):
            self.assertFalse(reasons.can_be_sent(wrong), wrong)
        self.assertFalse(reasons.can_be_sent(399, 400))

    def test_by_status(self) -> None:
        """A plugin's bare status is called by a reason that has that status."""
        for status, reason in reasons.BY_STATUS.items():
            self.assertEqual(status, reason.status)
