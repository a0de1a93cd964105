"""The doubles for plugin authors behave as a route does, and the examples of the documentation are true."""

from __future__ import annotations

import unittest
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError
from hmsgw.config.faults import Refused
from hmsgw.testing import FakeRequest, FakeResponse, load_plugin, respond_step, run_step

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


class DoublesTests(SynchronousTestCase):
    def test_headers(self) -> None:
        """Headers may be a mapping or pairs, and `fields` is the same list."""
        req = FakeRequest(headers=[("X-A", "1"), ("x-a", "2")])
        self.assertEqual((len(req.fields), req.headers.get("x-A"), req.headers["host"]), (2, "1, 2", "api.example.gov"))
        self.assertEqual(FakeRequest(headers={"X-A": "1"}).fields, [(b"x-a", b"X-A", b"1")])

    def test_written(self) -> None:
        """Headers may be replaced as a whole, by a mapping or by fields, as on a real request."""
        req = FakeRequest(headers={"X-A": "1"})
        req.headers = {"X-B": "2"}
        self.assertEqual(req.headers.items(), [("Host", "api.example.gov"), ("X-B", "2")])
        req.fields = ((b"x-c", b"X-C", b"3"),)
        self.assertEqual(req.headers["x-c"], "3")

    def test_judged(self) -> None:
        """What a real request would refuse is refused."""
        req: Any = FakeRequest()
        req.path = "/x//y"
        self.assertEqual(req.path, "/x/y")
        self.assertRaises(TypeError, setattr, req, "method", None)
        self.assertRaises(AttributeError, setattr, req, "host", "x")
        self.assertRaises(AttributeError, setattr, req.client, "host", "x")
        self.assertRaises(ValueError, req.headers.add, "Host", "x")

    def test_body(self) -> None:
        """The body comes at once, and is refused past the limit."""
        req = FakeRequest(body=b"12345")
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(req.body())), b"12345")
        req.body_limit = 4
        self.assertEqual(self.failureResultOf(Deferred.fromCoroutine(req.body()), HTTPError).value.status, 413)

    def test_deadline(self) -> None:
        """With a clock, a plugin that hangs can be watched being given up."""
        clock = Clock()

        class Hangs:
            async def run(self, req: Any) -> None:
                await Deferred()

        outcome: Any = run_step(Hangs(), FakeRequest(), clock=clock, deadline_s=2)
        clock.advance(2)
        self.assertEqual(self.successResultOf(outcome).word, "plugin-error")
        self.assertEqual(len(self.flushLoggedErrors()), 1)


class LoadingTests(SynchronousTestCase):
    def test_tutorial(self) -> None:
        """The tutorial's two files load and work."""
        limiter = load_plugin(str(EXAMPLES / "plugins" / "rate_60ip.py"))
        answers = [run_step(limiter, FakeRequest()) for _ in range(61)]
        self.assertEqual([answer for answer in answers[:60] if answer is not None], [])
        refusal: Any = answers[60]
        self.assertEqual(refusal.status, 429)
        resp = FakeResponse()
        self.assertIsNone(respond_step(load_plugin(str(EXAMPLES / "plugins" / "header_gpo.py")), FakeRequest(), resp))
        self.assertEqual(resp.headers["x-served-by"], "US-GPO")

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(["123-45-6789", "x", "1", " ", "123-45-67890", "12-"]), max_size=8), st.data())
    def test_mask(self, words: list[str], data: Any) -> None:
        """The example that changes bodies does so wherever they are cut."""
        plugin = load_plugin(str(EXAMPLES / "plugins" / "mask_ssn.py"))
        text = " ".join(words).encode()
        at = data.draw(st.integers(0, len(text)))
        mask = plugin.transform(FakeRequest())
        self.assertTrue(mask.response_begin(FakeResponse(headers={"Content-Type": "text/plain"})))
        said = mask.response(text[:at]) + mask.response(text[at:]) + mask.response_end({})
        whole = b" ".join(b"***-**-6789" if word == "123-45-6789" else word.encode() for word in words)
        self.assertEqual(whole, said)

    def test_options_at_fault(self) -> None:
        """A fault in options is the fault that `check` would tell."""
        refused = self.assertRaises(Refused, load_plugin, str(EXAMPLES / "plugins" / "require_header.py"), {"nam": 1})
        self.assertIn("there is no such option", str(refused.faults[0]))

    def test_example_test(self) -> None:
        """The test in the documentation passes."""
        path = EXAMPLES / "test_require_header.py"
        spec = spec_from_file_location("test_require_header", path)
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(module.RequireHeaderTests).run(result)
        self.assertEqual((result.testsRun, result.failures, result.errors), (2, [], []))

    def test_documented_code(self) -> None:
        """The plugin at the top of docs/plugins.md is the example's."""
        text = (EXAMPLES.parent / "plugins.md").read_text()
        self.assertIn((EXAMPLES / "plugins" / "header_gpo.py").read_text(), text)
