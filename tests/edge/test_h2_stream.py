"""One HTTP/2 request and its answer: how fast either may go."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Deadlines, Limits
from tests.walks.h2_client import H2Client, begin
from tests.walks.walk import OK, Walk


class FlowTests(SynchronousTestCase):
    """Neither side is sent more than it takes."""

    def test_upstream_slow(self) -> None:
        """The window is given back when the upstream took the bytes, and only then."""
        walk, client = begin(limits=Limits(buffer=32 * 1024))
        number = client.request(method=b"POST", ended=False)
        walk.upstream.producer.pauseProducing()
        client.send(number, bytes(200_000), ended=True)
        self.assertLessEqual(sum(map(len, walk.upstream.written)), 40_000)
        walk.upstream.producer.resumeProducing()
        client.pump()
        self.assertGreater(sum(map(len, walk.upstream.written)), 200_000)
        client.answered(OK)
        self.assertEqual(200, client.got[number].status)

    def test_client_slow(self) -> None:
        """The upstream is not read while the client's window is shut; others are answered meanwhile."""
        walk = Walk(limits=Limits(buffer=32 * 1024))
        client = H2Client(walk, 1000, take=False)
        slow = client.request()
        client.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + bytes(100_000))
        self.assertFalse(walk.upstream.reading)
        other = client.request()
        client.answered(OK)
        self.assertEqual((b"ok", 1000), (client.got[other].body, len(client.got[slow].body)))
        client.session.set_local_window_size(1_000_000, stream_id=slow)
        client.session.set_local_window_size(1_000_000)
        client.pump()
        self.assertTrue(walk.upstreams[0].reading)
        self.assertEqual(100_000, len(client.got[slow].body))

    def test_transport_full(self) -> None:
        """What the socket does not take waits in the streams, and upstreams are not read."""
        walk, client = begin(limits=Limits(buffer=32 * 1024))
        client.wire.producer.pauseProducing()
        number = client.request()
        client.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + bytes(100_000))
        self.assertFalse(walk.upstream.reading)
        self.assertEqual([], client.wire.written)
        client.wire.producer.resumeProducing()
        client.pump()
        self.assertTrue(walk.upstream.reading)
        self.assertEqual(100_000, len(client.got[number].body))

    def test_never_reads(self) -> None:
        """A client whose window stays shut, or whose socket takes nothing, is given up at `body_progress`."""
        walk = Walk(limits=Limits(buffer=32 * 1024), deadlines=Deadlines(body_progress=5))
        client = H2Client(walk, 1000, take=False)
        number = client.request()
        client.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + bytes(100_000))
        walk.passes(6)
        client.pump()
        self.assertEqual([("GET", "/a", 200, "client-gone")], walk.records)
        self.assertEqual(8, client.got[number].ended)
        client.wire.producer.pauseProducing()
        walk.passes(6)
        self.assertEqual("aborted", client.wire.closed)

    def test_reads_slowly(self) -> None:
        """A client that takes something in each `body_progress` is never given up; one that stops is."""
        walk, client = begin(limits=Limits(buffer=32 * 1024), deadlines=Deadlines(body_progress=5))
        client.request()
        client.wire.unsent = 1000
        client.wire.producer.pauseProducing()
        client.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n")
        for _ in range(10):
            walk.passes(4)
            client.wire.unsent -= 1
        self.assertIsNone(client.wire.closed)
        walk.passes(11)
        self.assertEqual("aborted", client.wire.closed)

    def test_stalled_body(self) -> None:
        """408 for one that stops; the connection stays."""
        walk, client = begin(deadlines=Deadlines(body_progress=5))
        number = client.request(method=b"POST", ended=False)
        walk.passes(4)
        client.send(number, b"a")
        walk.passes(4)
        self.assertEqual(0, client.got.get(number, client.got[0]).status)
        walk.passes(2)
        client.pump()
        self.assertEqual(408, client.got[number].status)
        self.assertIsNone(client.wire.closed)
