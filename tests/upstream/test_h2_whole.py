"""Requests and answers over HTTP/2 that come in one read: what they are told as, and what may not get lost on the way."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import Limits, Service
from hmsgw.wire import http2_answers
from hmsgw.wire.fieldlines import BadLine
from tests.walks.h2_client import H2Client, frame
from tests.walks.h2_server import H2Server
from tests.walks.walk import OK, Walk, chain_of

H2C = Service(protocol="h2c")
_CALL = ((b"content-type", b"application/grpc"), (b"te", b"trailers"))
_START = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"api.example"), (b":path", b"/a")]
REFUSED = 7


def together(client: H2Client, *calls: tuple[bytes, ...], more: Any = ()) -> list[int]:
    """Send requests with these pieces of body, each to its end, all in one read."""
    numbers = []
    for pieces in calls:
        number = client.session.send_request([*_START, *more], end_stream=False)
        for piece in pieces[:-1]:
            client.session.send_data(number, piece)
        client.session.send_data(number, pieces[-1], end_stream=True)
        numbers.append(number)
    client.pump()
    return numbers


def answer(server: H2Server, *numbers: int, body: bytes = b"hello", more: Any = ()) -> None:
    """Head, body and trailers of each, all in one read."""
    for number in numbers:
        server.session.send_response(number, [(b":status", b"200"), *_CALL[:1], *more])
        if body:
            server.session.send_data(number, body)
        server.session.send_trailers(number, [(b"grpc-status", b"0")])
    server.pump()


class RequestTests(SynchronousTestCase):
    """A body that came with its head."""

    def test_several(self) -> None:
        """Goes on whole, whoever came between its frames."""
        walk = Walk(service=H2C)
        client = H2Client(walk)
        numbers = together(client, (b"one",), (b"t", b"w", b"o"), (b"",))
        server = H2Server(walk, walk.upstream)
        self.assertEqual([b"one", b"two", b""], [asked.body for asked in server.asked.values()])
        self.assertEqual([True] * 3, [asked.whole for asked in server.asked.values()])
        for number in list(server.asked):
            server.answer(number)
        client.pump()
        self.assertEqual([200] * 3, [client.got[number].status for number in numbers])
        self.assertEqual([3, 3, 0], [exchange.bytes_in for exchange in walk.finished])

    def test_to_http1(self) -> None:
        """The same to a backend that speaks HTTP/1.1."""
        walk = Walk()
        client = H2Client(walk)
        together(client, (b"one",))
        line, fields, rest = walk.upstream_head()
        self.assertEqual((b"POST /a HTTP/1.1", [b"chunked"], b"3\r\none\r\n0\r\n\r\n"), (line, fields[b"transfer-encoding"], rest))
        client.answered(OK)
        self.assertEqual([("POST", "/a", 200, "")], walk.records)

    def test_too_long(self) -> None:
        """Past `limits.body` it is refused before anything of it goes on; of the limit's length it passes."""
        for size, status in ((10, 200), (11, 413)):
            walk = Walk(limits=Limits(body=10))
            client = H2Client(walk)
            (number,) = together(client, (bytes(size),))
            if status == 200:
                client.answered(OK)
            self.assertEqual(status, client.got[number].status)
            self.assertEqual(status == 200, bool(walk.upstreams))

    def test_plugin_takes_it(self) -> None:
        """`req.body()` has it at once, and it still goes on."""
        seen: list[bytes] = []

        async def read(req: Any) -> None:
            seen.append(await req.body())

        walk = Walk(chain_of(read), service=H2C)
        client = H2Client(walk)
        together(client, (b"one",))
        server = H2Server(walk, walk.upstream)
        self.assertEqual(([b"one"], b"one", True), (seen, server.asked[1].body, server.asked[1].whole))

    def test_plugin_waits(self) -> None:
        """It is held, unacknowledged, until the chain has decided."""
        gate: Deferred[None] = Deferred()
        walk = Walk(chain_of(lambda req: gate), service=H2C, limits=Limits(buffer=65536))
        client = H2Client(walk)
        before = client.session.remote_window_size
        together(client, (bytes(50000),))
        self.assertEqual(before - 50000, client.session.remote_window_size)
        gate.callback(None)
        server = H2Server(walk, walk.upstream)
        self.assertEqual((bytes(50000), True), (server.asked[1].body, server.asked[1].whole))

    def test_again(self) -> None:
        """Refused by the backend: sent once more, with its body."""
        walk = Walk(service=H2C)
        client = H2Client(walk)
        (number,) = together(client, (b"one",))
        server = H2Server(walk, walk.upstream)
        server.reset(1, REFUSED)
        self.assertEqual((b"one", True), (server.asked[3].body, server.asked[3].whole))
        server.answer(3)
        client.pump()
        self.assertEqual((200, ["svc"]), (client.got[number].status, walk.retries))

    def test_length_that_lies(self) -> None:
        """Nobody gets an answer to what is malformed (RFC 9113 section 8.1.1), and no backend a request that is whole."""
        for body in (b"four", b"a"):
            walk = Walk()
            client = H2Client(walk)
            number = client.session.send_request([*_START, (b"content-length", b"3")], end_stream=False)
            client.wire.protocol.dataReceived(client.session.data_to_send() + frame(0, 1, number, body))
            client.pump()
            self.assertEqual((1, "aborted"), (client.got[number].ended, walk.upstream.closed))
            self.assertFalse(walk.upstream_sees().endswith(body))
            self.assertEqual([499], [status for _, _, status, _ in walk.records])

    def test_trailers(self) -> None:
        """Behind the body they go on as before, in one read too."""
        walk = Walk(service=H2C)
        client = H2Client(walk)
        number = client.session.send_request(_START, end_stream=False)
        client.session.send_data(number, b"one")
        client.session.send_trailers(number, [(b"x-sum", b"7")])
        client.pump()
        asked = H2Server(walk, walk.upstream).asked[1]
        self.assertEqual((b"one", {b"x-sum": b"7"}, True), (asked.body, asked.trailers, asked.whole))


    def test_too_many_trailers(self) -> None:
        """The bounds of a head hold for them too; what came with its head never gets to a backend."""
        bad = [[(b"x-%d" % n, b"1") for n in range(6)], [(b"x-a", bytes(b"a" * 200))]]
        for trailers in bad:
            for together in (True, False):
                walk = Walk(service=H2C, limits=Limits(fields=5, field=100))
                client = H2Client(walk)
                number = client.session.send_request(_START, end_stream=False)
                if not together:
                    client.pump()
                client.session.send_data(number, b"one")
                client.session.send_trailers(number, trailers)
                client.pump()
                self.assertEqual((400, not together), (client.got[number].status, bool(walk.upstreams)))
                self.assertEqual(["bad-request"], [reason for _, _, _, reason in walk.records])
                self.assertEqual(0, walk.cluster.active)


class AnswerTests(SynchronousTestCase):
    """An answer whose head, body and trailers came together."""

    def test_several(self) -> None:
        """Each is whole, whoever came between its frames."""
        walk = Walk(service=H2C)
        client = H2Client(walk)
        numbers = together(client, (b"a",), (b"b",), more=_CALL)
        server = H2Server(walk, walk.upstream)
        answer(server, *server.asked)
        client.pump()
        for number in numbers:
            got = client.got[number]
            self.assertEqual((200, b"hello", {b"grpc-status": b"0"}, 0), (got.status, got.body, got.trailers, got.ended))
        self.assertEqual([5, 5], [exchange.bytes_out for exchange in walk.finished])
        self.assertEqual(0, walk.cluster.active)

    def test_without_a_body(self) -> None:
        """Head and trailers alone stay two."""
        walk = Walk(service=H2C)
        client = H2Client(walk)
        (number,) = together(client, (b"a",), more=_CALL)
        answer(H2Server(walk, walk.upstream), 1, body=b"")
        client.pump()
        self.assertEqual((b"", {b"grpc-status": b"0"}), (client.got[number].body, client.got[number].trailers))

    def test_to_http1(self) -> None:
        """Chunked, with its trailers."""
        walk = Walk(service=H2C)
        walk.get()
        answer(H2Server(walk, walk.upstream), 1)
        seen = walk.client_sees()
        self.assertIn(b"\r\nTransfer-Encoding: chunked\r\n", seen)
        self.assertTrue(seen.endswith(b"\r\n\r\n5\r\nhello\r\n0\r\ngrpc-status: 0\r\n\r\n"), seen)

    def test_long(self) -> None:
        """More than may wait for a client goes in pieces, its trailers behind it."""
        walk = Walk(service=H2C, limits=Limits(buffer=65536))
        client = H2Client(walk, window=1000)
        (number,) = together(client, (b"a",), more=_CALL)
        answer(H2Server(walk, walk.upstream, window=1 << 24), 1, body=bytes(60000))
        for _ in range(100):
            client.pump()
        self.assertEqual((60000, {b"grpc-status": b"0"}), (len(client.got[number].body), client.got[number].trailers))

    def test_response_steps(self) -> None:
        """Run on its head, and lose nothing of it, also when one waits."""
        for waits in (False, True):
            gate: Deferred[None] = Deferred()

            def step(req: Any, resp: Any, gate: Deferred[None] = gate, waits: bool = waits) -> Any:
                resp.headers["X-Step"] = "ran"
                return gate if waits else None

            walk = Walk(chain_of(respond=(step,)), service=H2C)
            client = H2Client(walk)
            (number,) = together(client, (b"a",), more=_CALL)
            answer(H2Server(walk, walk.upstream), 1)
            if waits:
                self.assertNotIn(number, [n for n, got in client.got.items() if got.status])
                gate.callback(None)
            client.pump()
            got = client.got[number]
            self.assertEqual((b"ran", b"hello", {b"grpc-status": b"0"}), (got.fields[b"x-step"], got.body, got.trailers), waits)

    def test_alike(self) -> None:
        """What was done to one answer is not seen in the next that is like it; to HEAD the same head has no body."""

        def step(req: Any, resp: Any) -> None:
            resp.headers["X-Seen"] = str(resp.headers.get("X-Seen"))

        walk = Walk(chain_of(respond=(step,)), service=H2C)
        client = H2Client(walk)
        server = None
        for method in (b"GET", b"GET", b"HEAD", b"GET"):
            number = client.request(b"/a", method)
            server = server or H2Server(walk, walk.upstream)
            server.pump()
            length = (b"content-length", b"2")
            if method == b"HEAD":
                server.head(server.last, length, ended=True)
            else:
                server.answer(server.last, b"ok", length)
            client.pump()
            got = client.got[number]
            body = b"" if method == b"HEAD" else b"ok"
            self.assertEqual((200, b"None", body, b"2"), (got.status, got.fields[b"x-seen"], got.body, got.fields[b"content-length"]))

    def test_step_that_leaves_no_body(self) -> None:
        """A response step makes it a 204: neither body nor trailers follow."""

        def step(req: Any, resp: Any) -> None:
            resp.status = 204

        walk = Walk(chain_of(respond=(step,)), service=H2C)
        client = H2Client(walk)
        (number,) = together(client, (b"a",), more=_CALL)
        answer(H2Server(walk, walk.upstream), 1)
        client.pump()
        got = client.got[number]
        self.assertEqual((204, b"", {}, True, 0), (got.status, got.body, got.trailers, got.whole, got.ended))

    def test_before_the_request_is_whole(self) -> None:
        """It goes out at once, and the stream to the backend ends without an error."""
        walk = Walk(service=H2C)
        client = H2Client(walk)
        number = client.request(b"/a", b"POST", *_CALL, ended=False)
        server = H2Server(walk, walk.upstream)
        answer(server, 1)
        client.pump()
        self.assertEqual((b"hello", {b"grpc-status": b"0"}), (client.got[number].body, client.got[number].trailers))
        self.assertEqual(0, server.asked[1].ended)

    def test_trailers_that_cannot_be_read(self) -> None:
        """A 502, as nothing of it went out; and the window of its body is given back."""

        def unreadable(pairs: Any) -> Any:
            raise BadLine("A field's value begins with white space.")

        self.patch(http2_answers, "trailer_fields", unreadable)
        walk = Walk(service=H2C, limits=Limits(buffer=16384))
        client = H2Client(walk)
        server = None
        for _ in range(300):  # 100 streams' windows make the connection's
            (number,) = together(client, (b"a",))
            server = server or H2Server(walk, walk.upstream)
            server.pump()
            answer(server, server.last, body=bytes(10000))
            client.pump()
            self.assertEqual((502, 0), (client.got[number].status, walk.cluster.active))
