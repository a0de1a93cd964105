"""body-limit: declared lengths at once, unknown lengths on their way."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError
from hmsgw.plugins.body_limit import BodyLimit, Settings
from hmsgw.testing import FakeRequest


def length(value: int) -> FakeRequest:
    return FakeRequest("POST", headers={"Content-Length": str(value)})


class BodyLimitTests(SynchronousTestCase):
    def test_declared(self) -> None:
        """A declared length past the limit is refused before the body is read; one at the limit passes."""
        step = BodyLimit(Settings(max=10))
        self.assertIsNone(step.run(length(10)))
        error = self.assertRaises(HTTPError, step.run, length(11))
        self.assertEqual((error.status, error.reason), (413, "body-too-large"))

    def test_unknown_length(self) -> None:
        """A body of unknown length gets the bound for its way."""
        req = FakeRequest("POST")
        BodyLimit(Settings(max=10)).run(req)
        self.assertEqual(req.body_limit, 10)

    def test_smallest_holds(self) -> None:
        """Of several limits the smallest holds, in either order."""
        for sizes in ((10, 20), (20, 10)):
            req = FakeRequest("POST")
            for size in sizes:
                BodyLimit(Settings(max=size)).run(req)
            self.assertEqual(req.body_limit, 10)

    def test_none_at_all(self) -> None:
        """0 allows no body, and a request without one passes."""
        step = BodyLimit(Settings(max=0))
        self.assertIsNone(step.run(length(0)))
        self.assertRaises(HTTPError, step.run, length(1))

    def test_shadow(self) -> None:
        """In shadow mode nothing is bound; a declared length still says what would have been."""
        step, req = BodyLimit(Settings(max=10, mode="shadow")), FakeRequest("POST")
        step.run(req)
        self.assertIsNone(req.body_limit)
        self.assertRaises(HTTPError, step.run, length(11))

    def test_explain(self) -> None:
        """It says what it allows."""
        self.assertEqual(BodyLimit(Settings(max=10)).explain(FakeRequest()), "a body of at most 10 bytes")
