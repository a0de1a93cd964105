"""rate: what passes, what is refused, and what the client is told."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, OptionError
from hmsgw.plugins import rate
from hmsgw.plugins.rate import Settings
from hmsgw.testing import FakeRequest, FakeResponse
from tests.plugins.building import Workbench, use


class RateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Workbench()

    def step(self, name: str = "rate-60ip", route: str = "/x", **options: Any) -> rate.Turnstile:
        settings = Settings(**{"limit": 60, **options})
        rate.verify(settings)
        return rate.build(settings, self.bench.tools(), use(name, route))

    def refusal(self, step: rate.Turnstile, req: FakeRequest) -> HTTPError:
        return self.assertRaises(HTTPError, step.run, req)  # type: ignore[no-any-return]

    def test_the_61st_within_a_minute(self) -> None:
        """Sixty requests pass, the 61st is 429 with the reason, and a minute and 2 % later one passes again."""
        step = self.step()
        for _ in range(60):
            step.run(FakeRequest())
        error = self.refusal(step, FakeRequest())
        self.assertEqual((error.status, error.reason), (429, "rate-limited"))
        self.assertIn("60 requests a minute", str(error.message))
        wait_s = int(error.headers["Retry-After"])
        self.assertTrue(60 <= wait_s <= 62, wait_s)
        self.bench.clock.advance(wait_s)
        step.run(FakeRequest())
        self.assertEqual(self.bench.decisions, [("rate-60ip", "allowed")] * 60 + [
            ("rate-60ip", "refused"), ("rate-60ip", "allowed"),
        ])  # fmt: skip

    def test_what_the_client_is_told(self) -> None:
        """Each answer says the policy and what is left, a refusal too, and once."""
        step = self.step(limit=2)
        for remaining, passes in ((1, True), (0, True), (0, False)):
            req, resp = FakeRequest(), FakeResponse(headers={"RateLimit": "theirs", "X-A": "1"})
            if passes:
                step.run(req)
            else:
                self.refusal(step, req)
            step.on_response(req, resp)
            step.on_response(req, resp)
            self.assertEqual(resp.headers["RateLimit-Policy"], '"rate-60ip";q=2;w=60')
            self.assertRegex(resp.headers["RateLimit"], rf'^"rate-60ip";r={remaining};t=6[0-2]$')

    def test_two_limits(self) -> None:
        """Two limits of a route are told as one list, in route order, whichever speaks first."""
        first, second = self.step("burst", limit=5, per=1.0), self.step("steady", limit=100)
        req, resp = FakeRequest(), FakeResponse()
        first.run(req)
        second.run(req)
        second.on_response(req, resp)
        first.on_response(req, resp)
        self.assertEqual(resp.headers.get_all("RateLimit-Policy"), ['"burst";q=5;w=1, "steady";q=100;w=60'])
        self.assertEqual(len(resp.headers.get_all("RateLimit")), 1)

    def test_not_asked(self) -> None:
        """An answer that was given before the limit was asked says nothing of it, and keeps the upstream's fields."""
        resp = FakeResponse(headers={"RateLimit": "theirs"})
        self.step().on_response(FakeRequest(), resp)
        self.assertEqual(resp.headers.items(), [("RateLimit", "theirs")])

    def test_burst(self) -> None:
        """With `burst` so many pass at once and then the average."""
        step = self.step(limit=60, burst=3)
        for _ in range(3):
            step.run(FakeRequest())
        self.assertEqual(self.refusal(step, FakeRequest()).headers["Retry-After"], "1")
        self.bench.clock.advance(1)
        step.run(FakeRequest())

    def test_shadow(self) -> None:
        """In shadow mode the refusal is raised for the chain to record, and the client is told nothing."""
        step = self.step(limit=1, mode="shadow")
        req, resp = FakeRequest(), FakeResponse()
        step.run(req)
        self.refusal(step, FakeRequest())
        step.on_response(req, resp)
        self.assertEqual(resp.headers.items(), [])
        self.assertEqual(self.bench.decisions, [("rate-60ip", "allowed")])  # the chain counts `shadow`

    def test_scope(self) -> None:
        """The same text on two routes is one counter; `scope: route` makes two."""
        self.step(limit=1, route="/a").run(FakeRequest())
        self.refusal(self.step(limit=1, route="/b"), FakeRequest())
        self.step(limit=1, route="/a", scope="route").run(FakeRequest())
        self.step(limit=1, route="/b", scope="route").run(FakeRequest())
        self.refusal(self.step(limit=1, route="/b", scope="route"), FakeRequest())

    def test_keys(self) -> None:
        """Users are counted apart though they share an address, and addresses though they share a user name."""
        step = self.step(limit=1, key=("user",))
        step.run(FakeRequest(user="alice", claims={"iss": "a"}))
        step.run(FakeRequest(user="alice", claims={"iss": "b"}))
        step.run(FakeRequest())
        self.refusal(step, FakeRequest(user="alice", claims={"iss": "a"}, client="192.0.2.77"))
        step.run(FakeRequest(user="192.0.2.1"))

    def test_ipv6(self) -> None:
        """A client that has a /64 has one counter."""
        step = self.step(limit=1)
        step.run(FakeRequest(client="2001:db8::1"))
        self.refusal(step, FakeRequest(client="2001:db8::ffff:2"))
        self.step(limit=1, ipv6_prefix=128, per=61.0).run(FakeRequest(client="2001:db8::ffff:2"))

    def test_a_reload_hands_out_nothing(self) -> None:
        """A step that is built anew goes on counting where the old one was."""
        self.step(limit=1).run(FakeRequest())
        self.refusal(self.step(limit=1), FakeRequest())

    def test_policy_names(self) -> None:
        """A limit that is written with options only is named for them, so that two in a route can be told apart."""
        for name, options, expected in (
            ("partners", {}, b'"partners"'),
            ("rate", {"limit": 5}, b'"rate-5ip"'),
            ("rate", {"limit": 5, "per": 1.0, "key": ("ip", "route")}, b'"rate-5ip-route-1s"'),
        ):
            req = FakeRequest()
            self.step(name, **options).run(req)
            assert req.limits is not None
            self.assertEqual(req.limits[0][1], expected)

    def test_explain(self) -> None:
        """Explaining says what would happen, and counts nothing."""
        step = self.step(limit=1)
        self.assertIn("would pass", step.explain(FakeRequest()))
        step.run(FakeRequest())
        self.assertIn("would be refused: 429 rate-limited, try again in", step.explain(FakeRequest()))

    def test_too_short_a_window(self) -> None:
        """A window that no clock can tell is a fault at its option."""
        error = self.assertRaises(OptionError, self.step, per=0.001)
        self.assertEqual(error.option, "per")

    def test_nobody_is_counted(self) -> None:
        """An empty list of keys is a fault, not one counter for all."""
        self.assertEqual(self.assertRaises(OptionError, self.step, key=()).option, "key")
