"""How refusals and answers become what the exchange sends."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, Response
from hmsgw.chain.verdict import answered, broken, refused
from hmsgw.reasons import ALL, BY_STATUS
from hmsgw.wire.headers import BAD_VALUE, TOKEN


class RefusedTests(SynchronousTestCase):
    def test_word_by_status(self) -> None:
        """Without a reason the word follows from the status, and is `plugin` where the list has none."""
        for status in (*range(400, 499), *range(500, 600)):
            verdict = refused(HTTPError(status), "p")
            self.assertEqual(verdict.word, BY_STATUS[status].word if status in BY_STATUS else "plugin")
            self.assertEqual(verdict.status, status)

    def test_word_by_reason(self) -> None:
        """A reason of the list is the word, whatever the status; the title then is the status's own."""
        verdict = refused(HTTPError(403, "no", reason="quota-exceeded"), "p")
        self.assertEqual((verdict.status, verdict.word, verdict.title), (403, "quota-exceeded", "Forbidden"))

    def test_unknown_reason(self) -> None:
        """A word that is not in the list is never taken: it would be a metric's label."""
        self.assertEqual(refused(HTTPError(403, reason="nonsense"), "p").word, "forbidden")
        self.assertEqual(refused(HTTPError(418, reason="nonsense"), "p").word, "plugin")

    def test_careless_values(self) -> None:
        """Numbers as message and as field values are written as they read."""
        error = HTTPError(429, 5, {"Retry-After": 5})  # type: ignore[arg-type, dict-item]
        verdict = refused(error, "p")
        self.assertEqual((verdict.detail, verdict.fields), ("5", [(b"retry-after", b"Retry-After", b"5")]))

    def test_framing_is_not_a_plugins(self) -> None:
        """Fields that frame the message are left out."""
        fields = {"Content-Length": "5", "Transfer-Encoding": "chunked", "Connection": "x", "X-A": "b"}
        self.assertEqual(refused(HTTPError(403, headers=fields), "p").fields, [(b"x-a", b"X-A", b"b")])
        self.assertEqual(answered(Response(200, fields), "p").fields, [(b"x-a", b"X-A", b"b")])

    def test_status_written_later(self) -> None:
        """A status out of range is refused though the constructor was passed."""
        error: Any = HTTPError(403)
        error.reason = "client-gone"
        self.assertEqual(refused(error, "p").word, "forbidden")
        for status in (200, 99, 499, 1000, "403", None):
            error.status = status
            self.assertRaises(ValueError, refused, error, "p")

    def test_one_word_for_a_status(self) -> None:
        """500 and 504 have one word in the contract's list; 502 and 503 have several, so theirs is `plugin`."""
        words = {500: "plugin-error", 504: "upstream-timeout", 502: "plugin", 503: "plugin", 451: "plugin"}
        for status, word in words.items():
            self.assertEqual(refused(HTTPError(status), "p").word, word)
            self.assertEqual(answered(Response(status), "p").word, word)
        for status in (200, 204, 302, 304):
            self.assertEqual(answered(Response(status), "p").word, "")

    def test_content_type(self) -> None:
        """The body is not the plugin's, so its type is not either."""
        self.assertEqual(refused(HTTPError(403, headers={"Content-Type": "text/plain"}), "p").fields, [])

    @given(st.text(), st.text(), st.sampled_from([*(set(ALL) - {"client-gone"}), None, "x"]))
    def test_fields_are_safe(self, name: str, value: str, reason: str | None) -> None:
        """Whatever a plugin gives, a verdict has only fields that can be written, or there is none."""
        try:
            verdict = refused(HTTPError(403, None, {name: value}, reason), "p")
        except ValueError:
            return
        for lower, spelled, octets in verdict.fields:
            self.assertTrue(TOKEN.fullmatch(spelled) and lower == spelled.lower() and not BAD_VALUE.search(octets))


class AnsweredTests(SynchronousTestCase):
    def test_fields_are_a_copy(self) -> None:
        """What later steps do to the answer does not change the plugin's Response."""
        response = Response(200, {"X-A": "b"}, "x")
        answered(response, "p").fields.clear()
        self.assertEqual(response.headers["X-A"], "b")

    def test_repeated_fields(self) -> None:
        """Several fields of one name stay several."""
        response = Response()
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("Set-Cookie", "b=2")
        self.assertEqual([value for _, _, value in answered(response, "p").fields], [b"a=1", b"b=2"])

    def test_body_written_later(self) -> None:
        """A body that is no longer bytes is refused."""
        response: Any = Response()
        response.body = "text"
        self.assertRaises(TypeError, answered, response, "p")


class BrokenTests(SynchronousTestCase):
    def test_says_nothing(self) -> None:
        """The client learns that a step failed, and neither which nor how."""
        verdict = broken("secret-plugin")
        self.assertEqual((verdict.status, verdict.word, verdict.plugin), (500, "plugin-error", "secret-plugin"))
        self.assertNotIn("secret", verdict.detail or "")
