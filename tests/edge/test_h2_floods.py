"""Floods of HTTP/2, and frames in the wrong order, without a socket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Limits
from tests.walks.h2_client import PREFACE, H2Client, frame
from tests.walks.walk import OK, Walk

CALM = 11
NO_ERROR, PROTOCOL_ERROR = 0, 1


class FloodTests(SynchronousTestCase):
    """CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316: the connection ends, and soon."""

    def flooded(self, *frames: bytes, most: int = 20_000, limits: Limits | None = None) -> tuple[Walk, int]:
        """Send the frames again and again until the connection closes. Returns how often."""
        walk = Walk(limits=limits)
        walk.client_sends(PREFACE)
        count = 0
        while walk.client.closed is None:
            for one in frames:
                walk.client_sends(one)
            count += 1
            self.assertLess(count, most, "it is still open")
        self.sent = walk.client_sees()
        return walk, count

    def code(self) -> int:
        """Of the GOAWAY that came last."""
        self.assertIn(self.sent[-14:-13], (b"\x07",))
        return int.from_bytes(self.sent[-4:], "big")

    def test_control_frames(self) -> None:
        """SETTINGS, PING, PRIORITY_UPDATE, and WINDOW_UPDATE without end."""
        for one in (frame(4, 0, 0), frame(6, 0, 0, bytes(8)), frame(8, 0, 0, b"\0\0\0\1")):
            self.flooded(one)
            self.assertEqual(CALM, self.code())

    def test_empty_data(self) -> None:
        """DATA that holds nothing and ends nothing."""
        walk = Walk()
        client = H2Client(walk)
        number = client.request(method=b"POST", ended=False)
        for _ in range(20_000):
            if client.wire.closed:
                break
            client.wire.protocol.dataReceived(frame(0, 0, number))
        self.assertEqual("closed", client.wire.closed)

    def test_rapid_reset(self) -> None:
        """Requests that are given up at once: a bounded number, and each upstream connection is closed."""
        walk = Walk()
        client = H2Client(walk)
        count = 0
        while client.wire.closed is None and count < 5000:
            number = client.request(b"/%d" % count)
            client.reset(number)
            count += 1
        self.assertLess(count, 2000)
        self.assertEqual({"aborted"}, {wire.closed for wire in walk.upstreams})
        self.assertEqual(0, walk.cluster.active)

    def test_reset_behind_the_answer(self) -> None:
        """As a gRPC caller cuts off a stream of its own that was refused: it has its answer, and gives nothing up."""
        walk = Walk()
        client = H2Client(walk)
        for _ in range(900):
            number = client.request(b"/%2f", b"POST", ended=False)
            self.assertEqual((400, True, None), (client.got[number].status, client.got[number].whole, client.got[number].ended))
            client.reset(number)
        self.assertIsNone(client.wire.closed)

    def test_given_up_in_the_same_read(self) -> None:
        """A request that is taken back in the read that brought it never begins, and counts as one reset."""
        walk = Walk()
        client = H2Client(walk)
        for n in range(400):
            number = client.session.send_request([
                (b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/%d" % n),
            ], end_stream=True)  # fmt: skip
            data = client.session.data_to_send()
            client.session.reset_stream(number, 8)
            client.wire.protocol.dataReceived(data + client.session.data_to_send())
        self.assertEqual(([], []), (walk.upstreams, walk.finished))
        self.assertIsNone(client.wire.closed)
        number = client.request()
        client.answered(OK)
        self.assertEqual(200, client.got[number].status)

    def test_made_you_reset(self) -> None:
        """CVE-2025-8671: what makes the gateway itself reset streams is bounded as resets are."""
        walk = Walk()
        client = H2Client(walk)
        count = 0
        while client.wire.closed is None and count < 5000:
            number = client.request(b"/%d" % count, b"POST", (b"content-length", b"1"), ended=False)
            client.wire.protocol.dataReceived(frame(0, 1, number, b"more than one"))
            client.pump()
            count += 1
        self.assertLess(count, 2000)
        self.assertEqual({"aborted"}, {wire.closed for wire in walk.upstreams})
        self.assertEqual(0, walk.cluster.active)

    def test_malformed_heads(self) -> None:
        """They go nowhere, and their number is bounded too."""
        client = H2Client(Walk())
        count = 0
        while client.wire.closed is None and count < 5000:
            client.request(b"/a", b"GET", (b"connection", b"close"))
            count += 1
        self.assertLess(count, 2000)

    def test_continuation(self) -> None:
        """A head without end."""
        start = frame(1, 0, 1, b"\x00\x01a\x01b")
        walk = Walk()
        walk.client_sends(PREFACE + start)
        for _ in range(200):
            if walk.client.closed is None:
                walk.client_sends(frame(9, 0, 1, b"\x00\x01a\x01b" * 100))
        self.assertEqual("closed", walk.client.closed)

    def test_compressed_bomb(self) -> None:
        """A few bytes that stand for a large head, again and again."""
        big = b"\x40\x01a\x7f\xa1\x1e" + b"b" * 4000
        walk = Walk()
        walk.client_sends(PREFACE + frame(1, 4 | 1, 1, big + b"\xbe" * 4000))
        self.assertEqual("closed", walk.client.closed)
        self.assertEqual([], walk.upstreams)

    def test_garbage(self) -> None:
        """What is no frame, and frames that break the rules of connections."""
        for bad in (
            b"\xff" * 100,
            frame(0, 0, 1, b"x"),  # DATA on an idle stream
            frame(1, 4, 2, b"\x82"),  # an even stream
            frame(4, 0, 0, b"\0\0\0"),  # SETTINGS of no whole entry
            frame(9, 4, 1),  # CONTINUATION out of nowhere
            frame(8, 0, 0, bytes(4)),  # a window grown by nothing
            frame(1, 4 | 1, 1, b"\xff\xff\xff\xff\xff"),  # HPACK that is none
            frame(5, 4, 1, bytes(4)),  # a client that pushes
        ):
            walk = Walk()
            walk.client_sends(PREFACE)
            walk.client_sends(bad)
            self.assertEqual("closed", walk.client.closed, bad)
            self.assertEqual([], walk.upstreams)

    def test_frames_after_the_end(self) -> None:
        """What comes behind a GOAWAY of ours is not read."""
        walk, _ = self.flooded(frame(6, 0, 0, bytes(8)))
        walk.client.protocol.dataReceived(frame(6, 0, 0, bytes(8)))
        self.assertEqual(b"", walk.client_sees())
