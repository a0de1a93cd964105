"""What key sets and the registry fetch by: nothing a server sends is held beyond its bound, or followed."""

from __future__ import annotations

from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone, ResponseFailed

from hmsgw.fetch import Getter, NotFetched, _Body, body, fields_of
from tests.bad_server import BadServer


class Cut(StringTransport):
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class GetterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.page = BadServer(b"[]", (b"X-A", b"1"))
        self.agent = RequestTraversalAgent(self.page)

    def get(self, path: str, **headers: str) -> Any:
        got = Deferred.fromCoroutine(Getter(Clock(), self.agent).get("https://a.example" + path, headers))
        self.agent.flush()
        return got

    def test_head(self) -> None:
        """A head comes whatever its status, and nothing is followed."""
        response = self.successResultOf(self.get("/good", Accept="text/plain"))
        self.assertEqual((response.code, fields_of(response)["x-a"]), (200, "1"))
        self.assertEqual(self.page.seen[0].getHeader(b"accept"), b"text/plain")
        self.assertEqual(self.page.seen[0].getHeader(b"accept-encoding"), b"identity")
        self.assertEqual(self.successResultOf(self.get("/redirect")).code, 302)
        self.assertEqual(self.successResultOf(self.get("/error")).code, 500)
        self.assertEqual(len(self.page.seen), 3)

    def test_bodies(self) -> None:
        """A body is whole or a failure; one that fills its bound to the byte is whole."""
        for path, max_bytes in (("/good", 2), ("/long", 2000)):
            got = body(self.successResultOf(self.get(path)), max_bytes)
            self.agent.flush()
            self.assertLessEqual(len(self.successResultOf(got)), max_bytes)
        got = body(self.successResultOf(self.get("/long")), 1999)
        self.agent.flush()
        self.assertIn("1999 bytes", self.failureResultOf(got, NotFetched).getErrorMessage())

    def test_packed(self) -> None:
        """Content codings are refused with the head."""
        self.assertIn("compressed", self.failureResultOf(self.get("/packed"), NotFetched).getErrorMessage())


class BodyTests(SynchronousTestCase):
    def reading(self, max_bytes: int) -> tuple[_Body, Cut]:
        reader, transport = _Body(max_bytes), Cut()
        reader.makeConnection(transport)
        return reader, transport

    def test_too_long(self) -> None:
        """One byte too many cuts the connection at once, and nothing is kept of what follows."""
        reader, transport = self.reading(3)
        reader.dataReceived(b"abc")
        self.assertFalse(transport.aborted)
        reader.dataReceived(b"d")
        self.assertTrue(transport.aborted)
        reader.dataReceived(b"e")
        reader.connectionLost(Failure(ResponseDone()))
        self.failureResultOf(reader.whole, NotFetched)

    def test_broken(self) -> None:
        """Half a body is none."""
        reader, _ = self.reading(3)
        reader.dataReceived(b"ab")
        reader.connectionLost(Failure(ResponseFailed([])))
        self.assertIn("broke", self.failureResultOf(reader.whole, NotFetched).getErrorMessage())

    def test_cancelled(self) -> None:
        """Who gives up cuts the connection."""
        reader, transport = self.reading(3)
        reader.whole.cancel()
        self.failureResultOf(reader.whole)
        self.assertTrue(transport.aborted)

    def test_dropped(self) -> None:
        """Not a byte is waited for."""
        reader, transport = self.reading(0)
        self.assertEqual((self.successResultOf(reader.whole), transport.aborted), (b"", True))
