"""Fetching: what a server may not do to the gateway."""

from __future__ import annotations

from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.fetch import CONNECT_S
from hmsgw.registry.fetch import Fetcher, KeptConnections
from hmsgw.registry.source import BadAnswer
from tests.bad_server import BadServer


class FetcherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.page = BadServer(b"[]", (b"X-Consul-Index", b"7"))
        self.agent = RequestTraversalAgent(self.page)
        self.fetch = Fetcher(Clock(), self.agent)

    def get(self, path: str) -> Any:
        fetched = self.fetch("http://localhost:8500" + path, {"X-Consul-Token": "t0ken"}, 1000)
        self.agent.flush()
        return fetched

    def test_good(self) -> None:
        """Status, fields by lower-case name, body; the headers that were given went out, no coding was asked for."""
        status, fields, body = self.successResultOf(self.get("/good"))
        self.assertEqual((status, fields["x-consul-index"], body), (200, "7", b"[]"))
        self.assertEqual(self.page.seen[0].getHeader(b"x-consul-token"), b"t0ken")
        self.assertEqual(self.page.seen[0].getHeader(b"accept-encoding"), b"identity")

    def test_not_followed(self) -> None:
        """A redirect is an answer like others: the token goes nowhere else."""
        self.assertEqual(self.successResultOf(self.get("/redirect"))[0], 302)
        self.assertEqual(len(self.page.seen), 1)

    def test_errors(self) -> None:
        """An error status comes with its body."""
        self.assertEqual(self.successResultOf(self.get("/error"))[::2], (500, b"No cluster leader"))

    def test_packed(self) -> None:
        """A packed body, which nobody asked for, is not unpacked: what is counted is what is held."""
        failure = self.failureResultOf(self.get("/packed"), BadAnswer)
        self.assertIn("compressed", failure.getErrorMessage())

    def test_long(self) -> None:
        """A body that is too long is cut while it comes."""
        self.failureResultOf(self.get("/long"), BadAnswer)

    def test_slow(self) -> None:
        """A body that does not end can be given up."""
        fetched = self.get("/slow")
        self.assertNoResult(fetched)
        fetched.cancel()
        self.agent.flush()
        self.failureResultOf(fetched, CancelledError, BadAnswer)


class KeptConnectionsTests(SynchronousTestCase):
    def test_pool(self) -> None:
        """It connects where it is told, with a deadline, and leaves nothing behind."""
        reactor = MemoryReactorClock()
        kept = KeptConnections(reactor, 100)
        fetched = kept.fetch("http://127.0.0.1:8500/v1/x", {}, 1000)
        ((host, port, _, timeout_s, _),) = reactor.tcpClients
        self.assertEqual((host, port, timeout_s), ("127.0.0.1", 8500, CONNECT_S))
        fetched.cancel()
        self.failureResultOf(fetched)
        self.successResultOf(kept.close())

    def test_bad_urls(self) -> None:
        """A URL that is none fails the fetch, it does not raise."""
        kept = KeptConnections(MemoryReactorClock(), 100)
        for url in ("gopher://x/", "http://", "", "http://[::1"):
            self.failureResultOf(kept.fetch(url, {}, 1000))
