"""An HTTP/2 client that sends much work at once."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Route
from hmsgw.wire.bodies import ChunkedBody
from hmsgw.wire.http2_order import MAX_WORK
from tests.walks.h2_client import H2Client, begin, frame
from tests.walks.walk import OK, Turns, Walk
from tests.wire.test_bodies import read_all


class OneTurnTests(SynchronousTestCase):
    """What one connection gets before the others have had their turn."""

    def begin(self, data: bytes) -> tuple[Walk, H2Client]:
        """A POST is under way, and this comes in one read."""
        walk, client = begin(turns=Turns())
        client.request(b"/a", b"POST", ended=False)
        walk.upstream_sees()
        client.wire.protocol.dataReceived(data)
        return walk, client

    def test_tiny_frames(self) -> None:
        """A body in frames of a byte goes up joined, a turn's work at a time, and reading stops meanwhile."""
        walk, client = self.begin(frame(0, 0, 1, b"a") * 5000)
        self.assertFalse(client.wire.reading)
        self.assertEqual(b"%x\r\n%b\r\n" % (MAX_WORK, b"a" * MAX_WORK), walk.upstream_sees())
        client.wire.protocol.dataReceived(frame(0, 1, 1, b"a"))
        walk.turns.one(20)
        self.assertTrue(client.wire.reading)
        self.assertEqual(5001 - MAX_WORK, walk.upstream_sees().count(b"a"))
        client.answered(OK)
        walk.turns.one()
        client.pump()
        self.assertEqual((200, 5001), (client.got[1].status, walk.finished[0].bytes_in))

    def test_tiny_frames_of_two(self) -> None:
        """Streams that take turns keep their own bytes, in order."""
        walk, client = begin(turns=Turns())
        for number in (1, 3):
            client.request(b"/%d" % number, b"POST", ended=False)
        pairs = b"".join(frame(0, 0, 1, b"%d" % (n % 10)) + frame(0, 0, 3, b"%d" % (9 - n % 10)) for n in range(1000))
        client.wire.protocol.dataReceived(pairs + frame(0, 1, 1) + frame(0, 1, 3))
        walk.turns.one(10)
        for wire, digits in zip(walk.upstreams, (b"0123456789", b"9876543210"), strict=True):
            body, ended, _ = read_all(ChunkedBody(1024), [wire.take().partition(b"\r\n\r\n")[2]])
            self.assertEqual((digits * 100, True), (body, ended))

    def test_requests(self) -> None:
        """A request is more work than a frame of a body."""
        walk, client = begin(routes=[Route(path="/none", service="svc", name="none")], turns=Turns())
        for number in range(1, 181, 2):
            start = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"h"), (b":path", b"/%d" % number)]
            client.session.send_request(start, end_stream=True)
        client.wire.protocol.dataReceived(client.session.data_to_send())
        self.assertLessEqual(len(walk.finished), MAX_WORK // 16)
        walk.turns.one(10)
        self.assertEqual([f"/{n}" for n in range(1, 181, 2)], [exchange.path for exchange in walk.finished])

    def test_gone_meanwhile(self) -> None:
        """A client that is gone before its turn comes leaves nothing behind."""
        walk, client = self.begin(frame(0, 0, 1, b"a") * 5000)
        client.wire.lost()
        walk.turns.one()
        self.assertEqual("client-gone", walk.finished[0].reason)
