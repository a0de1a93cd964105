"""WebSockets of clients of either kind, over HTTP/2 to the backend (RFC 8441), without a socket."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Retries, Service, Timeouts
from hmsgw.wire.websocket import accept_of
from tests.walks.h2_client import H2Client
from tests.walks.h2_server import H2Server
from tests.walks.walk import Walk
from tests.walks.websocket import AWAY, KEY, OPENING, frame, unmasked

H2C = Service(protocol="h2c", retries=Retries(attempts=0))
AGAIN = Service(protocol="h2c", retries=Retries(attempts=1))
REFUSED, CANCEL = 7, 8
_CONNECT = [
    (b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"http"), (b":path", b"/chat"),
    (b":authority", b"api.example"), (b"sec-websocket-version", b"13"),
]  # fmt: skip


class TunnelTests(SynchronousTestCase):
    """`StreamTunnel`."""

    def asked(self, service: Service = H2C, *, tunnels: bool = True, **how: Any) -> tuple[Walk, H2Server, int]:
        """A client of HTTP/1.1 asks for a WebSocket."""
        walk = Walk(service=service)
        walk.client_sends(OPENING)
        server = H2Server(walk, walk.upstream, tunnels=tunnels, **how)
        return walk, server, max(server.asked, default=0)

    def opened(self, service: Service = H2C, **how: Any) -> tuple[Walk, H2Server, int]:
        walk, server, number = self.asked(service, **how)
        server.head(number)
        self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 101 "))
        return walk, server, number

    def test_said_before_the_yes(self) -> None:
        """What an HTTP/2 client sends together with its opening, its end too, waits until the backend has agreed."""
        for tunnels in (True, False):
            walk = Walk(service=H2C)
            client = H2Client(walk)
            up = client.session.send_request(_CONNECT)
            client.session.send_data(up, frame(b"hello"), end_stream=True)
            client.pump()
            server = H2Server(walk, walk.upstream, tunnels=tunnels)
            client.pump()
            if not tunnels:
                self.assertEqual(({}, 502), (server.asked, client.got[up].status))
                continue
            asked = server.asked[server.last]
            self.assertEqual((b"", False), (asked.body, asked.whole))
            server.head(server.last)
            self.assertEqual(frame(b"hello"), asked.body)

    def test_http1_client(self) -> None:
        """An upgrade becomes a CONNECT, its 200 a 101 that answers the client's key; then frames pass untouched."""
        walk, server, number = self.asked()
        fields = server.asked[number].fields
        self.assertEqual(
            ([b"CONNECT"], [b"websocket"], [b"/chat"], [b"13"]),
            tuple(fields[name] for name in (b":method", b":protocol", b":path", b"sec-websocket-version")),
        )
        self.assertTrue({b"sec-websocket-key", b"upgrade", b"connection"}.isdisjoint(fields))
        server.head(number, (b"sec-websocket-protocol", b"chat"), (b"sec-websocket-accept", b"forged"))
        seen = walk.client_sees()
        self.assertTrue(seen.startswith(b"HTTP/1.1 101 Switching Protocols\r\n"), seen)
        self.assertEqual(1, seen.count(b"Sec-WebSocket-Accept: " + accept_of(KEY)))
        self.assertNotIn(b"forged", seen)
        self.assertIn(b"sec-websocket-protocol: chat\r\n", seen)
        server.data(number, frame(b"hi"))
        self.assertEqual(frame(b"hi"), walk.client_sees())
        walk.client_sends(frame(b"ho", masked=True))
        server.pump()
        self.assertEqual(frame(b"ho", masked=True), server.asked[number].body)
        server.data(number, frame(b"\x03\xe8", first=0x88), ended=True)
        self.assertEqual(frame(b"\x03\xe8", first=0x88), walk.client_sees())
        self.assertEqual("closed", walk.client.closed)
        self.assertEqual([(101, "")], [record[2:] for record in walk.records])
        self.assertEqual(0, walk.cluster.active)

    def test_http2_client(self) -> None:
        """CONNECT in, CONNECT out."""
        walk = Walk(service=H2C)
        client = H2Client(walk)
        number = client.session.send_request(_CONNECT)
        client.pump()
        server = H2Server(walk, walk.upstream, tunnels=True)
        server.head(server.last)
        client.pump()
        self.assertEqual(200, client.got[number].status)
        server.data(server.last, frame(b"hi"))
        client.pump()
        client.send(number, frame(b"ho", masked=True))
        server.pump()
        self.assertEqual((frame(b"hi"), frame(b"ho", masked=True)), (client.got[number].body, server.asked[1].body))

    def test_no(self) -> None:
        """Any other answer is one like any other, and the connection stays."""
        walk, server, number = self.asked()
        server.answer(number, b"not you", status=b"403")
        seen = walk.client_sees()
        self.assertIn(b" 403 ", seen)
        self.assertIn(b"not you", seen)
        self.assertEqual((None, 0), (walk.upstream.closed, walk.cluster.active))

    def test_not_here(self) -> None:
        """A backend that takes none is told of."""
        walk, server, _ = self.asked(tunnels=False)
        self.assertEqual({}, server.asked)
        self.assertIn(b"takes no WebSockets over HTTP/2", walk.client_sees())
        self.assertEqual(0, walk.cluster.active)

    def test_no_yes(self) -> None:
        """A yes that leaves no room for a WebSocket is none."""
        walk, server, number = self.asked()
        server.head(number, ended=True)
        self.assertIn(b"upstream-protocol", walk.client_sees())
        self.assertEqual(0, walk.cluster.active)

    def test_silent(self) -> None:
        """A backend that does not answer the opening is given up as with any request."""
        walk, server, number = self.asked(Service(protocol="h2c", timeouts=Timeouts(first_byte=2.0)))
        walk.passes(3)
        server.pump()
        self.assertIn(b"upstream-timeout", walk.client_sees())
        self.assertEqual(CANCEL, server.asked[number].ended)

    def test_idle(self) -> None:
        """Neither side says anything for too long: it ends. What either says counts."""
        walk, server, number = self.opened(Service(protocol="h2c", timeouts=Timeouts(idle=5.0)))
        walk.passes(4)
        server.data(number, frame(b"x"))
        walk.passes(4)
        walk.client_sends(frame(b"y", masked=True))
        walk.passes(4)
        self.assertIsNone(walk.client.closed)
        walk.passes(3)
        self.assertEqual("closed", walk.client.closed)

    def test_client_gone(self) -> None:
        """The stream ends as TCP would; a backend that does not end it is not waited for."""
        walk, server, number = self.opened()
        walk.client_sends(frame(b"bye", masked=True))
        walk.client.lost()
        server.pump()
        self.assertEqual((frame(b"bye", masked=True), True), (server.asked[number].body, server.asked[number].whole))
        self.assertEqual((None, 0), (server.asked[number].ended, walk.cluster.active))
        walk.passes(7)
        server.pump()
        self.assertEqual((CANCEL, None), (server.asked[number].ended, walk.upstream.closed))

    def test_reset(self) -> None:
        """A backend that resets the stream ends the client's connection."""
        walk, server, number = self.opened()
        server.reset(number, 2)
        self.assertIsNotNone(walk.client.closed)
        self.assertEqual("upstream-reset", walk.records[0][3])

    def test_going_down(self) -> None:
        """Both ends hear 1001, between two frames, and have a moment to close."""
        walk, server, number = self.opened()
        server.data(number, frame(b"whole") + frame(b"cut")[:3])
        walk.client_sees()
        walk.door.drain()
        server.pump()
        self.assertEqual(AWAY, unmasked(server.asked[number].body))
        server.data(number, frame(b"cut")[3:] + frame(b"late"))
        self.assertEqual(frame(b"cut")[3:] + AWAY, walk.client_sees())
        walk.passes(7)
        self.assertIsNotNone(walk.client.closed)

    def test_full(self) -> None:
        """A backend that takes no more pauses the client."""
        walk, server, _ = self.opened(window=1000, take=False)
        sent = 0
        while walk.client.reading and sent < 1_000_000:
            walk.client_sends(frame(bytes(10_000), masked=True))
            server.pump()
            sent += 10_000
        self.assertFalse(walk.client.reading)
        self.assertLess(sent, 200_000)

    def test_client_does_not_read(self) -> None:
        """The backend gets no more than one window ahead of the client, and the rest comes when the client reads."""
        walk, server, number = self.opened()
        walk.client.producer.pauseProducing()
        message = frame(bytes(60_000)) * 70
        server.data(number, message)
        held = walk.client_sees()
        self.assertLess(len(held), 1 << 20)
        walk.client.producer.resumeProducing()
        server.pump()
        self.assertEqual(len(message), len(held + walk.client_sees()))

    def test_yes_with_a_length(self) -> None:
        """Content-Length means nothing in a yes to CONNECT (RFC 9110 section 9.3.6): no client hears of it."""
        for length in (b"0", b"5"):
            walk, server, number = self.asked()
            server.head(number, (b"content-length", length))
            self.assertNotIn(b"content-length", walk.client_sees().lower())
            server.data(number, frame(b"more than five"))
            self.assertEqual(frame(b"more than five"), walk.client_sees())

    def test_switching(self) -> None:
        """101 is no word of HTTP/2."""
        walk, server, number = self.asked()
        server.head(number, status=b"101")
        self.assertIn(b"upstream-protocol", walk.client_sees())
        self.assertEqual(0, walk.cluster.active)

    def test_trailers(self) -> None:
        """They end it; a client of HTTP/1.1 has no use for them."""
        walk, server, number = self.opened()
        server.trailers(number, (b"x", b"y"))
        self.assertEqual((b"", "closed", 0), (walk.client_sees(), walk.client.closed, walk.cluster.active))

    def test_refused(self) -> None:
        """An opening that the backend has not looked at is sent again."""
        walk, server, number = self.asked(AGAIN)
        server.reset(number, REFUSED)
        server.head(server.last)
        self.assertNotEqual(number, server.last)
        self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 101 "))
        self.assertEqual((["svc"], 1), (walk.retries, walk.cluster.active))

    def test_refused_too_often(self) -> None:
        """No more often than `retries` says; and never what is open."""
        walk, server, number = self.asked(AGAIN)
        server.reset(number, REFUSED)
        server.reset(server.last, REFUSED)
        self.assertIn(b"upstream-reset", walk.client_sees())
        walk, server, number = self.opened(AGAIN)
        server.reset(number, REFUSED)
        self.assertEqual(([number], []), (list(server.asked), walk.retries))
        self.assertIsNotNone(walk.client.closed)

    def test_left_out_by_goaway(self) -> None:
        """What is above the last stream that a GOAWAY names is sent again, over another connection."""
        walk, server, _ = self.asked(AGAIN)
        server.raw(b"\0\0\x08\x07\0\0\0\0\0" + bytes(8))
        self.assertEqual(2, len(walk.upstreams))
        other = H2Server(walk, walk.upstream, tunnels=True)
        other.head(other.last)
        self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 101 "))

    def test_gone_behind_a_goodbye(self) -> None:
        """Behind a Close frame no end is sudden: neither of the stream nor of the connection."""
        for end in (lambda server, number: server.reset(number, 2), lambda server, _: server.wire.lost(clean=False)):
            walk, server, number = self.opened()
            server.data(number, frame(b"\x03\xe8", first=0x88))
            end(server, number)
            self.assertEqual([(101, "")], [record[2:] for record in walk.records])
            self.assertEqual(("closed", 0), (walk.client.closed, walk.cluster.active))

    def test_connection_gone(self) -> None:
        """Without one it is."""
        walk, server, _ = self.opened()
        server.wire.lost(clean=False)
        self.assertEqual([(101, "upstream-reset")], [record[2:] for record in walk.records])

    def test_slow_no(self) -> None:
        """A no that has begun is timed as any answer: by `idle`, and not while it is the client that is slow."""
        walk, server, number = self.asked(Service(protocol="h2c", timeouts=Timeouts(first_byte=2.0, idle=5.0)))
        server.head(number, status=b"403")
        walk.passes(4)
        server.data(number, b"not")
        walk.client.producer.pauseProducing()
        walk.passes(9)
        walk.client.producer.resumeProducing()
        server.data(number, b" you", ended=True)
        self.assertIn(b" you", walk.client_sees())
        self.assertEqual([(403, "")], [record[2:] for record in walk.records])

    def test_room(self) -> None:
        """What has been left and is not closed counts among the streams that the backend takes: no one waits for it."""
        walk, server, number = self.opened(streams=1)
        walk.client.lost()
        server.pump()
        walk.client = walk.new_client()
        walk.get()
        self.assertEqual(2, len(walk.upstreams))
        server.data(number, b"", ended=True)
        walk.client = walk.new_client()
        walk.get()
        server.pump()
        self.assertEqual((2, 2), (len(server.asked), len(walk.upstreams)))

    def test_unused(self) -> None:
        """A connection whose last WebSocket was left is closed once it has idled."""
        walk, server, _ = self.opened()
        walk.client.lost()
        server.pump()
        walk.passes(7)
        server.pump()
        self.assertIsNone(walk.upstream.closed)
        walk.passes(31)
        self.assertEqual("closed", walk.upstream.closed)

    def test_auto(self) -> None:
        """Over HTTP/1.1 always, even beside an open connection of HTTP/2, and whatever the opening calls itself."""
        walk = Walk(service=Service(protocol="auto"), scheme="https", alpn=b"h2")
        walk.get()
        H2Server(walk, walk.upstream, tunnels=True)
        walk.alpn = b"http/1.1"
        walk.client = walk.new_client()
        walk.client_sends(OPENING[:-2] + b"Content-Type: application/grpc\r\n\r\n")
        self.assertEqual([(b"h2", b"http/1.1"), (b"http/1.1",)], walk.offered)
        self.assertTrue(walk.upstream_sees().startswith(b"GET /chat HTTP/1.1\r\n"))
