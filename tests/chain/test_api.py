"""HTTPError, Response and OptionError: what they take and what they refuse."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, OptionError, Response


class HTTPErrorTests(SynchronousTestCase):
    def test_status(self) -> None:
        """An HTTPError refuses, so its status is one of 400 to 599."""
        self.assertEqual(HTTPError(401).status, 401)
        for status in (200, 399, 499, 600, True, "401", None):
            wrong: Any = status
            self.assertRaises(ValueError, HTTPError, wrong)

    def test_parts(self) -> None:
        """Message, headers and reason may be given by position, and headers are a copy."""
        headers = {"Retry-After": "3"}
        error = HTTPError(429, "Slow down", headers, "rate-limited")
        headers.clear()
        self.assertEqual((error.message, error.headers), ("Slow down", {"Retry-After": "3"}))

    def test_client_gone(self) -> None:
        """Nobody answers a client that has gone."""
        self.assertRaises(ValueError, HTTPError, 403, reason="client-gone")


class ResponseTests(SynchronousTestCase):
    def test_status(self) -> None:
        """A Response is final, so its status is one of 200 to 599."""
        for status in (100, 199, 499, 600, True, "200"):
            wrong: Any = status
            self.assertRaises(ValueError, Response, wrong)

    def test_body(self) -> None:
        """A body is bytes or text, never a number of zero bytes."""
        self.assertEqual(Response(200, None, "\N{SNOWMAN}").body, b"\xe2\x98\x83")
        self.assertEqual(Response(200, None, bytearray(b"x")).body, b"x")
        for body in (5, None, ["a"]):
            wrong: Any = body
            self.assertRaises(TypeError, Response, 200, None, wrong)

    def test_headers(self) -> None:
        """Fields come as a mapping, or as pairs with names repeated; one that would break the message is refused."""
        cookies = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]
        self.assertEqual(Response(200, cookies).headers.items(), cookies)
        self.assertEqual(Response(200, Response(200, cookies).headers).headers.items(), cookies)
        self.assertRaises(ValueError, Response, 200, {"X-A": "a\r\nb"})
        self.assertRaises(ValueError, Response, 200, {"X A": "a"})


class OptionErrorTests(SynchronousTestCase):
    def test_option(self) -> None:
        """It names the option at fault, and is a ValueError for those who do not care."""
        error = OptionError("too big", "limit")
        self.assertEqual((str(error), error.option, isinstance(error, ValueError)), ("too big", "limit", True))
