"""Fetching: what a server may not do to the gateway."""

from __future__ import annotations

import gzip
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from hmsgw.identity.fetch import Fetcher, NotFetched


class Page(Resource):
    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []

    def render_GET(self, request: Any) -> Any:
        self.seen.append(request)
        path = request.path
        if path == b"/good":
            request.setHeader(b"Cache-Control", b"max-age=77")
            return b'{"keys":[]}'
        if path == b"/redirect":
            request.redirect(b"http://other.example/")
            return b""
        if path == b"/packed":
            request.setHeader(b"Content-Encoding", b"gzip")
            return gzip.compress(b"0" * 1_000_000)
        if path == b"/long":
            return b"x" * 2000
        if path == b"/slow":
            request.write(b"x")
            return NOT_DONE_YET
        request.setResponseCode(500)
        return b"no"


class FetcherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.page = Page()
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
