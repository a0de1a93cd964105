"""quota: so many in a window of the calendar."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, OptionError
from hmsgw.plugins import quota
from hmsgw.plugins.quota import Settings
from hmsgw.plugins.rate import Turnstile
from hmsgw.testing import FakeRequest, FakeResponse
from tests.plugins.building import Workbench, use

NOON = 20_000 * 86400 + 43200.0


class QuotaTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Workbench(NOON)

    def step(self, **options: Any) -> Turnstile:
        return quota.build(Settings(**{"limit": 2, **options}), self.bench.tools(), use("quota-2user"))

    def test_until_midnight(self) -> None:
        """A spent quota is 429 until midnight UTC, and says so; then it is there again."""
        step = self.step(key=("user",))
        for _ in range(2):
            step.run(FakeRequest(user="alice"))
        req, resp = FakeRequest(user="alice"), FakeResponse(429)
        error = self.assertRaises(HTTPError, step.run, req)
        self.assertEqual((error.status, error.reason, error.headers), (429, "quota-exceeded", {"Retry-After": "43200"}))
        step.on_response(req, resp)
        self.assertEqual(resp.headers["RateLimit-Policy"], '"quota-2user";q=2;w=86400')
        self.assertEqual(resp.headers["RateLimit"], '"quota-2user";r=0;t=43200')
        self.bench.clock.advance(43199)
        self.assertRaises(HTTPError, step.run, FakeRequest(user="alice"))
        self.bench.clock.advance(1)
        step.run(FakeRequest(user="alice"))

    def test_other_callers(self) -> None:
        """Another user has another quota."""
        step = self.step(limit=1, key=("user",))
        step.run(FakeRequest(user="alice"))
        step.run(FakeRequest(user="bob"))

    def test_month(self) -> None:
        """A month has no length in seconds, so the policy names none."""
        step = self.step(per="month")
        req, resp = FakeRequest(), FakeResponse()
        step.run(req)
        step.on_response(req, resp)
        self.assertEqual(resp.headers["RateLimit-Policy"], '"quota-2user";q=2')

    def test_counted_as_decisions(self) -> None:
        """What was decided is counted under the name in the route."""
        step = self.step(limit=1)
        step.run(FakeRequest())
        self.assertRaises(HTTPError, step.run, FakeRequest())
        self.assertEqual(self.bench.decisions, [("quota-2user", "allowed"), ("quota-2user", "refused")])

    def test_nobody_is_counted(self) -> None:
        """An empty list of keys is a fault, not one counter for all."""
        error = self.assertRaises(OptionError, quota.verify, Settings(limit=1, key=()))
        self.assertEqual(error.option, "key")
