"""Fetching: what a server may not do to the gateway."""

from __future__ import annotations

from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.fetch import NotFetched
from hmsgw.identity.fetch import Fetcher
from tests.bad_server import BadServer


class FetcherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.page = BadServer(b'{"keys":[]}', (b"Cache-Control", b"max-age=77"))
        self.agent = RequestTraversalAgent(self.page)
        self.clock = Clock()
        self.fetch = Fetcher(self.clock, self.agent)

    def get(self, path: str) -> Any:
        fetched = self.fetch("https://id.example.gov" + path, 1000, 5.0)
        self.agent.flush()
        return fetched

    def refused(self, path: str, words: str) -> None:
        failure = self.failureResultOf(self.get(path), NotFetched)
        self.assertIn(words, failure.getErrorMessage())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_good(self) -> None:
        """The body and the fields, by lower-case name; nothing compressed is asked for."""
        body, fields = self.successResultOf(self.get("/good"))
        self.assertEqual((body, fields["cache-control"]), (b'{"keys":[]}', "max-age=77"))
        self.assertEqual(self.page.seen[0].getHeader(b"accept-encoding"), b"identity")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """A redirect is not followed, a packed body not unpacked, a long one not held, an error no document."""
        self.refused("/redirect", "redirects")
        self.refused("/packed", "compressed")
        self.refused("/long", "too long")
        self.refused("/error", "answers 500")
        self.assertEqual(len(self.page.seen), 4)

    def test_slow(self) -> None:
        """A body that does not end is cut at the deadline."""
        fetched = self.get("/slow")
        self.clock.advance(5)
        failure = self.failureResultOf(fetched, NotFetched)
        self.assertIn("5 s", failure.getErrorMessage())
        self.assertEqual(self.clock.getDelayedCalls(), [])
