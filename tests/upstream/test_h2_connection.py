"""HTTP/2 connections to backends, without a socket: walks with libnghttp2's server at their end."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Retries, Service, Timeouts
from hmsgw.wire.http2_order import MAX_WORK
from tests.walks.h2_client import H2Client, frame
from tests.walks.h2_server import H2Server
from tests.walks.walk import Turns, Walk

H2C = Service(protocol="h2c")
ONCE = Service(protocol="h2c", retries=Retries(attempts=0))
CANCEL, REFUSED = 8, 7
_POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n"


def walked(service: Service = H2C, **how: Any) -> Walk:
    return Walk(service=service, **how)


def asked(walk: Walk, data: bytes = b"GET /a?b HTTP/1.1\r\nHost: api.example\r\n\r\n", **how: Any) -> tuple[H2Server, int]:
    """A client sends this; its request at the backend."""
    walk.client_sends(data)
    server = H2Server(walk, walk.upstream, **how)
    return server, server.last


class ExchangeTests(SynchronousTestCase):
    """One exchange after the other."""

    def test_get(self) -> None:
        """Goes up as HTTP/2 and comes back as HTTP/1.1, in one write."""
        walk = walked()
        server, number = asked(walk)
        fields = server.asked[number].fields
        for name, value in ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a?b"), (b":authority", b"api.example")):
            self.assertEqual([value], fields[name])
        self.assertEqual([b"1.1 hmsgw"], fields[b"via"])
        self.assertTrue({b"host", b"connection", b"content-length"}.isdisjoint(fields))
        self.assertTrue(server.asked[number].whole)
        server.answer(number, b"ok", (b"content-length", b"2"), (b"x-a", b"1"))
        self.assertEqual(1, len(walk.client.written))
        seen = walk.client_sees()
        self.assertTrue(seen.startswith(b"HTTP/1.1 200 OK\r\n") and seen.endswith(b"\r\n\r\nok"), seen)
        self.assertIn(b"x-a: 1\r\n", seen)
        self.assertEqual((200, "", "10.0.0.1"), (*walk.records[0][2:], walk.finished[0].upstream))
        self.assertEqual(0, walk.cluster.active)

    def test_both_sides(self) -> None:
        """HTTP/2 in and out: trailers of either side go on, cookies too."""
        walk = walked()
        client = H2Client(walk)
        number = client.request(b"/a", b"POST", (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"te", b"trailers"), ended=False)
        server = H2Server(walk, walk.upstream)
        up = server.last
        self.assertEqual(([b"a=1; b=2"], [b"trailers"]), tuple(server.asked[up].fields[n] for n in (b"cookie", b"te")))
        client.send(number, b"hello")
        server.pump()
        client.session.send_trailers(number, [(b"x-sum", b"7")])
        client.pump()
        server.pump()
        self.assertEqual((b"hello", {b"x-sum": b"7"}), (server.asked[up].body, server.asked[up].trailers))
        server.head(up, (b"x-a", b"1"))
        server.data(up, b"hi")
        server.trailers(up, (b"x-end", b"9"))
        client.pump()
        got = client.got[number]
        self.assertEqual((200, b"hi", {b"x-end": b"9"}, b"1"), (got.status, got.body, got.trailers, got.fields[b"x-a"]))

    def test_no_content(self) -> None:
        """HEAD, 204, 304 and an empty 200 have no body, and the next request follows on the client's connection."""
        walk = walked()
        server = None
        for method, status, more in (
            (b"HEAD", b"200", ((b"content-length", b"5"),)), (b"GET", b"204", ()), (b"GET", b"304", ()), (b"GET", b"200", ()),
        ):  # fmt: skip
            walk.client_sends(method + b" /a HTTP/1.1\r\nHost: h\r\n\r\n")
            server = server or H2Server(walk, walk.upstream)
            server.pump()
            server.head(server.last, *more, status=status, ended=True)
            head, _, body = walk.client_sees().partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 " + status), head)
            self.assertEqual(b"", body)
        self.assertEqual(1, len(walk.upstreams))

    def test_informational(self) -> None:
        """1xx pass, and 100-continue makes the client go on."""
        walk = walked()
        server, number = asked(walk, b"POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        self.assertEqual([b"100-continue"], server.asked[number].fields[b"expect"])
        server.session.send_informational_response(number, [(b":status", b"100")])
        server.pump()
        self.assertIn(b"HTTP/1.1 100 Continue", walk.client_sees())
        walk.client_sends(b"hi")
        server.pump()
        self.assertEqual((b"hi", True), (server.asked[number].body, server.asked[number].whole))

    def test_status_of_no_class(self) -> None:
        """Passes, as from a backend that speaks HTTP/1.1."""
        walk = walked()
        server, number = asked(walk)
        server.answer(number, b"ok", status=b"800")
        self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 800 \r\n"))

    def test_each_piece_at_once(self) -> None:
        """A stream stays a stream."""
        walk = walked()
        server, number = asked(walk)
        server.head(number)
        self.assertIn(b"Transfer-Encoding: chunked", walk.client_sees())
        for piece in (b"a", b"bc"):
            server.data(number, piece)
            self.assertEqual(b"%x\r\n%b\r\n" % (len(piece), piece), walk.client_sees())
        server.data(number, b"", ended=True)
        self.assertEqual(b"0\r\n\r\n", walk.client_sees())

    def test_early_answer(self) -> None:
        """An answer before the body is over ends the stream, not the connection."""
        walk = walked()
        server, number = asked(walk, _POST % 100_000 + b"x")
        server.answer(number, b"no", status=b"413")
        self.assertIn(b" 413 ", walk.client_sees())
        server.pump()
        self.assertEqual(0, server.asked[number].ended)
        self.assertIsNone(walk.upstream.closed)


class SharingTests(SynchronousTestCase):
    """Many exchanges, few connections."""

    def test_one_connection(self) -> None:
        """Exchanges share it, and do not wait for one another."""
        walk = walked()
        clients = [walk.new_client() for _ in range(5)]
        for n, client in enumerate(clients):
            client.protocol.dataReceived(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n)
        self.assertEqual(1, len(walk.upstreams))
        server = H2Server(walk, walk.upstream)
        for number in sorted(server.asked, reverse=True):
            server.answer(number, server.asked[number].fields[b":path"][0])
        self.assertTrue(all(b"/%d" % n in client.take() for n, client in enumerate(clients)))

    def test_another_connection(self) -> None:
        """A backend that takes two at once gets a second connection for the third."""
        walk = walked()
        clients = [walk.new_client() for _ in range(5)]
        for client in clients:
            client.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        servers = []
        while len(servers) < len(walk.upstreams):
            servers.append(H2Server(walk, walk.upstreams[len(servers)], streams=2))
        self.assertEqual([2, 2, 1], [len(server.asked) for server in servers])
        self.assertEqual(5, walk.cluster.active)

    def test_a_body_that_nobody_reads(self) -> None:
        """Holds up no other: the next body goes on a connection of its own, what has none need not."""
        walk = walked()
        server, _ = asked(walk, _POST % 100_000, take=False)
        walk.client_sends(bytes(100_000))
        server.pump()
        walk.new_client().protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertEqual(1, len(walk.upstreams))
        walk.new_client().protocol.dataReceived(_POST % 3 + b"one")
        self.assertEqual(2, len(walk.upstreams))
        other = H2Server(walk, walk.upstream)
        walk.new_client().protocol.dataReceived(_POST % 3 + b"two")
        other.pump()
        self.assertEqual(([b"one", b"two"], 2), ([one.body for one in other.asked.values()], len(walk.upstreams)))

    def test_given_up_while_it_opens(self) -> None:
        """A client that goes while the connection is made is not waited for; the others are served."""
        walk = walked()
        walk.connect_at_once = False
        clients = [walk.new_client() for _ in range(3)]
        for client in clients:
            client.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertEqual(1, len(walk.connecting))
        clients[0].lost()
        walk.connects()
        server = H2Server(walk, walk.upstream)
        self.assertEqual((2, 2), (len(server.asked), walk.cluster.active))

    def test_idle(self) -> None:
        """A connection that nobody uses is closed, and a new one made when somebody asks."""
        walk = walked()
        server, number = asked(walk)
        server.answer(number)
        walk.passes(29)
        self.assertIsNone(walk.upstream.closed)
        walk.passes(3)
        self.assertEqual("closed", walk.upstream.closed)
        walk.get()
        self.assertEqual(2, len(walk.upstreams))

    def test_endpoint_gone(self) -> None:
        """An endpoint that is removed finishes what it has, and its connection closes then."""
        walk = walked()
        server, number = asked(walk)
        walk.cluster.set_endpoints(())
        self.assertIsNone(walk.upstream.closed)
        server.answer(number)
        self.assertIn(b"ok", walk.client_sees())
        self.assertEqual("closed", walk.upstream.closed)


class FlowTests(SynchronousTestCase):
    """Nobody is sent more than they take."""

    def test_backend_is_full(self) -> None:
        """A shut window pauses the client, with little held; an open one lets it go on."""
        walk = walked()
        server, number = asked(walk, _POST % 10_000_000, window=1000, take=False)
        sent = 0
        while walk.client.reading and sent < 1_000_000:
            walk.client_sends(b"x" * 10_000)
            server.pump()
            sent += 10_000
        self.assertFalse(walk.client.reading)
        self.assertLess(sent, 200_000)
        self.assertEqual(1000, len(server.asked[number].body))
        server.session.acknowledge_received_data(1000, number)
        server.pump()
        while not walk.client.reading and len(server.asked[number].body) < sent:
            before = len(server.asked[number].body)
            server.session.acknowledge_received_data(min(1000, before), number)
            server.pump()
        self.assertTrue(walk.client.reading)

    def test_client_is_full(self) -> None:
        """A client that reads no more shuts its stream's window, and nobody else's."""
        walk = walked()
        server, number = asked(walk)
        other = walk.new_client()
        server.head(number)
        walk.client.producer.pauseProducing()
        server.session.send_data(number, b"x" * 2_000_000)
        server.pump()
        held = sum(map(len, walk.client.written))
        self.assertLess(held, 300_000)
        other.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        server.pump()
        server.answer(server.last, b"y" * 200_000)
        self.assertIn(b"y" * 200_000, other.take())
        walk.client.producer.resumeProducing()
        server.pump()
        while sum(map(len, walk.client.written)) < 2_000_000:
            before = sum(map(len, walk.client.written))
            server.pump()
            self.assertGreater(sum(map(len, walk.client.written)), before)

    def test_tiny_frames_wait_for_others(self) -> None:
        """An answer in frames of a byte gets one turn's work at a time, joined, and nothing more is read meanwhile."""
        turns = Turns()
        walk = walked(turns=turns)
        walk.get()
        turns.one(2)
        server = H2Server(walk, walk.upstream)
        turns.one(2)
        server.pump()
        server.head(server.last)
        walk.client_sees()
        walk.upstream.protocol.dataReceived(frame(0, 0, server.last, b"a") * 5000)
        self.assertFalse(walk.upstream.reading)
        self.assertEqual(b"%x\r\n%b\r\n" % (MAX_WORK, b"a" * MAX_WORK), walk.client_sees())
        walk.upstream.protocol.dataReceived(frame(0, 1, server.last, b"z"))
        turns.one(20)
        seen = walk.client_sees()
        self.assertEqual((5000 - MAX_WORK, True), (seen.count(b"a"), seen.endswith(b"z\r\n0\r\n\r\n")))
        self.assertTrue(walk.upstream.reading)


class EndTests(SynchronousTestCase):
    """Streams and connections that end otherwise than well."""

    def test_client_gone(self) -> None:
        """The backend hears CANCEL; the connection stays."""
        walk = walked()
        server, number = asked(walk)
        walk.client.lost()
        server.pump()
        self.assertEqual((CANCEL, None), (server.asked[number].ended, walk.upstream.closed))
        self.assertEqual(("client-gone", 0), (walk.records[0][3], walk.cluster.active))

    def test_reset(self) -> None:
        """Before the answer a 502; in its middle the client's answer is cut."""
        walk = walked()
        server, number = asked(walk)
        server.reset(number, 2)
        self.assertIn(b"upstream-reset", walk.client_sees())
        walk = walked()
        server, number = asked(walk)
        server.head(number)
        server.reset(number, 2)
        self.assertEqual("closed", walk.client.closed)

    def test_refused(self) -> None:
        """A request that the backend has not looked at is sent again, whatever its method, body and all."""
        walk = walked()
        server, number = asked(walk, _POST % 5 + b"hello")
        server.reset(number, REFUSED)
        self.assertEqual(b"hello", server.asked[server.last].body)
        self.assertNotEqual(number, server.last)
        server.answer(server.last)
        self.assertIn(b"ok", walk.client_sees())
        self.assertEqual(1, len(walk.records))

    def test_refused_too_often(self) -> None:
        """So often as `retries` says; where it may not, the client is told."""
        for retries in (Retries(attempts=0), Retries(on=("connect",))):
            walk = walked(Service(protocol="h2c", retries=retries))
            server, number = asked(walk)
            server.reset(number, REFUSED)
            self.assertIn(b" 502 ", walk.client_sees())

    def test_goaway(self) -> None:
        """What stands above its last stream goes to another connection; the rest is finished, then it closes."""
        walk = walked()
        clients = [walk.new_client() for _ in range(2)]
        clients[0].protocol.dataReceived(_POST.replace(b"/a", b"/0") % 5 + b"hello")
        server = H2Server(walk, walk.upstream)
        clients[1].protocol.dataReceived(_POST.replace(b"/a", b"/1") % 5 + b"there")
        server.wire.take()
        server.session.send_goaway(0, last_stream_id=1)
        server.pump()
        self.assertEqual(2, len(walk.upstreams))
        second = H2Server(walk, walk.upstream)
        self.assertEqual((b"there", [b"/1"]), (second.asked[1].body, second.asked[1].fields[b":path"]))
        server.answer(1, b"first")
        second.answer(1, b"second")
        self.assertIn(b"first", clients[0].take())
        self.assertIn(b"second", clients[1].take())
        self.assertEqual(["closed", None], [wire.closed for wire in walk.upstreams])

    def test_connection_lost(self) -> None:
        """A GET goes to another connection; a POST may have been heard, and is told so."""
        walk = walked()
        server, _ = asked(walk)
        poster = walk.new_client()
        poster.protocol.dataReceived(_POST % 2 + b"hi")
        server.pump()
        walk.upstreams[0].lost()
        self.assertIn(b"upstream-reset", poster.take())
        second = H2Server(walk, walk.upstreams[1])
        second.answer(second.last)
        self.assertIn(b"ok", walk.client_sees())
        self.assertEqual(0, walk.cluster.active)

    def test_first_byte(self) -> None:
        """Each stream has its own deadlines; one that passes resets that stream alone."""
        walk = walked(Service(protocol="h2c", timeouts=Timeouts(first_byte=2.0)))
        server, number = asked(walk)
        walk.passes(1.4)
        other = walk.new_client()
        other.protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        server.pump()
        walk.passes(1.2)
        server.pump()
        self.assertIn(b"upstream-timeout", walk.client_sees())
        self.assertEqual(CANCEL, server.asked[number].ended)
        server.answer(server.last)
        self.assertIn(b"ok", other.take())

    def test_gone_without_a_word(self) -> None:
        """A connection on which nothing came while a request waited in vain takes no other; what is on it goes on."""
        for ended in ("by its deadline", "by its client"):
            walk = walked(Service(protocol="h2c", timeouts=Timeouts(first_byte=4.0)))
            server, number = asked(walk)
            server.answer(number, b"ok")
            walk.passes(1)
            walk.client_sends(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
            walk.passes(3)
            other = walk.new_client()
            other.protocol.dataReceived(b"GET /c HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertEqual(1, len(walk.upstreams))
            if ended == "by its client":
                walk.client.lost()
            walk.passes(1.6)
            self.assertIn(walk.records[1][3], ("upstream-timeout", "client-gone"))
            third = walk.new_client()
            third.protocol.dataReceived(b"GET /d HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertEqual(2, len(walk.upstreams))
            server.pump()
            server.answer(server.last)
            self.assertIn(b"ok", other.take())
            self.assertEqual("closed", walk.upstreams[0].closed)
            last = H2Server(walk, walk.upstream)
            last.answer(last.last)
            self.assertIn(b"ok", third.take())
            self.assertEqual(0, walk.cluster.active)

    def test_slow_but_there(self) -> None:
        """A request given up soon, or while others are answered, costs no connection."""
        walk = walked(Service(protocol="h2c", timeouts=Timeouts(first_byte=4.0)))
        server, _ = asked(walk)
        other = walk.new_client()
        for waits_s in (1, 3.4):
            walk.passes(waits_s)
            other.protocol.dataReceived(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
            server.pump()
            server.answer(server.last)
        self.assertIn(b"upstream-timeout", walk.client_sees())
        walk.client_sends(b"GET /c HTTP/1.1\r\nHost: h\r\n\r\n")
        walk.passes(1)
        walk.client.lost()
        other.protocol.dataReceived(b"GET /d HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertEqual((1, None), (len(walk.upstreams), walk.upstream.closed))

    def test_closed_one_that_takes_nothing(self) -> None:
        """A backend that does not read what is left for it does not keep the connection for ever."""
        walk = walked()
        server, number = asked(walk)
        server.answer(number, b"ok")
        wire = walk.upstream
        with patch.object(wire, "loseConnection"):  # it waits for the bytes to be taken
            walk.passes(31)
            self.assertIsNone(wire.closed)
            walk.passes(2)
        self.assertEqual("aborted", wire.closed)

    def test_no_progress(self) -> None:
        """An answer that stops in its middle is cut."""
        walk = walked(Service(protocol="h2c", timeouts=Timeouts(idle=2.0)))
        server, number = asked(walk)
        server.head(number)
        walk.passes(1.4)
        server.data(number, b"x")
        walk.passes(1.4)
        self.assertIsNone(walk.client.closed)
        walk.passes(1.2)
        self.assertEqual("closed", walk.client.closed)


class HostileTests(SynchronousTestCase):
    """Backends that break the rules, or speak something else."""

    def refused(self, data: bytes, what: bytes = b"upstream-protocol", service: Service = ONCE) -> bytes:
        """The whole of a backend that says this at once."""
        walk = walked(service)
        walk.get()
        walk.upstream.protocol.dataReceived(data)
        seen = walk.client_sees()
        self.assertIn(what, seen)
        self.assertEqual((0, 1), (walk.cluster.active, len(walk.records)))
        self.assertIsNotNone(walk.upstream.closed)
        return seen

    def test_another_protocol(self) -> None:
        """HTTP/1.1, or anything else, where HTTP/2 was expected."""
        said = self.refused(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        self.assertIn(b"HTTP/1.1, where HTTP/2 was expected", said)
        self.refused(b"220 mail.example.gov ESMTP and a little more of it\r\n")

    def test_silent(self) -> None:
        """A backend that says nothing is given up when a connection would be."""
        walk = walked(ONCE)
        walk.get()
        walk.passes(3)
        self.assertIn(b"upstream-protocol", walk.client_sees())
        self.assertEqual("closed", walk.upstream.closed)

    def test_says_what_is_wrong(self) -> None:
        """GOAWAY with the code goes out, and is waited for a moment; nothing that comes meanwhile is heeded."""
        for wrong, code in ((frame(6, 0, 1, bytes(8)), 1), (frame(8, 0, 0, b"\x7f\xff\xff\xff"), 3), (frame(2, 0, 0, bytes(5)), 1)):
            walk = walked(ONCE)
            _, number = asked(walk)
            begun: list[bool] = []
            self.patch(walk.upstream, "loseConnection", lambda begun=begun: begun.append(True))  # and it takes a while
            walk.upstream.protocol.dataReceived(wrong)
            said = walk.upstream.take()
            self.assertEqual((7, code, [True]), (said[3], said[16], begun), wrong)
            walk.upstream.protocol.dataReceived(frame(1, 5, number, b"\x88"))
            self.assertIn(b"upstream-protocol", walk.client_sees())
            walk.passes(2)
            self.assertEqual("aborted", walk.upstream.closed)

    def test_closes_at_once(self) -> None:
        """So is one that closes the connection where it should have begun."""
        walk = walked(ONCE)
        walk.get()
        walk.upstream.lost()
        self.assertIn(b"upstream-protocol", walk.client_sees())

    def test_takes_nothing(self) -> None:
        """A backend that allows no stream at all is told of, and not asked again and again."""
        self.refused(frame(4, 0, 0, b"\0\3\0\0\0\0"))

    def test_heads(self) -> None:
        """Answers that HTTP/1.1 would read as something else, or that frame themselves twice."""
        for fields in (
            [(b":status", b"2000")], [(b":status", b"abc")], [(b":status", b"101")],
            [(b":status", b"200"), (b"connection", b"close")], [(b":status", b"200"), (b"transfer-encoding", b"chunked")],
            [(b":status", b"200"), (b"a", b"b\r\nc: d")], [(b":status", b"200"), (b"A", b"b")],
            [(b":status", b"200"), (b"content-length", b"2"), (b"content-length", b"3")],
            [(b":status", b"200"), (b":path", b"/")],
        ):  # fmt: skip
            walk = walked(ONCE)
            server, number = asked(walk)
            block = b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in fields)
            server.raw(frame(1, 4, number, block))
            self.assertIn(b"upstream-protocol", walk.client_sees(), fields)
            self.assertEqual(0, walk.cluster.active)

    def test_content_length_that_lies(self) -> None:
        """More or less than was promised is no answer."""
        for body in (b"a", b"abc"):
            walk = walked()
            server, number = asked(walk)
            server.raw(frame(1, 4, number, b"\x88\x0f\x0d\x012") + frame(0, 1, number, body))
            self.assertFalse(walk.client_sees().endswith(b"\r\n\r\nab"))
            self.assertEqual((0, "upstream-protocol"), (walk.cluster.active, walk.records[0][3]))

    def test_floods(self) -> None:
        """Frames that ask for nothing end the connection."""
        for flood in (
            frame(4, 0, 0), frame(6, 0, 0, bytes(8)), frame(6, 1, 0, bytes(8)), frame(0, 0, 1), frame(8, 0, 0, b"\0\0\0\1"),
            frame(7, 0, 0, b"\0\0\0\1\0\0\0\0"), frame(10, 0, 1, b"\0\0a"), frame(12, 0, 0, b"\0\x0dhttps://a.gov"),
        ):  # fmt: skip
            walk = walked(ONCE)
            server, _ = asked(walk)
            for _ in range(50):
                if walk.upstream.closed is None:
                    walk.upstream.protocol.dataReceived(flood * 200)
                    server.wire.take()
            self.assertIsNotNone(walk.upstream.closed, flood)
            self.assertEqual(0, walk.cluster.active)

    def test_streams_that_are_over(self) -> None:
        """Nothing of an answer comes after its end; what comes after we gave it up is passed over (section 5.1)."""
        for late in (frame(0, 0, 1, b"more"), frame(1, 4, 1, b"\x88")):
            walk = walked()
            server, number = asked(walk)
            walk.upstream.protocol.dataReceived(frame(1, 5, number, b"\x88") + late)  # in one read
            self.assertIsNotNone(walk.upstream.closed)
            for end in (b"", frame(3, 0, 1, bytes(4))):
                walk = walked()
                server, number = asked(walk)
                server.raw(frame(1, 4, number, b"\x88") if end else frame(1, 5, number, b"\x88"))
                server.raw(end)
                self.assertIsNone(walk.upstream.closed)
                for harmless in (frame(8, 0, number, b"\0\0\0\1"), frame(3, 0, number, bytes(4)), frame(2, 0, number, bytes(5))):
                    server.raw(harmless)
                self.assertIsNone(walk.upstream.closed)
                walk.upstream.protocol.dataReceived(late)
                self.assertIsNotNone(walk.upstream.closed, (late, end))
            walk = walked()
            server, number = asked(walk)
            server.raw(frame(1, 4, number, b"\x88"))
            walk.client.lost()
            server.raw(late)
            self.assertIsNone(walk.upstream.closed)

    def test_priority_of_the_connection(self) -> None:
        """PRIORITY belongs to a stream (section 6.3)."""
        self.refused(frame(4, 0, 0) + frame(2, 0, 0, bytes(5)))

    def test_interim_without_end(self) -> None:
        """So do interim answers without end: that stream's."""
        walk = walked()
        server, number = asked(walk)
        for _ in range(40):
            server.raw(frame(1, 4, number, b"\x08\x03103"))
        self.assertIn(b"upstream-protocol", walk.client_sees())

    def test_push(self) -> None:
        """A push was forbidden."""
        walk = walked(ONCE)
        server, number = asked(walk)
        server.raw(frame(5, 4, number, b"\0\0\0\2\x82\x86\x84\x41\x01h"))
        self.assertIn(b"upstream-protocol", walk.client_sees())


class NegotiationTests(SynchronousTestCase):
    """What `protocol:` makes of an endpoint."""

    def https(self, chosen: bytes | None, service: Service) -> Walk:
        walk = walked(service, scheme="https", alpn=chosen)
        walk.get()
        return walk

    def test_auto(self) -> None:
        """On https ALPN decides, and the answer is remembered."""
        walk = self.https(b"h2", Service())
        server = H2Server(walk, walk.upstream)
        self.assertEqual([b"https"], server.asked[1].fields[b":scheme"])
        self.assertEqual([(b"h2", b"http/1.1")], walk.offered)
        walk = self.https(b"http/1.1", Service())
        self.assertTrue(walk.upstream_sees().startswith(b"GET /a HTTP/1.1"))
        walk.new_client().protocol.dataReceived(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertTrue(walk.upstream_sees().startswith(b"GET /b HTTP/1.1"))
        self.assertEqual([(b"h2", b"http/1.1"), (b"http/1.1",)], walk.offered)

    def test_auto_waiting(self) -> None:
        """All that waited for an endpoint that speaks HTTP/1.1 get connections of their own."""
        walk = walked(Service(), scheme="https", alpn=b"http/1.1")
        walk.connect_at_once = False
        clients = [walk.new_client() for _ in range(4)]
        for n, client in enumerate(clients):
            client.protocol.dataReceived(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n)
        clients[1].lost()
        walk.connects()
        clients[3].lost()
        while walk.connecting:
            walk.connects()
        self.assertEqual([b"/0", b"/2"], [wire.take().split()[1] for wire in walk.upstreams if wire.written])
        self.assertEqual(2, walk.cluster.active)

    def test_h2(self) -> None:
        """HTTP/2 over TLS, or nothing."""
        walk = self.https(b"h2", Service(protocol="h2"))
        self.assertEqual(1, H2Server(walk, walk.upstream).last)
        walk = self.https(None, Service(protocol="h2"))
        self.assertIn(b"does not speak HTTP/2", walk.client_sees())
        self.assertEqual(0, walk.cluster.active)

    def test_calls(self) -> None:
        """On http gRPC goes by h2c, all else by HTTP/1.1; gRPC-Web is no gRPC until a plugin makes it so."""
        for kind, http2 in ((b"application/grpc", True), (b"application/grpc-web", False), (b"text/plain", False)):
            walk = walked(Service())
            walk.client_sends(b"POST /s/m HTTP/1.1\r\nHost: h\r\nContent-Type: %b\r\nContent-Length: 0\r\n\r\n" % kind)
            client = H2Client(walk)
            client.request(b"/s/m", b"POST", (b"content-type", kind), ended=False)
            self.assertEqual(http2, walk.upstreams[-1].written[0].startswith(b"PRI * HTTP/2.0"), kind)
            bare = walked(Service())
            H2Client(bare).request(b"/s/m", b"POST", (b"content-type", kind))  # and nothing behind the head
            self.assertEqual(http2, bare.upstream.written[0].startswith(b"PRI * HTTP/2.0"), kind)

    def test_no_calls(self) -> None:
        """A service that is spoken to in HTTP/1.1 only takes no gRPC call, and its caller hears so at once."""
        for service in (Service(protocol="http/1.1"), Service(proxy_protocol="v2")):
            walk = walked(service)
            client = H2Client(walk)
            got = client.got[client.request(b"/s/m", b"POST", (b"content-type", b"application/grpc"), ended=False)]
            self.assertEqual((b"14", True), (got.fields[b"grpc-status"], got.head_only))
            self.assertEqual(([], "upstream-protocol"), (walk.upstreams, walk.records[0][3]))
            self.assertIn("HTTP/1.1 only", walk.finished[0].upstream_fault)
        walk = walked(Service(protocol="http/1.1"))
        H2Client(walk).request(b"/s/m", b"POST", (b"content-type", b"application/grpc-web"), ended=False)
        self.assertTrue(walk.upstream_sees().startswith(b"POST /s/m HTTP/1.1"))  # until a plugin makes it one

    def test_patience_with_calls(self) -> None:
        """A call may be silent for an hour; nothing but its own deadline ends it."""
        walk = walked(Service())
        client = H2Client(walk)
        number = client.request(b"/s/m", b"POST", (b"content-type", b"application/grpc"), ended=False)
        server = H2Server(walk, walk.upstream)
        client.send(number, b"", ended=True)
        server.pump()
        walk.passes(1000)
        self.assertIsNone(server.asked[server.last].ended)
