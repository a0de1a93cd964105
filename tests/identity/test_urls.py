"""Which URLs may be asked for keys."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.identity.urls import is_private_enough, names_a_host


class UrlTests(SynchronousTestCase):
    def test_urls(self) -> None:
        """https anywhere, http only to this host itself."""
        for url in ("https://id.example.gov/x", "http://localhost:8080/x", "http://127.0.0.1/", "http://[::1]/x"):
            self.assertTrue(is_private_enough(url), url)
        for url in ("http://id.example.gov/x", "http://10.0.0.1/", "http://localhost.evil.example/", "ftp://x/",
                    "http://127.0.0.1@evil.example/", "http://"):  # fmt: skip
            self.assertFalse(is_private_enough(url), url)

    def test_urls_that_are_none(self) -> None:
        """What can't be fetched, or holds a password, is not the URL of a document."""
        self.assertTrue(names_a_host("https://id.example.gov:8443/jwks.json?x=1"))
        for url in ("https://", "https://[::1", "https://h:99999/", "https://h:x/", "https://u:p@h/", "jwks.json",
                    "https://h/a b", "https://h/\n", "https://\u00e9/"):  # fmt: skip
            self.assertFalse(names_a_host(url), url)
