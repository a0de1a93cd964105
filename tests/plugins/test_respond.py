"""respond: a fixed answer, checked when the configuration is read."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import OptionError
from hmsgw.plugins.respond import Settings, verify
from hmsgw.testing import FakeRequest
from tests.chain.arrange import Scene, bundle_of, config, faults_of, route, use


class RespondTests(SynchronousTestCase):
    def answer(self, **settings: Any) -> Any:
        return Scene().chain(use("respond", **settings)).run(FakeRequest())

    def test_body(self) -> None:
        """Status, fields and body are those of the configuration; a body is plain text unless it says otherwise."""
        verdict = self.answer(status=418, headers={"X-A": "b"}, body="\N{SNOWMAN}")
        self.assertEqual((verdict.status, verdict.body), (418, b"\xe2\x98\x83"))
        self.assertEqual(
            [(name, value) for _, name, value in verdict.fields],
            [(b"X-A", b"b"), (b"Content-Type", b"text/plain; charset=utf-8")],
        )

    def test_content_type(self) -> None:
        """A Content-Type of the configuration's own stands alone."""
        verdict = self.answer(headers={"content-type": "text/html"}, body="x")
        self.assertEqual([value for lower, _, value in verdict.fields if lower == b"content-type"], [b"text/html"])

    def test_empty(self) -> None:
        """Without anything it is an empty 200."""
        verdict = self.answer()
        self.assertEqual((verdict.status, verdict.body, verdict.fields), (200, b"", []))

    def test_file(self) -> None:
        """body_file is the file's bytes, read with the configuration."""
        files = bundle_of({"page.html": b"\xff<p>"})
        given = config(route(use("respond", body_file="page.html"), service=None))
        self.assertEqual(faults_of(given, files), [])

    def test_same_every_time(self) -> None:
        """What is done to one answer is not seen in the next."""
        chain = Scene().chain(use("respond", headers={"X-A": "b"}))
        first: Any = chain.run(FakeRequest())
        first.fields.clear()
        second: Any = chain.run(FakeRequest())
        self.assertEqual(len(second.fields), 1)

    def test_faults(self) -> None:
        """What can't be sent is a fault of the configuration, at its option."""
        for settings, option in (
            (Settings(status=204, body="x"), "status"),
            (Settings(status=499), "status"),
            (Settings(body="x", body_file="f"), "body_file"),
            (Settings(body_file="missing"), "body_file"),
            (Settings(headers={"X-A": "a\nb"}), "headers.X-A"),
        ):
            error = self.assertRaises(OptionError, verify, settings, bundle_of({}))
            self.assertEqual(error.option, option)

    def test_explain(self) -> None:
        """It says what it answers."""
        chain = Scene().chain(use("respond", body="abc"))
        self.assertEqual(chain.explain(FakeRequest())[0][2], "answers 200 with 3 bytes")
