"""HTTP/2 connections of clients, without a socket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Deadlines, Limits
from tests.walks.h2_client import PREFACE, H2Client, begin, frame
from tests.walks.walk import OK, Walk

CALM = 11
NO_ERROR, PROTOCOL_ERROR = 0, 1


class RequestTests(SynchronousTestCase):
    """One exchange after the other."""

    def test_get(self) -> None:
        """Goes up as HTTP/1.1 and comes back in its stream; counted and logged as h2."""
        walk, client = begin()
        number = client.request(b"/a?b", b"GET", (b"accept", b"*/*"))
        line, fields, _ = walk.upstream_head()
        self.assertEqual(b"GET /a?b HTTP/1.1", line)
        self.assertEqual(([b"api.example"], [b"*/*"]), (fields[b"host"], fields[b"accept"]))
        self.assertEqual([b"2.0 hmsgw"], fields[b"via"])
        client.answered(OK)
        got = client.got[number]
        self.assertEqual((200, b"ok", True, b"2"), (got.status, got.body, got.whole, got.fields[b"content-length"]))
        self.assertEqual("h2", walk.finished[0].protocol)
        self.assertEqual((1, 1), (walk.door.gauge.n, walk.door.h2_gauge.n))  # the walk has an HTTP/1 client too

    def test_many_at_once(self) -> None:
        """Streams do not wait for one another."""
        walk, client = begin()
        numbers = [client.request(b"/%d" % n) for n in range(5)]
        self.assertEqual(5, len(walk.upstreams))
        for n in (3, 0, 4, 1, 2):
            walk.upstreams[n].protocol.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % n)
            client.pump()
        self.assertEqual([b"%d" % n for n in range(5)], [client.got[number].body for number in numbers])

    def test_hop_by_hop(self) -> None:
        """What belongs to HTTP/1.1 connections stays behind; trailers of either side go on."""
        walk, client = begin()
        number = client.request()
        walk.upstream_sees()
        client.answered(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: X-A\r\nX-A: 1\r\nKeep-Alive: 5\r\n\r\n"
            b"2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n"
        )
        got = client.got[number]
        self.assertEqual({b"date"}, set(got.fields))
        self.assertEqual((b"hi", {b"x-sum": b"7"}, True), (got.body, got.trailers, got.whole))

    def test_head_and_empty(self) -> None:
        """HEAD, 204 and 304 end with their heads."""
        _, client = begin()
        number = client.request(method=b"HEAD")
        client.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        self.assertEqual((200, b"", True, b"500"), (
            client.got[number].status, client.got[number].body, client.got[number].whole,
            client.got[number].fields[b"content-length"],
        ))  # fmt: skip
        for status in (204, 304):
            number = client.request()
            client.answered(b"HTTP/1.1 %d X\r\n\r\n" % status)
            self.assertEqual((status, True), (client.got[number].status, client.got[number].whole))

    def test_informational(self) -> None:
        """1xx answers go first."""
        _, client = begin()
        number = client.request()
        client.answered(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK)
        self.assertEqual(([103], 200), (client.got[number].informational, client.got[number].status))

    def test_body(self) -> None:
        """Without a length it is chunked for the upstream, trailers behind it; with one it is counted."""
        walk, client = begin()
        number = client.request(method=b"POST", ended=False)
        client.send(number, b"hello")
        client.session.send_trailers(number, [(b"x-sum", b"1"), (b"x-forwarded-for", b"6.6.6.6"), (b"x_y", b"1")])
        client.pump()
        _, fields, body = walk.upstream_head()
        self.assertEqual([b"chunked"], fields[b"transfer-encoding"])
        self.assertEqual(b"5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", body)
        client.answered(OK)
        number = client.request(b"/a", b"POST", (b"content-length", b"5"), ended=False)
        client.send(number, b"hello", ended=True)
        _, fields, body = walk.upstream_head()
        self.assertEqual(([b"5"], b"hello"), (fields[b"content-length"], body))
        client.answered(OK)
        self.assertEqual(200, client.got[number].status)
        self.assertEqual([5, 5], [exchange.bytes_in for exchange in walk.finished])

    def test_empty_body_that_ends_later(self) -> None:
        """Content-Length 0 and then an empty DATA frame: a request without a body."""
        _, client = begin()
        number = client.request(b"/a", b"POST", (b"content-length", b"0"), ended=False)
        client.send(number, b"", ended=True)
        client.answered(OK)
        self.assertEqual(200, client.got[number].status)

    def test_refusals(self) -> None:
        """The gateway's own answers, in the stream they belong to; the others go on."""
        _, client = begin(limits=Limits(fields=10, body=4))
        bad_path = client.request(b"/%2f")
        too_many = client.request(b"/a", b"GET", *((b"x-%d" % n, b"v") for n in range(15)))
        other_host = client.request(b"/a", b"GET", (b"host", b"evil.example"))
        connect = client.session.send_request([(b":method", b"CONNECT"), (b":authority", b"a:1")], end_stream=True)
        client.pump()
        too_long = client.request(method=b"POST", ended=False)
        client.send(too_long, b"hello")
        numbers = (bad_path, too_many, other_host, connect, too_long)
        self.assertEqual([400, 431, 400, 405, 413], [client.got[number].status for number in numbers])
        self.assertEqual([b"bad-path" in client.got[bad_path].body, True], [True, client.got[too_long].whole])
        self.assertEqual([], client.goaways)

    def test_refusals_of_head(self) -> None:
        """Never have a body, also where the rest could not be read."""
        _, client = begin(limits=Limits(fields=10, field=1024))
        asked = {
            client.request(b"/%2f", b"HEAD"): 400,
            client.request(b"/a", b"HEAD", (b"host", b"evil.example")): 400,
            client.request(b"/a", b"HEAD", *((b"x-%d" % n, b"v") for n in range(15))): 431,
            client.request(b"/" + b"a" * 2000, b"HEAD"): 414,
        }
        for number, status in asked.items():
            got = client.got[number]
            self.assertEqual((status, b"", True), (got.status, got.body, got.whole))
            self.assertGreater(int(got.fields[b"content-length"]), 50)

    def test_asterisk(self) -> None:
        """OPTIONS * is answered by the gateway itself (RFC 9110 section 9.3.7)."""
        walk, client = begin()
        number = client.request(b"*", b"OPTIONS")
        self.assertEqual((200, b"", True, []), (
            client.got[number].status, client.got[number].body, client.got[number].whole, walk.upstreams,
        ))  # fmt: skip
        good = client.request()
        client.answered(OK)
        self.assertEqual(200, client.got[good].status)

    def test_malformed(self) -> None:
        """RFC 9113 section 8.1.1: the stream is reset with PROTOCOL_ERROR, nothing goes up, the connection stays."""
        walk, client = begin()
        number = client.request(b"/a", b"GET", (b"connection", b"close"))
        self.assertEqual(PROTOCOL_ERROR, client.got[number].ended)
        self.assertEqual(([], [], None), (walk.upstreams, client.goaways, client.wire.closed))


class EndTests(SynchronousTestCase):
    """How streams and connections end."""

    def test_reset_by_the_client(self) -> None:
        """Its exchange ends, the upstream connection with it; logged as client-gone."""
        walk, client = begin()
        number = client.request()
        client.reset(number)
        self.assertEqual([("GET", "/a", 499, "client-gone")], walk.records)
        self.assertEqual("aborted", walk.upstream.closed)
        self.assertIsNone(client.wire.closed)

    def test_cut(self) -> None:
        """An answer that breaks off is reset, so that nobody takes it for whole."""
        walk, client = begin()
        number = client.request()
        client.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        walk.upstream.lost()
        client.pump()
        self.assertEqual((2, False), (client.got[number].ended, client.got[number].whole))

    def test_connection_lost(self) -> None:
        """Every exchange ends, once."""
        walk, client = begin()
        for n in range(3):
            client.request(b"/%d" % n)
        client.wire.lost()
        self.assertEqual([499] * 3, [status for _, _, status, _ in walk.records])
        self.assertEqual((0, {walk.client.protocol}), (walk.door.h2_gauge.n, walk.door.open))
        self.assertEqual(1, walk.door.crowd.n)

    def test_answer_before_the_body_is_over(self) -> None:
        """The answer is whole, then the rest is waited for a little; nobody is told to stop who was to stop anyway."""
        _, client = begin()
        number = client.request(method=b"POST", ended=False)
        client.send(number, b"abc")
        client.answered(OK)
        got = client.got[number]
        self.assertEqual((b"ok", True, None), (got.body, got.whole, got.ended))
        client.send(number, b"def", ended=True)
        self.assertEqual((NO_ERROR, []), (got.ended, client.goaways))
        again = client.request()
        client.answered(OK)
        self.assertEqual(200, client.got[again].status)

    def test_rest_of_a_body_is_declined(self) -> None:
        """In the end without an error (RFC 9113 section 8.1): soon, or when it has become long; a drain waits for none."""
        for after in ("time", "bytes", "drain"):
            walk, client = begin()
            number = client.request(method=b"POST", ended=False)
            if after == "drain":
                walk.door.draining = True
            client.answered(OK)
            got = client.got[number]
            if after == "time":
                walk.passes(1)
                client.send(number, b"abc")
                self.assertIsNone(got.ended)
                walk.passes(2)
            elif after == "bytes":
                sent = 0
                while got.ended is None and sent < 1 << 20:
                    client.send(number, bytes(16384))
                    sent += 16384
            client.pump()
            self.assertEqual((b"ok", True, NO_ERROR, []), (got.body, got.whole, got.ended, client.goaways), after)

    def test_body_that_lies_behind_the_answer(self) -> None:
        """What the client does wrong while the rest is waited for is as wrong as before (RFC 9113 section 8.1.1)."""
        _, client = begin()
        number = client.request(b"/", b"POST", (b"content-length", b"1"), ended=False)
        client.answered(OK)
        client.wire.protocol.dataReceived(frame(0, 1, number, b"two"))
        client.pump()
        self.assertEqual((True, PROTOCOL_ERROR), (client.got[number].whole, client.got[number].ended))

    def test_idle(self) -> None:
        """Nothing for `keep_alive` after the last answer: GOAWAY, and closed. At first only `head` is waited."""
        walk, client = begin(deadlines=Deadlines(head=3, keep_alive=10))
        number = client.request()
        walk.passes(12)
        self.assertIsNone(client.wire.closed)
        client.answered(OK)
        self.assertEqual(200, client.got[number].status)
        walk.passes(9)
        self.assertIsNone(client.wire.closed)
        walk.passes(2)
        client.pump()
        self.assertEqual(([(number, NO_ERROR)], "closed"), (client.goaways, client.wire.closed))
        silent = H2Client(walk)
        walk.passes(4)
        self.assertEqual("closed", silent.wire.closed)

    def test_drain(self) -> None:
        """Two GOAWAYs; a request between them is answered, and what runs is finished."""
        walk, client = begin()
        running = client.request(b"/slow")
        walk.door.drain()
        client.pump()
        self.assertEqual([(2**31 - 1, NO_ERROR)], client.goaways)
        walk.passes(2)
        client.pump()
        self.assertEqual((running, NO_ERROR), client.goaways[-1])
        self.assertIsNone(client.wire.closed)
        client.answered(OK)
        self.assertEqual(200, client.got[running].status)
        self.assertEqual("closed", client.wire.closed)

    def test_end_of_draining(self) -> None:
        """Then requests without an answer are told so, others are reset, and the connection closes."""
        walk, client = begin()
        begun = client.request(b"/begun")
        client.answered(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        waits, body = client.request(b"/waits"), client.request(b"/body", b"POST", ended=False)
        idle = H2Client(walk)
        walk.door.drain()
        walk.door.stop_all()
        client.pump()
        for number in (waits, body):
            self.assertEqual((503, True), (client.got[number].status, client.got[number].whole))
            self.assertIn(b'"reason":"draining"', client.got[number].body)
        self.assertEqual((b"ab", False), (client.got[begun].body, client.got[begun].whole))
        self.assertEqual((body, NO_ERROR), client.goaways[-1])
        self.assertEqual(("closed", "closed"), (client.wire.closed, idle.wire.closed))
        self.assertEqual({(200, "draining"), (503, "draining")}, {record[2:] for record in walk.records})
        self.assertEqual(3, len(walk.records))

    def test_drain_idle(self) -> None:
        """An idle connection gets its two GOAWAYs too: a request may be on its way."""
        walk, client = begin()
        walk.door.drain()
        walk.passes(2)
        client.pump()
        self.assertEqual((2, "closed"), (len(client.goaways), client.wire.closed))

    def test_too_many_connections(self) -> None:
        """One more than `limits.connections` is told to calm down, in words that it understands."""
        walk = Walk(limits=Limits(connections=2))
        H2Client(walk)
        client = H2Client(walk)
        self.assertEqual(([(0, 11)], "closed"), (client.goaways, client.wire.closed))

    def test_listener_without_h2(self) -> None:
        """The preface is then a request that is none."""
        walk = Walk()
        walk.door.protocols = ("http/1.1",)
        walk.client_sends(PREFACE)
        self.assertIn(b"HTTP/1.1 400", walk.client_sees())

    def test_listener_with_nothing_else(self) -> None:
        """What does not begin as HTTP/2 is told so in HTTP/2 (RFC 9113 section 3.4)."""
        walk = Walk()
        walk.door.protocols = ("h2",)
        number = H2Client(walk).request()
        walk.upstream_sends(OK)
        self.assertEqual((1, 1), (number, len(walk.upstreams)))
        wire = walk.new_client()
        wire.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        seen = wire.take()
        self.assertEqual((7, PROTOCOL_ERROR), (seen[-14], int.from_bytes(seen[-4:], "big")))
        self.assertEqual("closed", wire.closed)

    def test_preface_is_the_beginning(self) -> None:
        """Behind a request of HTTP/1.1 it is refused."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(OK)
        walk.client_sees()
        walk.client_sends(PREFACE)
        self.assertIn(b"HTTP/1.1 400", walk.client_sees())

    def test_preface_in_pieces(self) -> None:
        """However it is cut."""
        walk = Walk()
        for at in range(len(PREFACE)):
            walk.client_sends(PREFACE[at : at + 1])
        self.assertEqual(4, walk.client_sees()[3])
