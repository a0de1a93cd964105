"""Bodies that plugins change, from the client to the upstream and back, without a socket."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError
from hmsgw.chain.run import Chain
from hmsgw.chain.step import RequestStep, ResponseStep, TransformStep
from hmsgw.config.model import NOWHERE, Route
from hmsgw.plugins.grpc_web import GrpcWeb
from tests.walks.h2_client import begin
from tests.walks.walk import OK, Walk
from tests.walks.websocket import OPENING, switched

_HOW: Any = {"deadline_s": 5, "shadow": False, "count_decision": lambda plugin, decision: None}
#: Asked by ALPN, the service takes HTTP/1.1.
HTTP1: Any = {"scheme": "https", "alpn": b"http/1.1"}
_POST = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n"


class Doubles:
    """Says everything twice, and `!` at the end."""

    def request(self, data: bytes) -> bytes:
        return data * 2

    def request_end(self) -> bytes:
        return b"!"

    def response(self, data: bytes) -> bytes:
        return data * 2

    def response_end(self, trailers: Any) -> bytes:
        trailers["X-End"] = "1"
        return b"!"


def changing(made: Any, *run: Any, respond: tuple[Any, ...] = ()) -> Chain:
    """A route's real chain with one plugin that changes bodies. made: by its `transform`, or what it raises."""

    def transform(req: Any) -> Any:
        if isinstance(made, Exception):
            raise made
        return made

    return Chain(
        Clock(), (), tuple(RequestStep(call, "p", NOWHERE, **_HOW) for call in run),
        tuple(ResponseStep(call, "r", NOWHERE, **_HOW) for call in respond),
        (TransformStep(transform, "t", NOWHERE, **_HOW),),
    )  # fmt: skip


class BothWaysTests(SynchronousTestCase):
    def test_request_and_answer(self) -> None:
        """Neither keeps its length; what was held back follows at the end; the log has what went through."""
        walk = Walk(changing(Doubles()))
        walk.client_sends(_POST + b"ab")
        _, fields, body = walk.upstream_head()
        self.assertEqual(([b"chunked"], False), (fields[b"transfer-encoding"], b"content-length" in fields))
        self.assertEqual(b"4\r\nabab\r\n", body)
        walk.client_sends(b"c")
        self.assertEqual(b"2\r\ncc\r\n1\r\n!\r\n0\r\n\r\n", walk.upstream_sees())
        walk.upstream_sends(OK)
        seen = walk.client_sees()
        self.assertTrue(seen.endswith(b"\r\n\r\n4\r\nokok\r\n1\r\n!\r\n0\r\nX-End: 1\r\n\r\n"), seen)
        self.assertNotIn(b"Content-Length", seen)
        self.assertEqual(5, walk.finished[0].bytes_out)
        walk.get()
        walk.upstream_sends(OK)
        self.assertIn(b"okok", walk.client_sees())

    def test_each_piece_at_once(self) -> None:
        """A stream stays a stream."""
        walk = Walk(changing(Doubles()))
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        self.assertTrue(walk.client_sees().endswith(b"2\r\naa\r\n"))
        walk.upstream_sends(b"1\r\nb\r\n")
        self.assertEqual(b"2\r\nbb\r\n", walk.client_sees())

    def test_length_in_pieces(self) -> None:
        """An answer with a length that comes in several reads ends where its upstream said, and the connection is used
        again."""
        for at in range(3):
            walk = Walk(changing(Doubles()))
            walk.get()
            walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + b"ok"[:at])
            if at < 2:
                walk.upstream_sends(b"ok"[at:])
            self.assertTrue(walk.client_sees().endswith(b"1\r\n!\r\n0\r\nX-End: 1\r\n\r\n"))
            walk.get()
            walk.upstream_sends(OK)
            self.assertIn(b"okok", walk.client_sees())
            self.assertEqual(1, len(walk.upstreams))

    def test_no_body_to_change(self) -> None:
        """HEAD, 204 and 304 have none, and none is made; nor is one made for a request without."""
        for method, answer in ((b"HEAD", b"200 OK\r\nContent-Length: 2"), (b"GET", b"204 None"), (b"GET", b"304 None")):
            walk = Walk(changing(Doubles()))
            walk.client_sends(method + b" /a HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertNotIn(b"transfer-encoding", walk.upstream_head()[1])
            walk.upstream_sends(b"HTTP/1.1 " + answer + b"\r\n\r\n")
            self.assertTrue(walk.client_sees().endswith(b"\r\n\r\n"))
            self.assertEqual(0, walk.finished[0].bytes_out)

    def test_waiting(self) -> None:
        """What came while a step waited is changed too, once; and an answer that a step holds up."""
        waits: list[Deferred[None]] = []

        def wait(*_: Any) -> Deferred[None]:
            waits.append(Deferred())
            return waits[-1]

        walk = Walk(changing(Doubles(), wait, respond=(wait,)))
        walk.client_sends(_POST + b"abc")
        waits[0].callback(None)
        self.assertTrue(walk.upstream_head()[2].startswith(b"6\r\nabcabc\r\n"))
        walk.upstream_sends(OK)
        self.assertEqual(b"", walk.client_sees())
        waits[1].callback(None)
        self.assertIn(b"4\r\nokok\r\n1\r\n!\r\n", walk.client_sees())

    def test_websocket(self) -> None:
        """What goes through a WebSocket is its own; but an answer that opens none is one like any other."""
        walk = Walk(changing(Doubles()))
        walk.client_sends(OPENING)
        walk.upstream_sends(OK)
        self.assertIn(b"okok", walk.client_sees())
        walk = Walk(changing(Doubles()))
        walk.client_sends(OPENING)
        walk.upstream_sends(switched() + b"\x81\x02hi")
        seen = walk.client_sees()
        self.assertTrue(seen.startswith(b"HTTP/1.1 101 ") and seen.endswith(b"\x81\x02hi"), seen)

    def test_never_twice(self) -> None:
        """A request whose body was changed is not sent again: the plugin has had its pieces."""
        walk = Walk(changing(Doubles()))
        walk.get()
        walk.upstream_sends(OK)
        walk.client_sees()
        walk.client_sends(_POST.replace(b"POST", b"PUT") + b"abc")
        walk.upstream.lost()
        self.assertIn(b" 502 ", walk.client_sees())
        self.assertEqual(1, len(walk.upstreams))

    def test_answers_of_others(self) -> None:
        """The gateway's own answers, and those of plugins, stay as they are."""

        def refuse(req: Any) -> None:
            raise HTTPError(403, "No.")

        walk = Walk(changing(Doubles(), refuse))
        walk.get()
        self.assertTrue(walk.client_sees().endswith(b"}"))


class FailureTests(SynchronousTestCase):
    """Plugins that can't."""

    def tearDown(self) -> None:
        self.flushLoggedErrors(ValueError)

    def made(self, **methods: Any) -> Any:
        return type("Made", (), methods)()

    def fail(self, *_: Any) -> bytes:  # type: ignore[override]
        raise ValueError("broken")

    def test_at_once(self) -> None:
        """One that fails before anything was sent is a 500, and no upstream hears of it."""
        walk = Walk(changing(ValueError("broken")))
        walk.get()
        self.assertIn(b"plugin-error", walk.client_sees())
        self.assertEqual([], walk.upstreams)

    def test_request_body(self) -> None:
        """A piece that can't be changed: the refusal or the failure is the answer, and the upstream is let go of."""
        for raised, status in ((ValueError("x"), b" 500 "), (HTTPError(400, "No."), b" 400 ")):

            def request(self: Any, data: bytes, raised: Exception = raised) -> bytes:
                raise raised

            walk = Walk(changing(self.made(request=request)))
            walk.client_sends(_POST + b"abc")
            self.assertIn(status, walk.client_sees())
            self.assertEqual("aborted", walk.upstream.closed)
            self.assertEqual(1, len(walk.finished))

    def test_request_end(self) -> None:
        """The same when it fails at the end."""
        walk = Walk(changing(self.made(request=lambda self, data: data, request_end=self.fail)))
        walk.client_sends(_POST + b"abc")
        self.assertIn(b" 500 ", walk.client_sees())
        self.assertEqual("aborted", walk.upstream.closed)

    def test_head_of_the_answer(self) -> None:
        """One that fails at the head: a 500 goes out instead, and nothing of the upstream's answer."""
        walk = Walk(changing(self.made(response=self.fail, response_begin=self.fail)))
        walk.get()
        walk.upstream_sends(OK)
        seen = walk.client_sees()
        self.assertIn(b" 500 ", seen)
        self.assertNotIn(b"ok", seen.partition(b"\r\n\r\n")[2])
        self.assertEqual(["plugin-error"], [record[3] for record in walk.records])

    def test_body_of_the_answer(self) -> None:
        """One that fails later: the answer is cut off, so that nobody takes it for whole."""
        for made in (
            self.made(response=self.fail),
            self.made(response=lambda self, data: data, response_end=self.fail),
        ):
            walk = Walk(changing(made))
            walk.get()
            walk.upstream_sends(OK)
            self.assertEqual("closed", walk.client.closed)
            self.assertNotIn(b"0\r\n\r\n", walk.client_sees())
            self.assertEqual([(200, "plugin-error")], [record[2:] for record in walk.records])


class GrpcWebTests(SynchronousTestCase):
    """The plugin on a route, over HTTP/1.1 and HTTP/2."""

    def chain(self) -> Chain:
        plugin = GrpcWeb()
        return Chain(
            Clock(), (), (RequestStep(plugin.run, "w", NOWHERE, **_HOW),), (),
            (TransformStep(plugin.transform, "w", NOWHERE, **_HOW),),
        )  # fmt: skip

    def test_text_call(self) -> None:
        """Base64 in and out, trailers as the last frame."""
        walk = Walk(self.chain(), **HTTP1)
        walk.client_sends(
            b"POST /s/Do HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 8\r\n"
            b"Accept-Encoding: gzip, br\r\ngrpc-encoding: gzip\r\ngrpc-accept-encoding: gzip\r\n\r\nAAAAAAF4"
        )
        _, fields, body = walk.upstream_head()
        self.assertEqual([b"application/grpc"], fields[b"content-type"])
        self.assertEqual([b"trailers"], fields[b"te"])
        self.assertEqual(([b"identity"], [b"gzip"]), (fields[b"accept-encoding"], fields[b"grpc-accept-encoding"]))
        self.assertEqual(b"6\r\n\0\0\0\0\1x\r\n0\r\n\r\n", body)
        walk.upstream_sends(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\ngrpc-encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"6\r\n\0\0\0\0\1y\r\n0\r\ngrpc-status: 0\r\n\r\n"
        )
        head, _, body = walk.client_sees().partition(b"\r\n\r\n")
        self.assertIn(b"Content-Type: application/grpc-web-text", head)
        self.assertEqual(b"8\r\nAAAAAAF5\r\n1c\r\ngAAAABBncnBjLXN0YXR1czogMA0K\r\n0\r\n\r\n", body)

    def test_binary_call(self) -> None:
        """The same over HTTP/2, untouched but for the last frame."""
        walk, client = begin(chain=self.chain(), **HTTP1, routes=[Route(path="/*", service="svc", name="/*")])
        number = client.request(b"/s/Do", b"POST", (b"content-type", b"application/grpc-web+proto"), ended=False)
        client.send(number, b"\0\0\0\0\1x", ended=True)
        self.assertEqual([b"application/grpc+proto"], walk.upstream_head()[1][b"content-type"])
        client.answered(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc+proto\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\ngrpc-status: 5\r\n\r\n"
        )
        got = client.got[number]
        self.assertEqual(b"application/grpc-web+proto", got.fields[b"content-type"])
        self.assertEqual((b"\x80\0\0\0\x10grpc-status: 5\r\n", {}), (got.body, got.trailers))

    def test_refused(self) -> None:
        """Text that is no base64: the refusal is in gRPC-Web's own words."""
        walk = Walk(self.chain(), **HTTP1)
        walk.client_sends(
            b"POST /s/Do HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 8\r\n\r\n"
            b"AAAA!AF4"
        )
        seen = walk.client_sees()
        self.assertIn(b"grpc-status: 13", seen)

    def test_packed(self) -> None:
        """HTTP's own packing is not gRPC's: of text it is refused, of an answer too, in gRPC-Web's words."""
        call = b"POST /s/Do HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web-text\r\nContent-Length: 8\r\n"
        walk = Walk(self.chain(), **HTTP1)
        walk.client_sends(call + b"Content-Encoding: gzip\r\n\r\nAAAAAAF4")
        self.assertIn(b"grpc-status: 12", walk.client_sees())
        walk = Walk(self.chain(), **HTTP1)
        walk.client_sends(call + b"\r\nAAAAAAF4")
        walk.upstream_sends(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"
        )
        seen = walk.client_sees()
        self.assertIn(b"grpc-status: 14", seen)
        self.assertTrue(seen.startswith(b"HTTP/1.1 200 ") and seen.endswith(b"\r\n\r\n"), seen)
        self.assertIn(b"Content-Type: application/grpc-web-text\r\n", seen)
