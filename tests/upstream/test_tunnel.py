"""A WebSocket as its upstream has it, walked over fake wires."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Retries, Service, Timeouts, Where
from tests.walks.walk import OK, Walk
from tests.walks.websocket import AWAY, OPENING, frame, opened, switched, unmasked

HELLO, WORLD = frame(b"hello", masked=True), frame(b"world")
LONG = frame(bytes(300), masked=True)


class AnswerTests(SynchronousTestCase):
    """What an upstream may say to an opening."""

    def test_wrong(self) -> None:
        """A yes to something else is a 502, and nothing behind it gets to the client."""
        good = switched()
        for wrong in (
            switched(b"AAAAAAAAAAAAAAAAAAAAAA=="),
            good.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
            good.replace(b"Connection: Upgrade\r\n", b""),
            good.replace(b"\r\n\r\n", b"\r\nContent-Length: 4\r\n\r\n"),
            good.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ):
            walk = Walk()
            walk.client_sends(OPENING)
            walk.upstream_sends(wrong + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxx")
            answer = walk.client_sees()
            self.assertEqual([("GET", "/chat", 502, "upstream-protocol")], walk.records, wrong)
            self.assertEqual(("aborted", 1), (walk.upstream.closed, answer.count(b"HTTP/1.1 ")))

    def test_in_pieces(self) -> None:
        """Byte by byte, with frames behind: nothing is lost."""
        walk = Walk()
        walk.client_sends(OPENING)
        for byte in switched() + WORLD:
            walk.upstream_sends(bytes((byte,)))
        self.assertTrue(walk.client_sees().endswith(b"\r\n\r\n" + WORLD))

    def test_no(self) -> None:
        """An ordinary answer, of any form; its connection is not used again."""
        for no in (OK, b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"):
            for size in (1, len(no)):
                walk = Walk()
                walk.client_sends(OPENING)
                for at in range(0, len(no), size):
                    walk.upstream_sends(no[at : at + size])
                self.assertIn(b"ok", walk.client_sees().replace(b"\r\n1\r\n", b""))
                self.assertEqual(("closed", None), (walk.upstream.closed, walk.client.closed))
                self.assertEqual(0, walk.cluster.active)

    def test_no_connection_is_shared(self) -> None:
        """Neither one that was used before, nor this one afterwards; not for a second try either."""
        walk = Walk(endpoints=2, service=Service(retries=Retries(attempts=1)))
        walk.get()
        walk.upstream_sends(OK)
        walk.connect_at_once = False
        walk.client_sends(OPENING)
        walk.connect_fails()
        walk.connects()
        self.assertEqual(2, len(walk.upstreams))
        walk.upstream_sends(switched())
        self.assertIn(b" 101 ", walk.client_sees())

    def test_too_late(self) -> None:
        """`first_byte` bounds the wait for an answer."""
        walk = Walk(service=Service(timeouts=Timeouts(first_byte=3.0)))
        walk.client_sends(OPENING)
        walk.passes(4)
        self.assertEqual([("GET", "/chat", 504, "upstream-timeout")], walk.records)


class TunnelTests(SynchronousTestCase):
    """`UpstreamTunnel`, once it is one."""

    def test_idle(self) -> None:
        """An hour without a word of either; each word counts."""
        walk = opened()
        for say in (lambda: walk.client_sends(HELLO), lambda: walk.upstream_sends(WORLD)):
            walk.clock.pump([50] * 71)
            self.assertEqual([], walk.records)
            say()
        walk.clock.pump([50] * 71)
        self.assertEqual([], walk.records)
        walk.clock.pump([50] * 3)
        self.assertEqual([("GET", "/chat", 101, "upstream-timeout")], walk.records)
        self.assertEqual(("closed", "aborted"), (walk.client.closed, walk.upstream.closed))

    def test_idle_as_said(self) -> None:
        """What the file says counts, `off` and the default's own number too."""
        here, there = Where("a", 1, 1), Where("a", 1, 9)
        for timeouts, ends in (
            (Timeouts(idle=7.0), True),
            (Timeouts(idle=60.0, where=here, idle_where=there), True),
            (Timeouts(where=here, idle_where=here), False),
            (Timeouts(idle=None), False),
        ):
            walk = opened(service=Service(timeouts=timeouts))
            walk.passes(62)
            self.assertEqual(ends, bool(walk.records), timeouts)

    def test_total(self) -> None:
        """`total` ends it, whatever is said."""
        walk = opened(service=Service(timeouts=Timeouts(total=3.0)))
        for _ in range(4):
            walk.passes(1)
            if walk.upstream.closed is None:
                walk.upstream_sends(WORLD)
        self.assertEqual([("GET", "/chat", 101, "upstream-timeout")], walk.records)

    def test_reset(self) -> None:
        """An upstream that is reset: what it said still goes out, then the client's connection closes."""
        walk = opened()
        walk.upstream_sends(WORLD)
        walk.upstream.lost(clean=False)
        self.assertEqual((WORLD, "closed"), (walk.client_sees(), walk.client.closed))
        self.assertEqual([("GET", "/chat", 101, "upstream-reset")], walk.records)
        self.assertEqual(0, walk.cluster.active)

    def test_unclean_end_behind_a_goodbye(self) -> None:
        """A connection that ends badly behind a Close frame of either side, as most do over TLS, is no reset."""
        for client_said in (True, False):
            for client_ends in (True, False):
                walk = opened()
                if client_said:
                    walk.client_sends(frame(b"\x03\xe8", masked=True, first=0x88))
                else:
                    walk.upstream_sends(AWAY)
                (walk.client if client_ends else walk.upstream).lost(clean=False)
                self.assertEqual([("GET", "/chat", 101, "")], walk.records)

    def test_goodbye_between_frames(self) -> None:
        """1001 waits for the end of the frame under way, on each side apart; nothing follows it."""
        walk = opened()
        walk.client_sends(LONG[:100])
        walk.door.drain()
        self.assertEqual((AWAY, LONG[:100]), (walk.client_sees(), walk.upstream_sees()))
        walk.client_sends(LONG[100:] + HELLO)
        up = walk.upstream_sees()
        self.assertEqual((LONG[100:], AWAY), (up[: len(LONG) - 100], unmasked(up[len(LONG) - 100 :])))
        walk.upstream_sends(WORLD)
        self.assertEqual(b"", walk.client_sees())

    def test_goodbye_is_bounded(self) -> None:
        """Ends that do not close are closed, whatever they go on saying, and whether or not they read."""
        for full in (False, True):
            walk = opened()
            if full:
                walk.client.producer.pauseProducing()
            walk.door.drain()
            for _ in range(4):
                walk.passes(1)
                self.assertEqual([], walk.records)
                walk.client_sends(HELLO)
            walk.passes(2)
            self.assertEqual(("closed", "closed"), (walk.client.closed, walk.upstream.closed))
            self.assertEqual([("GET", "/chat", 101, "draining")], walk.records)
            self.assertEqual(0, walk.cluster.active)

    def test_never_takes_the_rest(self) -> None:
        """An upstream that reads nothing keeps no connection for ever once the client has gone."""
        walk = opened()
        wire = walk.upstream
        wire.loseConnection = lambda: None  # type: ignore[method-assign]
        walk.client.lost()
        self.assertIsNone(wire.closed)
        walk.passes(6)
        self.assertEqual("aborted", wire.closed)

    def test_not_between_reloads(self) -> None:
        """Endpoints that go, and a cluster that closes, leave it alone."""
        walk = opened()
        walk.cluster.set_endpoints(())
        walk.cluster.close()
        walk.client_sends(HELLO)
        self.assertEqual((HELLO, None), (walk.upstream_sees(), walk.upstream.closed))
