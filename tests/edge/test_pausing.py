"""A client that sends much work at once, and one whose exchange takes no more."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Route
from hmsgw.wire.bodies import MAX_CHUNKS
from tests.walks.walk import OK, Turns, Walk

_HEAD = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
_TINY = b"1\r\na\r\n"
_END = b"0\r\n\r\n"


class OneTurnTests(SynchronousTestCase):
    """What one connection gets before the others have had their turn."""

    def begin(self, data: bytes) -> Walk:
        walk = Walk(turns=Turns())
        walk.client_sends(_HEAD + data)
        return walk

    def body(self, walk: Walk) -> bytes:
        """What the upstream has got since the last time, unframed."""
        return walk.upstream_sees().partition(b"\r\n\r\n")[2]

    def test_tiny_chunks(self) -> None:
        """A body in chunks of a byte goes up joined, a turn's work at a time, and reading stops meanwhile."""
        walk = self.begin(_TINY * 5000 + _END)
        self.assertFalse(walk.client.reading)
        self.assertEqual(b"%x\r\n%b\r\n" % (MAX_CHUNKS, b"a" * MAX_CHUNKS), self.body(walk))
        walk.turns.one(20)
        self.assertEqual(5000 - MAX_CHUNKS, walk.upstream_sees().count(b"a"))
        self.assertTrue(walk.client.reading)
        walk.upstream_sends(OK)
        self.assertIn(b"200 OK", walk.client_sees())
        self.assertEqual(5000, walk.finished[0].bytes_in)

    def test_ordinary_chunks(self) -> None:
        """A read of ordinary chunks is no more than a turn's work."""
        walk = self.begin((b"800\r\n" + b"z" * 2048 + b"\r\n") * 128 + _END)
        self.assertTrue(walk.client.reading)
        self.assertEqual(2048 * 128, walk.upstream_sees().count(b"z"))

    def test_what_comes_meanwhile(self) -> None:
        """A read that was under way when reading stopped is kept in order."""
        walk = self.begin(_TINY * 3000)
        walk.client_sends(b"1\r\nz\r\n" + _END)
        walk.turns.one(20)
        walk.upstream_sends(OK)
        self.assertEqual(3001, walk.finished[0].bytes_in)

    def test_upstream_is_full(self) -> None:
        """An upstream that takes no more stops it all; when it does again, there is one turn's work a turn."""
        walk = self.begin(_TINY * 5000)
        walk.upstream.producer.pauseProducing()
        walk.upstream_sees()
        walk.turns.one(3)
        self.assertEqual(b"", walk.upstream_sees())
        for _ in range(3):
            walk.upstream.producer.resumeProducing()
            walk.upstream.producer.pauseProducing()
        walk.upstream.producer.resumeProducing()
        self.assertFalse(walk.client.reading)
        walk.turns.one()
        self.assertEqual(MAX_CHUNKS, walk.upstream_sees().count(b"a"))

    def test_gone_meanwhile(self) -> None:
        """A client that is gone before its turn comes leaves nothing behind."""
        walk = self.begin(_TINY * 5000)
        walk.client.lost()
        walk.turns.one()
        self.assertEqual("client-gone", walk.finished[0].reason)

    def test_broken_later(self) -> None:
        """A fault behind the first turn's work is found in its turn."""
        walk = self.begin(_TINY * 600 + b"nonsense\r\n")
        self.assertEqual(b"", walk.client_sees())
        walk.turns.one(2)
        self.assertIn(b" 400 ", walk.client_sees())

    def test_body_is_not_wanted(self) -> None:
        """An answer before the body is over: the connection lingers and closes, and no turn is asked for any more."""
        walk = self.begin(_TINY * 5000)
        walk.upstream_sends(OK)
        self.assertIn(b"Connection: close", walk.client_sees())
        walk.passes(3)
        self.assertEqual("aborted", walk.client.closed)

    def test_requests_sent_ahead(self) -> None:
        """Hundreds of requests in one read that are answered at once: some a turn, all in order, and then more."""
        walk = Walk(routes=[Route(path="/none", service="svc", name="none")], turns=Turns())
        walk.client_sends(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(200)))
        self.assertLessEqual(len(walk.finished), 32)
        self.assertFalse(walk.client.reading)
        walk.turns.one(10)
        self.assertEqual([f"/{n}" for n in range(200)], [exchange.path for exchange in walk.finished])
        self.assertTrue(walk.client.reading)
        walk.get()
        self.assertEqual(201, len(walk.finished))
