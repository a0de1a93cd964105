"""A WebSocket over HTTP/2 (RFC 8441) as the client has it, walked over fake wires."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, Response
from hmsgw.config.model import Deadlines, Limits, Service, Timeouts
from tests.walks.h2_client import H2Client, begin
from tests.walks.walk import Walk, chain_of
from tests.walks.websocket import AWAY, frame, key_sent, switched, unmasked

HELLO, WORLD = frame(b"hello", masked=True), frame(b"world")
VERSION = (b"sec-websocket-version", b"13")


def ask(client: H2Client, *more: tuple[bytes, bytes], protocol: bytes = b"websocket") -> int:
    return client.request(b"/chat", b"CONNECT", (b":protocol", protocol), *(more or (VERSION,)), ended=False)


def opened(**how: Any) -> tuple[Walk, H2Client, int]:
    """A client that has its WebSocket, as this stream."""
    walk, client = begin(**how)
    number = ask(client)
    client.answered(switched(key_sent(walk.upstream_sees())))
    assert client.got[number].status == 200
    return walk, client, number


class H2WebSocketTests(SynchronousTestCase):
    """Extended CONNECT, and what becomes of it."""

    def test_offered(self) -> None:
        """The gateway says that it takes extended CONNECT."""
        _, client = begin()
        self.assertEqual(1, client.session.remote_settings[8])

    def test_opens(self) -> None:
        """To the upstream it is HTTP/1.1's handshake with a key of the gateway's; to the client 200; then bytes flow."""
        walk, client = begin()
        number = ask(client, VERSION, (b"sec-websocket-protocol", b"chat"), (b"sec-websocket-key", b"mine"))
        line, fields, _ = walk.upstream_head()
        self.assertEqual(b"GET /chat HTTP/1.1", line)
        self.assertEqual(
            ([b"Upgrade"], [b"websocket"], [b"chat"], None),
            (fields[b"connection"], fields[b"upgrade"], fields[b"sec-websocket-protocol"], fields.get(b"transfer-encoding")),
        )
        (key,) = fields[b"sec-websocket-key"]
        self.assertNotEqual(b"mine", key)
        client.answered(switched(key, b"Sec-WebSocket-Protocol: chat"))
        got = client.got[number]
        self.assertEqual((200, b"chat"), (got.status, got.fields[b"sec-websocket-protocol"]))
        self.assertEqual({b"sec-websocket-protocol", b"date"}, set(got.fields))
        client.send(number, HELLO)
        self.assertEqual(HELLO, walk.upstream_sees())
        client.answered(WORLD)
        self.assertEqual((WORLD, False), (got.body, got.whole))
        walk.upstream.lost()
        client.pump()
        self.assertEqual((True, [("GET", "/chat", 200, "")]), (got.whole, walk.records))
        (record,) = walk.finished
        self.assertEqual(("h2", len(HELLO), len(WORLD)), (record.protocol, record.bytes_in, record.bytes_out))

    def test_refused(self) -> None:
        """Other protocols, no protocol, a bad handshake, a plugin, a route that takes no GET: nothing goes up."""

        def refuse(req: Any) -> None:
            raise HTTPError(401)

        for chain, more, protocol, status in (
            (None, (), b"connect-udp", 501), (None, ((b"sec-websocket-version", b"8"),), b"websocket", 400),
            (None, ((b"x", b"y"),), b"websocket", 400), (chain_of(refuse), (), b"websocket", 401),
        ):  # fmt: skip
            walk, client = begin(chain=chain)
            number = ask(client, *more, protocol=protocol)
            self.assertEqual((status, []), (client.got[number].status, walk.upstreams))
        walk, client = begin()
        number = client.session.send_request([(b":method", b"CONNECT"), (b":authority", b"api.example")], end_stream=False)
        client.pump()
        self.assertEqual((405, []), (client.got[number].status, walk.upstreams))

    def test_no(self) -> None:
        """The upstream's no is an ordinary answer, and what was said early goes nowhere; the connection goes on."""
        walk, client = begin()
        number = ask(client)
        client.send(number, HELLO)
        self.assertNotIn(HELLO, walk.upstream_sees())
        client.answered(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        self.assertEqual((403, b"no", True), (client.got[number].status, client.got[number].body, client.got[number].whole))
        self.assertEqual(b"", walk.upstream_sees())
        number = ask(client)
        client.answered(switched())
        self.assertEqual(502, client.got[number].status)  # to a key that is not ours
        self.assertIsNone(client.wire.closed)

    def test_yes_that_is_none(self) -> None:
        """To a client of HTTP/2 any 2xx opens its WebSocket (RFC 8441 section 5): what opens none goes out as a refusal,
        or a page of another origin could read what it may only ask for."""
        body = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"
        for cut in (len(body), len(body) - 6, len(body) - 3):
            walk, client = begin()
            number = ask(client)
            client.answered(body[:cut])
            if body[cut:] and walk.upstream.closed is None:
                client.answered(body[cut:])
            got = client.got[number]
            self.assertEqual((502, True), (got.status, got.whole))
            self.assertNotIn(b"secret", got.body)
            self.assertEqual([("GET", "/chat", 502, "upstream-protocol")], walk.records)
            self.assertIn("ordinary answer", walk.finished[0].upstream_fault)

        def answer(req: Any) -> Response:
            return Response(200, body=b"secret")

        walk, client = begin(chain=chain_of(answer))
        number = ask(client)
        self.assertEqual((400, []), (client.got[number].status, walk.upstreams))
        self.assertNotIn(b"secret", client.got[number].body)

    def test_early(self) -> None:
        """What is said early goes up behind the yes."""
        walk, client = begin()
        number = ask(client)
        client.send(number, HELLO)
        client.send(number, HELLO)
        head = walk.upstream_sees()
        self.assertTrue(head.endswith(b"\r\n\r\n"))
        client.answered(switched(key_sent(head)) + WORLD)
        self.assertEqual((HELLO * 2, WORLD), (walk.upstream_sees(), client.got[number].body))

    def test_early_is_bounded(self) -> None:
        """By the stream's window, which is not given back before."""
        _, client = begin(limits=Limits(buffer=32 * 1024))
        number = ask(client)
        for _ in range(10):
            client.session.send_data(number, bytes(30_000))
        client.pump()
        (exchange,) = [stream.exchange for stream in client.wire.protocol.streams.values()]
        self.assertLessEqual(exchange.body.received, 80 * 1024)

    def test_ends(self) -> None:
        """The client's END_STREAM leaves the upstream time for its Close frame; a reset ends both at once."""
        walk, client, number = opened()
        client.send(number, HELLO, ended=True)
        self.assertEqual(HELLO, walk.upstream_sees())
        client.answered(AWAY)
        self.assertEqual(AWAY, client.got[number].body)
        walk.passes(6)
        client.pump()
        self.assertEqual((True, "closed"), (client.got[number].whole, walk.upstream.closed))
        walk, client, number = opened()
        client.reset(number)
        self.assertEqual(("closed", [("GET", "/chat", 200, "client-gone")]), (walk.upstream.closed, walk.records))

    def test_upstream_reset(self) -> None:
        """CANCEL is what TCP's reset is."""
        walk, client, number = opened()
        walk.upstream.lost(clean=False)
        client.pump()
        self.assertEqual((8, [("GET", "/chat", 200, "upstream-reset")]), (client.got[number].ended, walk.records))

    def test_slow(self) -> None:
        """Each side's window is the other's pace, and silence is no fault: `body_progress` is for bodies."""
        walk = Walk(limits=Limits(buffer=32 * 1024), deadlines=Deadlines(body_progress=5))
        client = H2Client(walk, 1000, take=False)
        number = ask(client)
        client.answered(switched(key_sent(walk.upstream_sees())))
        client.answered(bytes(100_000))
        self.assertFalse(walk.upstream.reading)
        client.session.set_local_window_size(1_000_000, stream_id=number)
        client.session.set_local_window_size(1_000_000)
        client.pump()
        self.assertTrue(walk.upstream.reading)
        self.assertEqual(100_000, len(client.got[number].body))
        walk.passes(30)
        client.pump()
        self.assertEqual(([], None), (walk.records, client.got[number].ended))
        client.send(number, HELLO)
        walk.passes(30)
        self.assertEqual(HELLO, walk.upstream_sees())
        self.assertEqual([], walk.records)

    def test_idle(self) -> None:
        """The service's clock counts, as over HTTP/1.1."""
        walk, client, number = opened(service=Service(timeouts=Timeouts(idle=7.0)))
        walk.passes(8)
        client.pump()
        self.assertEqual((8, [("GET", "/chat", 200, "upstream-timeout")]), (client.got[number].ended, walk.records))

    def test_drain(self) -> None:
        """Two GOAWAYs for the connection, and 1001 for whoever is in the WebSocket; then both are at their end."""
        walk, client, number = opened()
        walk.door.drain()
        client.pump()
        self.assertEqual(AWAY, client.got[number].body)
        self.assertEqual(AWAY, unmasked(walk.upstream_sees()))
        self.assertEqual(1, len(client.goaways))
        walk.upstream.lost()
        client.pump()
        self.assertTrue(client.got[number].whole)
        walk.passes(2)
        self.assertEqual(("closed", [("GET", "/chat", 200, "draining")]), (client.wire.closed, walk.records))

    def test_connection_lost(self) -> None:
        """Each of its WebSockets ends, once."""
        walk, client, _ = opened()
        client.wire.lost(clean=False)
        self.assertEqual(("closed", [("GET", "/chat", 200, "client-gone")]), (walk.upstream.closed, walk.records))


class PaceTests(SynchronousTestCase):
    """What a stream that has caught up is not blamed for, and what one turn may bring."""

    def test_takes_turns(self) -> None:
        """An upstream that brings more than the buffer before anything is written is not read until it is."""
        walk, client, number = opened(limits=Limits(buffer=32 * 1024))
        later: list[Any] = []
        walk.door.soon = later.append
        walk.upstream_sends(bytes(20_000))
        self.assertTrue(walk.upstream.reading)
        walk.upstream_sends(bytes(20_000))
        self.assertEqual((False, 1), (walk.upstream.reading, len(later)))
        later.pop()()
        client.pump()
        self.assertEqual((True, 40_000), (walk.upstream.reading, len(client.got[number].body)))

    def test_caught_up(self) -> None:
        """A client that was behind once, and has read all since, is not given up while the service is silent."""
        walk = Walk(limits=Limits(buffer=32 * 1024), deadlines=Deadlines(body_progress=5))
        client = H2Client(walk, 1000, take=False)
        number = client.request()
        client.answered(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100_000))
        client.session.set_local_window_size(1_000_000, stream_id=number)
        client.session.set_local_window_size(1_000_000)
        client.pump()
        self.assertEqual(100_000, len(client.got[number].body))
        walk.passes(30)
        client.pump()
        self.assertEqual(([], None), (walk.records, client.got[number].ended))
