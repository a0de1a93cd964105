"""gRPC calls, from their client to the upstream and back, without a socket."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError
from hmsgw.config.model import Route, Service, Timeouts
from hmsgw.wire.grpc import given_s
from tests.walks.h2_client import begin
from tests.walks.h2_server import H2Server
from tests.walks.walk import OK, Walk, chain_of

H2C = Service(protocol="h2c")
#: Asked by ALPN, the service takes HTTP/1.1.
HTTP1: Any = {"scheme": "https", "alpn": b"http/1.1"}
CANCEL = 8
GRPC = (b"content-type", b"application/grpc")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n"


class DeadlineTests(SynchronousTestCase):
    """`grpc-timeout`."""

    def test_lowered(self) -> None:
        """The upstream is told what is left; a service's own total is part of it."""
        for total_s, waited_s, left_s in ((None, 0, 2.0), (None, 1, 1.0), (1.5, 0, 1.5), (60, 0, 2.0)):
            walk, client = begin(service=Service(timeouts=Timeouts(total=total_s)), **HTTP1)
            walk.connect_at_once = False
            client.request(b"/svc/Do", b"POST", GRPC, (b"grpc-timeout", b"2S"), ended=False)
            walk.passes(waited_s)
            walk.connects()
            _, fields, _ = walk.upstream_head()
            (value,) = fields[b"grpc-timeout"]
            self.assertAlmostEqual(left_s, given_s([(b"grpc-timeout", b"", value)]) or 0, 3)

    def test_passed(self) -> None:
        """No answer in time: DEADLINE_EXCEEDED, without a body; the upstream is let go of."""
        walk, client = begin(**HTTP1)
        number = client.request(b"/svc/Do", b"POST", GRPC, (b"grpc-timeout", b"500m"), ended=False)
        walk.passes(2)
        client.pump()
        got = client.got[number]
        self.assertEqual((200, b"4", True, b""), (got.status, got.fields[b"grpc-status"], got.whole, got.body))
        self.assertEqual("aborted", walk.upstream.closed)
        self.assertEqual((200, "upstream-timeout"), walk.records[0][2:])

    def test_passed_in_the_middle(self) -> None:
        """An answer that has begun ends in trailers that say so: messages that came are the caller's."""
        walk, client = begin(**HTTP1)
        number = client.request(b"/svc/Do", b"POST", GRPC, (b"grpc-timeout", b"1S"), ended=False)
        client.answered(_HEAD + b"6\r\n\0\0\0\0\1x\r\n")
        walk.passes(3)
        client.pump()
        got = client.got[number]
        self.assertEqual((b"\0\0\0\0\1x", True), (got.body, got.whole))
        self.assertEqual(b"4", got.trailers[b"grpc-status"])

    def test_upstream_looks_at_the_clock_first(self) -> None:
        """A backend that breaks off when the time is over, a moment before we do it, has not failed."""
        for at_s, status, reason in ((1.0, b"4", "upstream-timeout"), (0.5, b"1", "upstream-reset")):
            walk, client = begin(service=H2C)
            number = client.request(b"/svc/Do", b"POST", GRPC, (b"grpc-timeout", b"1S"), ended=False)
            server = H2Server(walk, walk.upstream)
            server.head(server.last, GRPC)
            walk.clock.rightNow += at_s  # nothing that is due is looked at yet
            server.reset(server.last, CANCEL)
            client.pump()
            self.assertEqual((True, status), (client.got[number].whole, client.got[number].trailers[b"grpc-status"]))
            self.assertEqual(reason, walk.records[0][3])

    def test_none_of_ours(self) -> None:
        """The field of a request that is no call goes on as it came, and ends nothing."""
        walk, client = begin(**HTTP1)
        client.request(b"/a", b"POST", (b"grpc-timeout", b"soon"), ended=False)
        self.assertEqual([b"soon"], walk.upstream_head()[1][b"grpc-timeout"])

    def test_malformed(self) -> None:
        """A time that can't be read is refused, in gRPC's words."""
        walk, client = begin(**HTTP1)
        number = client.request(b"/a", b"POST", GRPC, (b"grpc-timeout", b"soon"), ended=False)
        self.assertEqual((200, b"13"), (client.got[number].status, client.got[number].fields[b"grpc-status"]))
        self.assertEqual([], walk.upstreams)


class StatusTests(SynchronousTestCase):
    """`grpc_status`: what the log and the metrics are told of a call's end."""

    def logged(self, walk: Walk) -> int | None:
        (finished,) = walk.finished
        return finished.grpc_status

    def test_trailers(self) -> None:
        """As the service said behind its messages."""
        walk, client = begin(service=H2C)
        client.request(b"/svc/Do", b"POST", GRPC, ended=False)
        server = H2Server(walk, walk.upstream)
        server.head(server.last, GRPC)
        server.data(server.last, b"\0\0\0\0\1x")
        server.trailers(server.last, (b"grpc-status", b"9"))
        self.assertEqual(9, self.logged(walk))

    def test_trailers_only(self) -> None:
        """As the service said in its head, whether the call was whole by then or not; which for the caller is the end,
        too, and has no field that only HTTP needs but Date (RFC 9110 section 6.6.1)."""
        for ended in (False, True):
            walk, client = begin(service=H2C)
            number = client.request(b"/svc/Do", b"POST", GRPC, ended=False)
            if ended:
                client.send(number, b"\0\0\0\0\1x", ended=True)
            server = H2Server(walk, walk.upstream)
            server.head(server.last, GRPC, (b"grpc-status", b"5"), ended=True)
            client.pump()
            got = client.got[number]
            self.assertEqual({b"content-type", b"grpc-status", b"date"}, set(got.fields))
            self.assertEqual((b"5", True), (got.fields[b"grpc-status"], got.head_only))
            self.assertEqual(5, self.logged(walk))

    def test_refused(self) -> None:
        """The gateway's own refusals: by a plugin, for want of a route, and of a GET that calls itself a call."""

        def no(req: object) -> None:
            raise HTTPError(403, "No.")

        for path, method, status in ((b"/a", b"POST", 7), (b"/b", b"POST", 12), (b"/a", b"GET", 7)):
            walk, client = begin(chains=[chain_of(no)], routes=[Route(path="/a", service="svc", name="/a")])
            got = client.got[client.request(path, method, GRPC)]
            self.assertEqual(status, self.logged(walk))
            self.assertEqual((True, None), (got.head_only, got.fields.get(b"content-length")))

    def test_cut(self) -> None:
        """A call that is cut in the middle of its answer, if its caller can be told."""
        walk, client = begin(**HTTP1)
        client.request(b"/svc/Do", b"POST", GRPC, ended=False)
        client.answered(_HEAD + b"6\r\n\0\0\0\0\1x\r\n")
        walk.upstream.lost()
        self.assertEqual(14, self.logged(walk))
        walk = Walk(**HTTP1)
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc-web\r\nContent-Length: 0\r\n\r\n")
        walk.upstream_sends(_HEAD + b"6\r\n\0\0\0\0\1x\r\n")
        walk.upstream.lost()
        self.assertIsNone(self.logged(walk))

    def test_no_call(self) -> None:
        """Of other requests nothing is told, answered, refused or with trailers."""
        for path, answer in ((b"/a", OK), (b"/a", _HEAD + b"0\r\ngrpc-status: 3\r\n\r\n"), (b"/b", None)):
            walk = Walk(routes=[Route(path="/a", service="svc", name="/a")])
            walk.get(path)
            if answer is not None:
                walk.upstream_sends(answer)
            self.assertIsNone(self.logged(walk))


class EndTests(SynchronousTestCase):
    """Calls that end otherwise than their service meant."""

    def test_upstream_gone(self) -> None:
        """An upstream that is gone in the middle of its answer: UNAVAILABLE, in trailers."""
        walk, client = begin(**HTTP1)
        number = client.request(b"/svc/Do", b"POST", GRPC, ended=False)
        client.answered(_HEAD + b"6\r\n\0\0\0\0\1x\r\n")
        walk.upstream.lost()
        client.pump()
        got = client.got[number]
        self.assertEqual((b"14", "upstream-reset"), (got.trailers[b"grpc-status"], walk.records[0][3]))

    def test_gateway_stops(self) -> None:
        """A call that is under way when the time to drain is over ends as UNAVAILABLE; only one without an answer is
        asked to come again: messages that were delivered would be delivered twice."""
        for begun, words in ((True, b"call was cut"), (False, b"send the request again")):
            walk, client = begin(**HTTP1)
            number = client.request(b"/svc/Do", b"POST", GRPC, ended=False)
            if begun:
                client.answered(_HEAD + b"6\r\n\0\0\0\0\1x\r\n")
            walk.door.drain()
            walk.door.stop_all()
            client.pump()
            got = client.got[number]
            end = got.trailers if begun else got.fields
            self.assertEqual((b"14", True), (end[b"grpc-status"], got.whole))
            self.assertIn(words, end[b"grpc-message"])
            self.assertEqual("draining", walk.records[0][3])

    def test_upstream_resets(self) -> None:
        """The code of a backend's reset is told in gRPC's words (doc/PROTOCOL-HTTP2.md), whether it had begun or not."""
        for code, status in ((2, b"13"), (0, b"13"), (CANCEL, b"1"), (11, b"8"), (12, b"7")):
            for begun in (False, True):
                walk, client = begin(service=H2C)
                number = client.request(b"/svc/Do", b"POST", GRPC, ended=False)
                server = H2Server(walk, walk.upstream)
                if begun:
                    server.head(server.last, GRPC)
                server.reset(server.last, code)
                client.pump()
                got = client.got[number]
                self.assertEqual(status, (got.trailers if begun else got.fields)[b"grpc-status"], code)
                self.assertEqual("upstream-reset", walk.records[0][3])

    def test_others_are_cut(self) -> None:
        """What is no call has no way to say it: the stream is reset."""
        walk, client = begin(**HTTP1)
        number = client.request(b"/a", b"POST", ended=False)
        client.answered(_HEAD + b"1\r\nx\r\n")
        walk.upstream.lost()
        client.pump()
        self.assertEqual((False, 2), (client.got[number].whole, client.got[number].ended))

    def test_web_callers(self) -> None:
        """A browser's library is answered in its own type."""
        for kind in (b"application/grpc-web", b"application/grpc-web-text"):
            walk, client = begin(**HTTP1)
            walk.connect_at_once = False
            number = client.request(b"/a", b"POST", (b"content-type", kind + b"+proto"), ended=False)
            walk.connect_fails()
            walk.connect_fails()
            client.pump()
            fields = client.got[number].fields
            self.assertEqual((kind, b"14"), (fields[b"content-type"], fields[b"grpc-status"]))

    def test_plain_answer(self) -> None:
        """What an upstream answers is its own, whatever it is."""
        _, client = begin(**HTTP1)
        number = client.request(b"/a", b"POST", GRPC, ended=True)
        client.answered(OK)
        self.assertEqual((200, b"ok"), (client.got[number].status, client.got[number].body))
