"""Bodies that plugins change are asked for whole and plain, and nothing is said of them that was said of others."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.run import Chain
from hmsgw.chain.step import TransformStep
from hmsgw.config.model import NOWHERE, Service
from tests.walks.h2_client import begin
from tests.walks.h2_server import H2Server
from tests.walks.test_transforms import HTTP1, Doubles, changing
from tests.walks.walk import OK, Walk
from tests.walks.websocket import OPENING

_HOW: Any = {"deadline_s": 5, "shadow": False, "count_decision": lambda plugin, decision: None}
ASKS = (
    b"Range: bytes=1-2\r\nRANGE: bytes=3-\r\nIf-Range: \"x\"\r\nRequest-Range: bytes=1-2\r\nA-IM: gdiff\r\n"
    b"TE: gzip, trailers\r\nAccept-Encoding: br, identity;q=0\r\nWant-Digest: md5\r\nWant-Content-Digest: sha-256=1\r\n"
    b"Want-Repr-Digest: sha-256=1\r\nIf-None-Match: W/\"x\"\r\nIf-Match: W/\"x\"\r\nCache-Control: no-transform\r\n"
)
SAID = (
    b"ETag: \"x\"\r\nContent-MD5: y\r\nDigest: md5=y\r\nContent-Digest: md5=:y:\r\nRepr-Digest: md5=:y:\r\n"
    b"Accept-Ranges: bytes\r\n"
)


class Answers:
    """Says answers twice; leaves requests alone."""

    def response(self, data: bytes) -> bytes:
        return data * 2


class Declines(Answers):
    """Takes no answer after all."""

    def response_begin(self, resp: Any) -> bool:
        return False


class Requests:
    """Says requests twice; leaves answers alone."""

    def request(self, data: bytes) -> bytes:
        return data * 2


def head_of(seen: bytes) -> dict[bytes, list[bytes]]:
    """Lower-case name -> values, of an answer of HTTP/1.1."""
    fields: dict[bytes, list[bytes]] = {}
    for line in seen.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b": ")
        fields.setdefault(name.lower(), []).append(value)
    return fields


class AskedForTests(SynchronousTestCase):
    """What the upstream is asked."""

    def test_all_of_it(self) -> None:
        """No part, no coding, no digest; conditions stay, for a weakened ETag is compared weakly."""
        walk = Walk(changing(Answers()))
        walk.get(more=ASKS)
        _, fields, _ = walk.upstream_head()
        self.assertEqual([b"identity"], fields[b"accept-encoding"])
        for name in (b"range", b"if-range", b"request-range", b"a-im", b"want-digest", b"want-content-digest", b"want-repr-digest"):
            self.assertNotIn(name, fields)
        self.assertEqual([b"trailers"], fields[b"te"])
        self.assertEqual(([b'W/"x"'], [b'W/"x"']), (fields[b"if-none-match"], fields[b"if-match"]))

    def test_again(self) -> None:
        """A second try asks as the first one did."""
        walk = Walk(changing(Answers()))
        walk.get()
        walk.upstream_sends(OK)
        walk.client_sees()
        walk.get(more=ASKS)
        walk.upstream.take()
        walk.upstream.lost()
        self.assertEqual(2, len(walk.upstreams))
        self.assertEqual([b"identity"], walk.upstream_head()[1][b"accept-encoding"])

    def test_by_others(self) -> None:
        """Whoever's answer nobody changes asks as they like: no plugin, none for this request, only for requests."""
        for chain in (None, changing(None), changing(Requests())):
            walk = Walk(chain)
            walk.get(more=ASKS)
            _, fields, _ = walk.upstream_head()
            self.assertEqual([b"br, identity;q=0"], fields[b"accept-encoding"])
            self.assertEqual([b"bytes=1-2", b"bytes=3-"], fields[b"range"])
            walk.upstream_sends(b"HTTP/1.1 206 Part\r\nContent-Encoding: br\r\nContent-Length: 2\r\n" + SAID + b"\r\nok")
            seen = walk.client_sees()
            self.assertTrue(seen.startswith(b"HTTP/1.1 206 ") and seen.endswith(b"ok") and SAID in seen, seen)

    def test_for_each_request(self) -> None:
        """A plugin that takes some requests only leaves the others their ranges."""
        step = TransformStep(lambda req: Answers() if req.path == "/a" else None, "t", NOWHERE, **_HOW)
        walk = Walk(Chain(Clock(), (), (), (), (step,)))
        walk.get(b"/b", ASKS)
        self.assertIn(b"range", walk.upstream_head()[1])
        walk.upstream_sends(OK)
        walk.client_sees()
        walk.get(b"/a", ASKS)
        self.assertNotIn(b"range", walk.upstream_head()[1])

    def test_trailers(self) -> None:
        """What can't be said before the body can't be said behind it."""
        walk = Walk(changing(Doubles()))
        walk.client_sends(
            b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
            b"Range: bytes=0-1\r\nContent-Digest: md5=:x:\r\nX-Sum: 1\r\n\r\n"
        )
        self.assertTrue(walk.upstream_head()[2].endswith(b"0\r\nX-Sum: 1\r\n\r\n"))

    def test_websocket(self) -> None:
        """An opening may be answered like anything else, so it asks alike."""
        walk = Walk(changing(Answers()))
        walk.client_sends(OPENING.replace(b"\r\n\r\n", b"\r\nRange: bytes=1-2\r\n\r\n"))
        self.assertNotIn(b"range", walk.upstream_head()[1])
        walk.upstream_sends(b"HTTP/1.1 206 Part\r\nContent-Length: 2\r\n\r\nok")
        self.assertIn(b" 502 ", walk.client_sees())

    def test_http2(self) -> None:
        """HTTP/2 on either side says the same."""
        walk, client = begin(chain=changing(Answers()), service=Service(protocol="h2c"))
        number = client.request(b"/a", b"GET", (b"range", b"bytes=1-2"), (b"accept-encoding", b"gzip"))
        server = H2Server(walk, walk.upstream)
        asked = server.asked[server.last].fields
        self.assertEqual([b"identity"], asked[b"accept-encoding"])
        self.assertNotIn(b"range", asked)
        server.answer(server.last, b"ok", (b"etag", b'"x"'), (b"content-length", b"2"), (b"content-digest", b"md5=:y:"))
        client.pump()
        got = client.got[number]
        self.assertEqual((b"okok", b'W/"x"'), (got.body, got.fields[b"etag"]))
        self.assertFalse({b"content-length", b"content-digest"} & set(got.fields))
        number = client.request(b"/a")
        server.pump()
        server.head(server.last, (b"content-range", b"bytes 0-1/9"), status=b"206")
        client.pump()
        self.assertEqual(502, client.got[number].status)
        self.assertEqual(8, server.asked[server.last].ended)


class RefusedTests(SynchronousTestCase):
    """Answers that plugins could not read."""

    def refused(self, answer: bytes, made: Any = None, **how: Any) -> bytes:
        """It does not reach the client, neither in one read nor in many."""
        seen = b""
        for cut in (len(answer), answer.index(b"\r\n\r\n") + 4):
            walk = Walk(changing(made or Answers(), **how))
            walk.get()
            walk.upstream_sends(answer[:cut])
            if answer[cut:] and walk.upstream.closed is None:
                walk.upstream_sends(answer[cut:])
            seen = walk.client_sees()
            self.assertTrue(seen.startswith(b"HTTP/1.1 502 "), seen)
            self.assertNotIn(b"secret", seen)
            self.assertEqual(["upstream-protocol"], [record[3] for record in walk.records])
            walk.get()
            walk.upstream_sends(OK)
            self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 200 "))
        return seen

    def test_parts(self) -> None:
        """A part that nobody asked for, whatever a plugin would say to its type."""
        for start in (b"206 Part\r\n", b"416 No\r\n", b"226 IM Used\r\n", b"200 OK\r\nContent-Type: multipart/byteranges; boundary=x\r\n"):
            for made in (Answers(), Declines()):
                self.refused(b"HTTP/1.1 " + start + b"Content-Length: 6\r\n\r\nsecret", made)

    def test_coded(self) -> None:
        """A body that is packed all the same; one that no plugin takes passes."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nsecret"
        self.refused(answer)
        walk = Walk(changing(Declines()))
        walk.get()
        walk.upstream_sends(answer)
        self.assertTrue(walk.client_sees().endswith(b"secret"))

    def test_hidden(self) -> None:
        """A response step that writes another status, or takes the coding away, does not make it readable."""

        def hide(req: Any, resp: Any) -> None:
            resp.status = 200
            resp.headers.pop("Content-Encoding")

        self.refused(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nsecret", respond=(hide,))
        walk = Walk(changing(Answers(), respond=(hide,)))
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 206 Part\r\nContent-Length: 6\r\n\r\nsecret")
        self.assertNotIn(b"secret", walk.client_sees())

    def test_waiting(self) -> None:
        """A response step that waits: nothing of what came meanwhile follows the refusal."""
        for status in (b"206 Part", b"200 OK"):
            waits: list[Deferred[None]] = []

            def wait(req: Any, resp: Any, waits: list[Deferred[None]] = waits) -> Deferred[None]:
                waits.append(Deferred())
                return waits[-1]

            walk = Walk(changing(Answers(), respond=(wait,)))
            walk.get()
            walk.upstream_sends(b"HTTP/1.1 " + status + b"\r\nContent-Encoding: gzip\r\nContent-Length: 6\r\n\r\nsecret")
            waits[0].callback(None)
            seen = walk.client_sees()
            self.assertTrue(seen.startswith(b"HTTP/1.1 502 ") and seen.endswith(b"}"), seen)
            self.assertNotIn(b"secret", seen)
            self.assertEqual(1, len(walk.records))

    def test_said(self) -> None:
        """The operator is told what came, and what to do."""
        walk = Walk(changing(Answers()))
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 6\r\n\r\nsecret")
        (said,) = [exchange.upstream_fault for exchange in walk.finished]
        self.assertIn("It answered with Content-Encoding br", said)
        self.assertIn("route /*", said)
        self.assertIn("Turn this off in the service", said)

    def test_request_coded(self) -> None:
        """A request's body that a plugin could not read is refused before the upstream hears of it."""
        for line, status in ((b"Content-Encoding: gzip", b" 415 "), (b"Content-Range: bytes 1-3/9", b" 400 "),
                             (b"Content-Type: multipart/byteranges; boundary=x", b" 400 ")):  # fmt: skip
            walk = Walk(changing(Requests()))
            walk.client_sends(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n" + line + b"\r\n\r\nabc")
            seen = walk.client_sees()
            self.assertIn(status, seen)
            self.assertEqual([], walk.upstreams)
            self.assertIs(b"Accept-Encoding: identity\r\n" in seen, status == b" 415 ")
            walk = Walk(changing(Answers()))
            walk.client_sends(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n" + line + b"\r\n\r\nabc")
            self.assertEqual(b"abc", walk.upstream_head()[2])


class SaidTests(SynchronousTestCase):
    """What the client reads of a body that is another."""

    def answer(self, answer: bytes, *, method: bytes = b"GET", made: Any = None) -> bytes:
        """As the client sees it."""
        walk = Walk(changing(made or Answers()), **HTTP1)
        walk.client_sends(method + b" /a HTTP/1.1\r\nHost: h\r\n\r\n")
        walk.upstream_sends(answer)
        return walk.client_sees()

    def test_changed(self) -> None:
        """No length, no digest, no ranges, and an ETag that is weak."""
        seen = self.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + SAID + b"\r\nok")
        fields = head_of(seen)
        self.assertEqual([b'W/"x"'], fields[b"etag"])
        self.assertFalse({b"content-length", b"content-md5", b"digest", b"content-digest", b"repr-digest", b"accept-ranges"} & set(fields))

    def test_left_alone(self) -> None:
        """An answer that no plugin takes keeps all but its ranges: they are not asked for on this route."""
        seen = self.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + SAID + b"\r\nok", made=Declines())
        self.assertTrue(seen.endswith(b"\r\n\r\nok"))
        fields = head_of(seen)
        self.assertEqual(([b'"x"'], [b"y"], [b"2"]), (fields[b"etag"], fields[b"content-md5"], fields[b"content-length"]))
        self.assertNotIn(b"accept-ranges", fields)

    def test_head(self) -> None:
        """HEAD says what GET would: nothing of a length, and the weak ETag."""
        seen = self.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + SAID + b"\r\n", method=b"HEAD")
        fields = head_of(seen)
        self.assertEqual([b'W/"x"'], fields[b"etag"])
        self.assertFalse({b"content-length", b"transfer-encoding", b"content-md5"} & set(fields))
        self.assertTrue(seen.endswith(b"\r\n\r\n"))

    def test_not_modified(self) -> None:
        """A 304 has the ETag of the 200 that it stands for, also where a plugin finds no type to go by."""
        for made in (Answers(), Declines()):
            fields = head_of(self.answer(b"HTTP/1.1 304 Same\r\nContent-Length: 2\r\n" + SAID + b"\r\n", made=made))
            self.assertEqual([b'W/"x"'], fields[b"etag"])
            self.assertFalse({b"content-length", b"content-digest", b"accept-ranges"} & set(fields))

    def test_empty(self) -> None:
        """A body of no byte stays one, with its length."""
        seen = self.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", made=Doubles())
        self.assertEqual([b"0"], head_of(seen)[b"content-length"])
        self.assertTrue(seen.endswith(b"\r\n\r\n"))

    def test_trailers(self) -> None:
        """Trailers are the plugin's before they go out, without digests of the other body; behind an empty one too."""

        class Sees(Answers):
            def response_end(self, trailers: Any) -> bytes:
                trailers["x-sum"] = "-" + trailers["x-sum"]
                return b""

        seen = self.answer(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
            b"Content-Digest: md5=:y:\r\nETag: \"x\"\r\nx-sum: 1\r\n\r\n", made=Sees(),
        )  # fmt: skip
        self.assertTrue(seen.endswith(b"0\r\nETag: W/\"x\"\r\nx-sum: -1\r\n\r\n"), seen)
        walk, client = begin(chain=changing(Sees()), service=Service(protocol="h2c"))
        number = client.request(b"/a")
        server = H2Server(walk, walk.upstream)
        server.head(server.last, (b"content-length", b"0"))
        server.trailers(server.last, (b"x-sum", b"1"))
        client.pump()
        self.assertEqual({b"x-sum": b"-1"}, client.got[number].trailers)

    def test_requests_digests(self) -> None:
        """A request that is changed loses what was said of its bytes, its length as well; one that is not keeps it."""
        lines = b"Content-MD5: y\r\nDigest: md5=y\r\nContent-Digest: md5=:y:\r\nRepr-Digest: md5=:y:\r\n"
        for made, there in ((Requests(), False), (Answers(), True)):
            walk = Walk(changing(made))
            walk.client_sends(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n" + lines + b"\r\na")
            _, fields, _ = walk.upstream_head()
            for name in (b"content-md5", b"digest", b"content-digest", b"repr-digest", b"content-length"):
                self.assertIs(there, name in fields, name)

    def test_own_answers(self) -> None:
        """The gateway's own answers are not changed, nor is anything taken from them, while a response step waits."""
        waits: list[Deferred[None]] = []

        def wait(req: Any, resp: Any) -> Deferred[None]:
            waits.append(Deferred())
            resp.headers["Accept-Ranges"] = "none"
            return waits[-1]

        walk = Walk(changing(Doubles(), respond=(wait,)))
        walk.get()
        walk.upstream.lost()
        waits[0].callback(None)
        seen = walk.client_sees()
        self.assertEqual(1, seen.count(b'"upstream-reset"'))
        self.assertTrue({b"content-length", b"accept-ranges"} <= set(head_of(seen)), seen)
