"""Secrets do not get into a log."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.telemetry.redaction import redacted

SECRET = "s3cr3t-Value.0123456789"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


class RedactionTests(SynchronousTestCase):
    def test_fields(self) -> None:
        """Header fields that carry credentials, as lines, dicts, tuples and bytes show them."""
        for text in (
            f"Authorization: Bearer {SECRET}", f"authorization: Basic {SECRET}", f"Cookie: a=1; session={SECRET}",
            f"Set-Cookie: session={SECRET}; HttpOnly", f"X-Consul-Token: {SECRET}", f"x-api-key:{SECRET}",
            f"{{'Authorization': 'Bearer {SECRET}'}}", f"(b'cookie', b'session={SECRET}')",
            f"Proxy-Authorization: Negotiate {SECRET}", f"DPoP: {SECRET}",
        ):  # fmt: skip
            self.assertNotIn(SECRET, redacted(text), text)

    def test_values(self) -> None:
        """Tokens, keys and passwords where they stand in URLs, forms, JSON and sentences."""
        for text in (
            f"GET /x?access_token={SECRET}&a=1", f"api_key={SECRET}", f'{{"client_secret": "{SECRET}"}}',
            f"password={SECRET}", f"bearer {SECRET}", f"redis://user:{SECRET}@host:6379/0", f"token: {SECRET}",
        ):  # fmt: skip
            self.assertNotIn(SECRET, redacted(text), text)
        self.assertNotIn("eyJzdWIi", redacted(f"ValueError: {TOKEN} is no token"))

    def test_the_rest_stays(self) -> None:
        """What a message says besides stays readable."""
        self.assertEqual(
            redacted(f"GET /x?access_token={SECRET}&a=1 failed"), "GET /x?access_token=[redacted]&a=1 failed"
        )
        for text in (
            "service clinics: 10.0.5.9:8080 refused the connection", "the token has expired", "a cookie was set",
            "http://10.0.5.9:8080/path", "authorization failed", "basic settings", "bearer of bad news", "",
        ):  # fmt: skip
            self.assertEqual(redacted(text), text)

    def test_next_line(self) -> None:
        """A field's value ends with its line."""
        self.assertEqual(redacted(f"Cookie: {SECRET}\nstatus: 200"), "Cookie: [redacted]\nstatus: 200")

    @given(st.text(), st.text())
    def test_anywhere(self, before: str, after: str) -> None:
        """A bearer token is found wherever it stands."""
        self.assertNotIn(SECRET, redacted(f"{before}\nAuthorization: Bearer {SECRET}\n{after}"))
