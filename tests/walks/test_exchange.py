"""Whole requests, as a trace of what goes over the wires: HTTP/1.1 in, HTTP/1.1 out."""

from __future__ import annotations

import gc
import weakref
from typing import Any
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.chain.api import HTTPError, Response
from hmsgw.chain.verdict import Verdict
from hmsgw.config.model import Deadlines, Limits, Retries, Route, Service, Timeouts
from hmsgw.plugins.body_limit import BodyLimit, Settings
from hmsgw.proxy.body import NO_BODY
from hmsgw.reasons import FORBIDDEN
from tests.walks.walk import OK, Walk, chain_of


class Steps:
    """A chain made of two functions."""

    answers = False
    transforms_bodies = False

    def __init__(self, run: Any = None, respond: Any = None) -> None:
        self._run, self._respond = run, respond
        self.has_response_steps = respond is not None
        self.uses = (1,)

    def run(self, req: Any) -> Any:
        return None if self._run is None else self._run(req)

    def respond(self, req: Any, resp: Any, answering: Any) -> Any:
        return self._respond(req, resp)


FORBID = Verdict(403, FORBIDDEN, "forbidden", "Forbidden", "No.", [], None, "p")


class PlainTests(SynchronousTestCase):
    def test_there_and_back(self) -> None:
        """A request goes up with what the gateway says of it, the answer comes down as it is."""
        walk = Walk()
        walk.get(b"/a?b=c", b"X-Case: Kept\r\n")
        line, fields, rest = walk.upstream_head()
        self.assertEqual(line, b"GET /a?b=c HTTP/1.1")
        self.assertEqual(fields[b"host"], [b"api.example"])
        self.assertEqual(fields[b"x-case"], [b"Kept"])
        self.assertEqual(fields[b"x-forwarded-for"], [b"192.0.2.7"])
        self.assertEqual(fields[b"x-forwarded-proto"], [b"http"])
        self.assertEqual(fields[b"x-forwarded-host"], [b"api.example"])
        self.assertEqual(fields[b"forwarded"], [b"for=192.0.2.7;host=api.example;proto=http"])
        self.assertEqual(fields[b"via"], [b"1.1 hmsgw"])
        self.assertEqual(len(fields[b"x-request-id"][0]), 32)
        self.assertRegex(fields[b"traceparent"][0], b"^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertEqual(rest, b"")
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: d\r\nX-Up: 1\r\n\r\nok")
        self.assertEqual(walk.client_sees(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: d\r\nX-Up: 1\r\n\r\nok")
        self.assertEqual(walk.records, [("GET", "/a", 200, "")])

    def test_kept_alive_both_ways(self) -> None:
        """A second request takes the same connections."""
        walk = Walk()
        for _ in range(3):
            walk.get()
            walk.upstream_sends(OK)
        self.assertEqual(len(walk.upstreams), 1)
        self.assertEqual(walk.client_sees().count(b"HTTP/1.1 200 OK"), 3)

    def test_pipelined_answers_keep_their_order(self) -> None:
        """Requests sent ahead are answered one after the other, each with its own answer."""
        walk = Walk()
        walk.client_sends(b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % n for n in range(5)))
        for n in range(5):
            line, _, _ = walk.upstream_head()
            self.assertEqual(line, b"GET /%d HTTP/1.1" % n)
            walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % n)
        self.assertEqual([record[1] for record in walk.records], [f"/{n}" for n in range(5)])

    def test_one_byte_at_a_time(self) -> None:
        """However the bytes arrive, the messages are the same."""
        walk = Walk()
        for byte in b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n":
            walk.client_sends(bytes((byte,)))
        _, fields, body = walk.upstream_head()
        self.assertEqual(fields[b"transfer-encoding"], [b"chunked"])
        self.assertEqual(body, b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n")
        for byte in b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-U: 2\r\n\r\n":
            walk.upstream_sends(bytes((byte,)))
        self.assertTrue(walk.client_sees().endswith(b"0\r\nX-U: 2\r\n\r\n"))
        self.assertEqual(walk.records[0][2], 200)

    def test_counted_body_streams(self) -> None:
        """A body goes up as it comes, before it is whole."""
        walk = Walk()
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        _, fields, body = walk.upstream_head()
        self.assertEqual((fields[b"content-length"], body), ([b"6"], b"abc"))
        walk.client_sends(b"defGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertEqual(walk.upstream_sees(), b"def")
        walk.upstream_sends(OK)
        self.assertTrue(walk.upstream_sees().startswith(b"GET /b"))

    def test_answer_before_the_body_is_whole(self) -> None:
        """Both directions at once: an early answer goes down while the rest of the body is read and dropped."""
        walk = Walk()
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        walk.upstream_sends(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        self.assertIn(b"413", walk.client_sees())
        self.assertEqual(walk.upstream.closed, "aborted")
        walk.client_sends(b"defGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertTrue(walk.upstream_sees().startswith(b"GET /b"))

    def test_http_1_0_client(self) -> None:
        """An HTTP/1.0 client gets no chunks and a closed connection, and no 1xx."""
        walk = Walk()
        walk.client_sends(b"GET /a HTTP/1.0\r\n\r\n")
        walk.upstream_sends(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        seen = walk.client_sees()
        self.assertNotIn(b"103", seen)
        self.assertNotIn(b"chunked", seen)
        self.assertTrue(seen.endswith(b"\r\n\r\nok"))
        self.assertEqual(walk.client.closed, "closed")

    def test_informational_answers_pass(self) -> None:
        """1xx answers go down at once; Expect goes up."""
        walk = Walk()
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        _, fields, _ = walk.upstream_head()
        self.assertEqual(fields[b"expect"], [b"100-continue"])
        walk.upstream_sends(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(walk.client_sees(), b"HTTP/1.1 100 Continue\r\n\r\n")
        walk.client_sends(b"hi")
        self.assertEqual(walk.upstream_sees(), b"hi")
        walk.upstream_sends(OK)
        self.assertIn(b"200 OK", walk.client_sees())

    def test_head_and_no_content(self) -> None:
        """HEAD, 204 and 304 answers end at their head, and the connection goes on."""
        walk = Walk()
        walk.client_sends(b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n")
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
        self.assertIn(b"Content-Length: 99", walk.client_sees())
        for status in (b"204 No Content", b"304 Not Modified"):
            walk.get()
            walk.upstream_sends(b"HTTP/1.1 " + status + b"\r\n\r\n")
            self.assertNotIn(b"Content-Length", walk.client_sees())
        self.assertEqual((len(walk.upstreams), walk.client.closed), (1, None))

    def test_body_that_ends_with_the_connection(self) -> None:
        """An upstream that closes to end its body: chunks for the client."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\n\r\nab")
        walk.upstream_sends(b"cd")
        walk.upstream.lost()
        self.assertTrue(walk.client_sees().endswith(b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n"))
        self.assertEqual(walk.records[0][2:], (200, ""))

    def test_endless_body_cut_short(self) -> None:
        """The same body ended by a reset is not passed off as whole."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\n\r\nab")
        walk.upstream.lost(clean=False)
        self.assertTrue(walk.client_sees().endswith(b"\r\n\r\n2\r\nab\r\n"))
        self.assertEqual((walk.client.closed, walk.records[0][3]), ("closed", "upstream-reset"))

    def test_cut_short(self) -> None:
        """A client that could take the close for the proper end is told otherwise; one that is still sending, in time."""
        walk = Walk()
        walk.client_sends(b"GET /a HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        walk.upstream.lost(clean=False)
        self.assertEqual("aborted", walk.client.closed)
        walk = Walk()
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\nx")
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        walk.upstream.lost(clean=False)
        self.assertTrue(walk.client_sees().endswith(b"\r\n\r\nab"))
        self.assertEqual((None, True), (walk.client.closed, walk.client.half_closed))
        walk.clock.pump([0.5] * 10)
        self.assertEqual("aborted", walk.client.closed)


class ForwardingTests(SynchronousTestCase):
    def test_nothing_of_the_hop_and_nothing_forged(self) -> None:
        """Hop-by-hop fields, forged ones, look-alikes and nominated ones do not reach the upstream."""
        walk = Walk()
        walk.get(b"/a", b"".join(line + b"\r\n" for line in (
            b"Connection: keep-alive, X-Drop, X-Forwarded-For, Authorization", b"X-Drop: 1", b"Keep-Alive: 5",
            b"Proxy-Connection: x", b"Upgrade: h2c", b"HTTP2-Settings: x", b"TE: gzip", b"Proxy-Authorization: y",
            b"X-Forwarded-For: 6.6.6.6", b"x-forwarded-proto: https", b"X-Real-IP: 6.6.6.6", b"Forwarded: for=6.6.6.6",
            b"X_Forwarded_For: 6.6.6.6", b"X-Request-Id: forged", b"Authorization: Bearer t", b"X-Keep: 1",
        )))  # fmt: skip
        _, fields, _ = walk.upstream_head()
        self.assertEqual(fields[b"x-forwarded-for"], [b"192.0.2.7"])
        self.assertEqual(fields[b"x-forwarded-proto"], [b"http"])
        self.assertEqual(fields[b"authorization"], [b"Bearer t"])
        self.assertNotEqual(fields[b"x-request-id"], [b"forged"])
        self.assertEqual(len(fields[b"forwarded"]), 1)
        self.assertEqual(fields[b"x-keep"], [b"1"])
        for gone in (
            b"x-drop", b"keep-alive", b"proxy-connection", b"upgrade", b"http2-settings", b"te", b"x-real-ip",
            b"x_forwarded_for", b"connection", b"proxy-authorization",
        ):  # fmt: skip
            self.assertNotIn(gone, fields)

    def test_trusted_proxy_is_believed(self) -> None:
        """From a trusted network the client is the last address that is not trusted."""
        walk = Walk(trusted=("192.0.2.0/24", "10.0.0.0/8"))
        walk.get(
            b"/a",
            b"X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Request-Id: theirs\r\n",
        )
        _, fields, _ = walk.upstream_head()
        self.assertEqual(fields[b"x-forwarded-for"], [b"6.6.6.6, 203.0.113.9, 10.1.1.1, 192.0.2.7"])
        self.assertEqual(fields[b"x-forwarded-proto"], [b"https"])
        self.assertEqual(fields[b"x-request-id"], [b"theirs"])
        walk.upstream_sends(OK)
        self.assertEqual(walk.finished[0].client, "203.0.113.9")

    def test_forwarded_goes_on(self) -> None:
        """A chain in Forwarded is continued like one in X-Forwarded-For, each field from what came."""
        walk = Walk(trusted=("192.0.2.0/24",))
        walk.get(b"/a", b'Forwarded: for=6.6.6.6, for="[2001:db8::1]:99";proto=https;host=pub.example\r\n')
        _, fields, _ = walk.upstream_head()
        self.assertEqual(fields[b"forwarded"], [
            b'for=6.6.6.6, for="[2001:db8::1]:99";proto=https;host=pub.example, '
            b"for=192.0.2.7;host=pub.example;proto=https"
        ])  # fmt: skip
        self.assertEqual(fields[b"x-forwarded-for"], [b"6.6.6.6, 2001:db8::1, 192.0.2.7"])
        walk.upstream_sends(OK)
        walk.get(b"/a", b"X-Forwarded-For: 203.0.113.9\r\n")
        _, fields, _ = walk.upstream_head()
        self.assertEqual(fields[b"forwarded"], [b"for=203.0.113.9, for=192.0.2.7;host=api.example;proto=http"])
        walk.upstream_sends(OK)
        self.assertEqual([exchange.client for exchange in walk.finished], ["2001:db8::1", "203.0.113.9"])

    def test_two_chains_that_disagree(self) -> None:
        """One of them is forged: the request is refused. From anybody else neither counts for anything."""
        forged = b"X-Forwarded-For: 6.6.6.6\r\nForwarded: for=8.8.8.8\r\n"
        walk = Walk(trusted=("192.0.2.0/24",))
        walk.get(b"/a", forged)
        self.assertIn(b'"detail":"X-Forwarded-For and Forwarded name different clients."', walk.client_sees())
        self.assertEqual((walk.upstreams, walk.records), ([], [("GET", "/a", 400, "bad-request")]))
        self.assertEqual(walk.finished[0].client, "192.0.2.7")
        walk.get()
        walk.upstream_sends(OK)
        self.assertIn(b"200 OK", walk.client_sees())
        walk = Walk()
        walk.get(b"/a", forged)
        self.assertEqual(walk.upstream_head()[1][b"x-forwarded-for"], [b"192.0.2.7"])

    def test_trace_goes_on(self) -> None:
        """A valid traceparent is passed on, an invalid one replaced."""
        walk = Walk()
        good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        walk.get(b"/a", b"traceparent: " + good + b"\r\n")
        self.assertEqual(walk.upstream_head()[1][b"traceparent"], [good])
        walk.upstream_sends(OK)
        walk.get(b"/a", b"traceparent: 00-" + b"0" * 32 + b"-00f067aa0ba902b7-01\r\n")
        self.assertNotIn(b"0" * 32, walk.upstream_head()[1][b"traceparent"][0])

    def test_what_was_matched_is_forwarded(self) -> None:
        """The upstream gets the path in the spelling that the route was chosen by."""
        walk = Walk(routes=[Route(path="/pub/*", service="svc", name="pub")])
        walk.get(b"/x/..//pub/./%61?q=%2F..")
        self.assertEqual(walk.upstream_head()[0], b"GET /pub/a?q=%2F.. HTTP/1.1")

    def test_strip_and_rewrite(self) -> None:
        """strip_prefix and rewrite change the path, and only it."""
        walk = Walk(routes=[
            Route(path="/clinics/*", service="svc", name="c", strip_prefix="/clinics"),
            Route(path="/v1/{id}/*", service="svc", name="v", rewrite="/v2/{rest}/{id}"),
        ])  # fmt: skip
        for asked, wanted in ((b"/clinics/7?a=b", b"/7?a=b"), (b"/v1/9/x/y", b"/v2/x/y/9")):
            walk.get(asked)
            self.assertEqual(walk.upstream_head()[0], b"GET " + wanted + b" HTTP/1.1")
            walk.upstream_sends(OK)

    def test_plugin_cannot_break_framing(self) -> None:
        """What a plugin writes into the headers changes neither length nor hop."""

        def run(req: Any) -> None:
            req.headers["Content-Length"] = "999"
            req.headers["Transfer-Encoding"] = "chunked"
            req.headers["Connection"] = "close"
            req.headers["X-Ok"] = "1"

        walk = Walk(Steps(run))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        _, fields, body = walk.upstream_head()
        self.assertEqual((fields[b"content-length"], body, fields[b"x-ok"]), ([b"2"], b"hi", [b"1"]))
        self.assertNotIn(b"transfer-encoding", fields)
        self.assertNotIn(b"connection", fields)

    def test_plugin_writes_path_and_query(self) -> None:
        """A written path is normalised; one that can't be sent is the plugin's error."""

        def run(req: Any) -> None:
            req.path = req.query or "/"
            req.query = ""

        walk = Walk(chain_of(run))
        walk.get(b"/a?/b/../c")
        self.assertEqual(walk.upstream_head()[0], b"GET /c HTTP/1.1")
        walk.upstream_sends(OK)
        walk.client_sees()
        walk.get(b"/a?/%0d%0aX:y")
        self.assertIn(b"plugin-error", walk.client_sees())
        self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_trailers(self) -> None:
        """No trailer brings what plugins own, wrote or removed, or what the gateway says; others pass."""

        def run(req: Any) -> None:
            req.headers["X-Role"] = "guest"
            del req.headers["X-Secret"]

        chain = chain_of(run)
        chain.owned_fields = frozenset({b"x-user"})
        for made, expected in ((chain, b"X-Fine: 1\r\n"), (None, b"X-User: root\r\nX-ROLE: root\r\nX-Secret: 1\r\nX-Fine: 1\r\n")):
            walk = Walk(made)
            walk.client_sends(
                b"POST /a HTTP/1.1\r\nHost: h\r\nX-Secret: 0\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
                b"X-User: root\r\nX-ROLE: root\r\nX-Forwarded-For: 1\r\nX-Request-Id: 1\r\nX_User: 1\r\nX-Secret: 1\r\nX-Fine: 1\r\n\r\n"
            )
            self.assertEqual(b"1\r\na\r\n0\r\n" + expected + b"\r\n", walk.upstream_head()[2])

    def test_nothing_written_nothing_changed(self) -> None:
        """A step that only reads, or writes another part, leaves the target as it came, a bare `?` included."""
        for run in (lambda req: req.headers.get("a"), lambda req: setattr(req, "method", "PUT")):
            walk = Walk(chain_of(lambda req, run=run: run(req) and None))
            walk.get(b"/a?")
            self.assertIn(b" /a? HTTP/1.1\r\n", walk.upstream_sees())


class MethodTests(SynchronousTestCase):
    """A plugin writes the method: each side's messages are framed by the method that this side knows."""

    def walk(self, method: str) -> Walk:
        return Walk(chain_of(lambda req: setattr(req, "method", method) if req.path == "/a" else None))

    def test_get_sent_as_head(self) -> None:
        """The upstream's answer has no body, so the client's has length 0, and both connections go on."""
        for head in (b"HTTP/1.1 200 OK\r\nContent-Length: 388\r\nX-A: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\n"):
            walk = self.walk("HEAD")
            walk.get()
            self.assertEqual(b"HEAD /a HTTP/1.1", walk.upstream_head()[0])
            walk.get(b"/b")
            walk.upstream_sends(head)
            seen = walk.client_sees()
            self.assertIn(b"X-A: b\r\n", seen)
            self.assertEqual((1, 1), (seen.count(b"Content-Length"), seen.count(b"Content-Length: 0\r\n")))
            self.assertEqual(b"GET /b HTTP/1.1", walk.upstream_head()[0])
            walk.upstream_sends(OK)
            self.assertTrue(walk.client_sees().endswith(b"\r\n\r\nok"))
            self.assertEqual(1, len(walk.upstreams))

    def test_body_sent_with_head(self) -> None:
        """The same where the answer comes before the request's body is whole."""
        walk = self.walk("HEAD")
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab")
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 388\r\n\r\n")
        self.assertIn(b"Content-Length: 0\r\n", walk.client_sees())

    def test_head_sent_as_get(self) -> None:
        """The upstream's body is read to its end and dropped: it never becomes the next request's answer."""
        poison = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Evil: 1\r\n\r\n"
        for at_once in (True, False):
            walk = self.walk("GET")
            walk.client_sends(b"HEAD /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(poison)
            for piece in (head + poison,) if at_once else (head, poison):
                walk.upstream_sends(piece)
            seen = walk.client_sees()
            self.assertTrue(seen.endswith(b"\r\n\r\n"))
            self.assertNotIn(b"X-Evil", seen)
            walk.upstream_sends(OK)
            self.assertTrue(walk.client_sees().endswith(b"ok"))
            self.assertEqual(1, len(walk.upstreams))

    def test_sent_again_by_the_method_sent(self) -> None:
        """On a reused connection that closes, a GET that went as POST is not sent again; a POST that went as PUT is."""
        for asked, sent, again in ((b"GET", "POST", False), (b"POST", "PUT", True)):
            walk = self.walk(sent)
            walk.get(b"/b")
            walk.upstream_sends(OK)
            walk.client_sees()
            walk.client_sends(asked + b" /a HTTP/1.1\r\nHost: h\r\n\r\n")
            walk.upstream.lost()
            self.assertEqual(len(walk.upstreams), 2 if again else 1)
            self.assertEqual(b"502" in walk.client_sees(), not again)

    def test_fresh_connection_for_what_is_not_sent_again(self) -> None:
        """What went as POST takes no connection that has waited long."""
        for asked, sent, connections in ((b"GET", "POST", 2), (b"POST", "PUT", 1)):
            walk = self.walk(sent)
            walk.get(b"/b")
            walk.upstream_sends(OK)
            walk.clock.advance(2)
            walk.client_sends(asked + b" /a HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertEqual(len(walk.upstreams), connections)


class RefusalTests(SynchronousTestCase):
    def refused(self, raw: bytes, status: int, word: str, closed: bool = True) -> Walk:
        walk = Walk(routes=[Route(path="/a", service="svc", name="a", methods=("GET",))])
        walk.client_sends(raw)
        seen = walk.client_sees()
        self.assertTrue(seen.startswith(b"HTTP/1.1 %d" % status), (raw, seen))
        self.assertIn(b'"reason":"%b"' % word.encode(), seen)
        self.assertIn(b"application/problem+json", seen)
        self.assertEqual(walk.upstreams, [])
        self.assertEqual(walk.client.closed is not None or walk.client.half_closed, closed, raw)
        self.assertEqual((walk.records[0][2], walk.records[0][3]), (status, word))
        return walk

    def test_named_answers(self) -> None:
        """Each refusal has its status and its word, and is logged once."""
        self.refused(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n", 404, "no-route", closed=False)
        self.refused(b"PUT /a HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method", closed=False)
        self.refused(b"GET /a%2fb HTTP/1.1\r\nHost: h\r\n\r\n", 400, "bad-path", closed=False)
        self.refused(b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method")
        self.refused(b"TRACE /a HTTP/1.1\r\nHost: h\r\n\r\n", 405, "method", closed=False)
        self.refused(b"GET /a HTTP/1.1\r\n\r\n", 400, "bad-request")
        self.refused(b"GET /a HTTP/1.1\nHost: h\n\n", 400, "bad-request")
        self.refused(b"GET /a HTTP/1.1\r\nHost: h\n\n", 400, "bad-request")
        self.refused(b"GET /a HTTP/1.1\r\nHost: h\n\r\n", 400, "bad-request")
        self.refused(b"GET /a HTTP/1.1\r\nHost: h\r\n\n", 400, "bad-request")
        self.refused(b"GET /a HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 70000 + b"\r\n", 431, "head-too-large")
        self.refused(b"GET /" + b"a" * 70000, 414, "head-too-large")
        self.refused(b"A" * 70000, 400, "bad-request")
        self.refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400, "bad-request")

    def test_head(self) -> None:
        """An answer to HEAD names the length that GET would see, and sends and counts nothing of it."""
        said = Verdict(200, None, "", "OK", None, [], b"hello", "p")
        for chain in (Steps(lambda req: FORBID), Steps(lambda req: said), Steps(lambda req: FORBID, lambda *_: None)):
            walk = Walk(chain)
            walk.get()
            length = b"Content-Length: %d\r\n" % walk.finished[0].bytes_out
            walk.client_sees()
            for more in (b"", b"Content-Length: 2\r\n"):
                walk.client_sends(b"HEAD /a HTTP/1.1\r\nHost: h\r\n" + more + b"\r\n")
                seen = walk.client_sees()
                self.assertIn(length, seen)
                self.assertTrue(seen.endswith(b"\r\n\r\n"), seen)
                self.assertEqual(walk.finished[-1].bytes_out, 0)

    def test_head_that_could_not_be_read(self) -> None:
        """RFC 9110 section 9.3.2: no body either where the method is all that could be read of a request."""
        end = b" HTTP/1.1\r\nHost: h\r\n\r\n"
        for raw, status in (
            (b"HEAD /" + b"a" * 70000, 414), (b"HEAD /" + b"a" * 20000 + end, 414),
            (b"HEAD /" + end[:-2] + b"X: " + b"a" * 70000, 431), (b"HEAD /" + end[:-2] + b"X: y\r\n" * 300 + b"\r\n", 431),
            (b"HEAD /a#b" + end, 400), (b"HEAD  /a" + end, 400), (b"HEAD /a HTTP/1.1\r\n\r\n", 400),
            (b"HEAD /a HTTP/3.0\r\nHost: h\r\n\r\n", 400), (b"HEAD /a\n", 400), (b"\r\nHEAD /a\n", 400),
            (b"HEAD /" + end[:-2] + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        ):  # fmt: skip
            walk = Walk()
            walk.client_sends(raw)
            seen = walk.client_sees()
            self.assertTrue(seen.startswith(b"HTTP/1.1 %d" % status), (raw[:40], seen))
            self.assertIn(b"\r\nContent-Length: ", seen)
            self.assertTrue(seen.endswith(b"\r\n\r\n") and seen.count(b"\r\n\r\n") == 1, seen)
            self.assertEqual((0, True), (walk.finished[0].bytes_out, walk.client.closed or walk.client.half_closed))
        walk = Walk()
        walk.client_sends(b"HEAD /a HTTP/1.1\r\n")
        walk.clock.pump([1.0] * 20)
        seen = walk.client_sees()
        self.assertEqual((True, True), (seen.startswith(b"HTTP/1.1 408"), seen.endswith(b"\r\n\r\n")))

    def test_asterisk(self) -> None:
        """RFC 9110 section 9.3.7: OPTIONS * asks the server itself, and no route."""
        walk = Walk()
        walk.client_sends(b"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n")
        seen = walk.client_sees()
        self.assertTrue(seen.startswith(b"HTTP/1.1 200 OK\r\nAllow: DELETE, GET, HEAD,"), seen)
        self.assertIn(b"\r\nContent-Length: 0\r\n", seen)
        self.assertEqual(([], None, ("OPTIONS", "*", 200, "")), (walk.upstreams, walk.client.closed, walk.records[0]))

    def test_hops_are_counted(self) -> None:
        """RFC 9110 section 7.6.2: OPTIONS and TRACE go on with one hop less, and not at all where none is left."""
        routes = [Route(path="/a", service="svc", name="a", methods=("GET", "OPTIONS", "TRACE"))]
        for method in (b"OPTIONS", b"TRACE", b"GET"):
            for said, goes_on in ((b"3", b"2"), (b"1", b"0"), (b"0", None), (b"00", None), (b"x", b"x"), (b"9" * 30, b"9" * 30)):
                walk = Walk(routes=routes)
                walk.client_sends(method + b" /a HTTP/1.1\r\nHost: h\r\nMAX-Forwards: " + said + b"\r\n\r\n")
                if method == b"GET" or goes_on is not None:
                    seen = walk.upstream_sees()
                    expected = said if method == b"GET" else goes_on
                    self.assertEqual([expected], [
                        line.partition(b": ")[2] for line in seen.split(b"\r\n") if line.lower().startswith(b"max-forwards")
                    ])  # fmt: skip
                else:
                    status = b"200" if method == b"OPTIONS" else b"405"
                    seen = walk.client_sees()
                    self.assertTrue(seen.startswith(b"HTTP/1.1 " + status), seen)
                    self.assertIn(b"\r\nAllow: GET, OPTIONS, TRACE\r\n", seen)
                    self.assertEqual(([], None), (walk.upstreams, walk.client.closed))

    def test_allow_of_a_route_for_all(self) -> None:
        """TRACE is taken only by a route that names it; one that names no method takes all the others."""
        walk = Walk(routes=[Route(path="/a", service="svc", name="a")])
        walk.client_sends(b"TRACE /a HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertIn(b"\r\nAllow: DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n", walk.client_sees())

    def test_allow(self) -> None:
        """A 405 says what is allowed."""
        walk = Walk(routes=[Route(path="/a", service="svc", name="a", methods=("GET", "POST"))])
        walk.client_sends(b"PUT /a HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertIn(b"\r\nAllow: GET, POST\r\n", walk.client_sees())

    def test_smuggling_never_reaches_the_origin(self) -> None:
        """A request with two meanings is refused and the connection closed, with nothing forwarded."""
        for field in (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked, identity"):
            walk = Walk()
            walk.client_sends(
                b"POST /a HTTP/1.1\r\nHost: h\r\n" + field + b"\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: h\r\n\r\n"
            )
            self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 400"))
            self.assertEqual((len(walk.upstreams), len(walk.records)), (0, 1))

    def test_broken_chunks(self) -> None:
        """A body whose framing breaks ends both sides; the client hears 400 if nothing was sent."""
        walk = Walk()
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        walk.client_sends(b"XX\r\n")
        self.assertIn(b"400 Bad Request", walk.client_sees())
        self.assertEqual(walk.upstream.closed, "aborted")
        self.assertEqual(walk.records, [("POST", "/a", 400, "bad-request")])

    def test_refusal_with_a_body_on_its_way(self) -> None:
        """A refused POST: a short rest is read and the next request answered; a long one closes the connection."""
        walk = Walk(Steps(lambda req: FORBID))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc")
        self.assertIn(b"403", walk.client_sees())
        walk.client_sends(b"defPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 900000\r\n\r\nabc")
        self.assertIn(b"Connection: close", walk.client_sees())
        walk.client_sends(b"x" * 1000)
        self.assertTrue(walk.client.half_closed)
        walk.clock.pump([0.5] * 10)
        self.assertEqual(walk.client.closed, "aborted")
        self.assertEqual([record[1:] for record in walk.records], [("/a", 403, "forbidden"), ("/b", 403, "forbidden")])

    def test_grpc_callers_get_trailers_only(self) -> None:
        """A gRPC caller hears a refusal in gRPC's words."""
        walk = Walk(Steps(lambda req: FORBID))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n")
        seen = walk.client_sees()
        self.assertTrue(seen.startswith(b"HTTP/1.1 200"))
        self.assertIn(b"grpc-status: 7\r\ngrpc-message: No.", seen)


class UpstreamTroubleTests(SynchronousTestCase):
    def test_garbage(self) -> None:
        """An upstream that answers garbage is a 502 upstream-protocol."""
        for raw in (
            b"hello\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"HTTP/1.1 101 S\r\n\r\n",
        ):
            walk = Walk()
            walk.get()
            walk.upstream_sends(raw)
            self.assertIn(b"502 Bad Gateway", walk.client_sees())
            self.assertEqual((walk.records[0][3], walk.upstream.closed), ("upstream-protocol", "aborted"))

    def test_interim_flood(self) -> None:
        """An upstream that only ever promises is given up."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40)
        self.assertEqual((walk.records[0][3], walk.upstream.closed), ("upstream-protocol", "aborted"))

    def test_endless_head(self) -> None:
        """A head without an end is given up within its bound."""
        walk = Walk()
        walk.get()
        for _ in range(40):
            if walk.upstream.closed is None:
                walk.upstream_sends(b"X" * 10_000)
        self.assertEqual(walk.records[0][3], "upstream-protocol")

    def test_bytes_after_an_answer(self) -> None:
        """What follows an answer is nobody's answer: the connection is not used again (response splitting)."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        walk.get()
        self.assertEqual(len(walk.upstreams), 2)
        self.assertNotIn(b"evil", walk.client_sees())

    def test_unasked_bytes_on_an_idle_connection(self) -> None:
        """An idle connection that speaks is closed."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(OK)
        walk.upstream_sends(OK)
        self.assertEqual(walk.upstream.closed, "aborted")

    def test_first_byte_and_idle_deadlines(self) -> None:
        """No answer in time is a 504; an answer that stalls is cut."""
        walk = Walk(service=Service(timeouts=Timeouts(first_byte=5.0, idle=7.0)))
        walk.get()
        walk.clock.pump([1.0] * 4)
        self.assertEqual(walk.records, [])
        walk.clock.pump([1.0] * 2)
        self.assertEqual(walk.records[0][2:], (504, "upstream-timeout"))
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        walk.clock.pump([1.0] * 9)
        self.assertEqual((walk.records[1][2:], walk.client.closed), ((200, "upstream-timeout"), "closed"))

    def test_time_of_failed_tries(self) -> None:
        """What an upstream took counts, whether its answer began or not, over all tries."""
        walk = Walk(service=Service(timeouts=Timeouts(first_byte=5.0)))
        walk.get()
        walk.passes(6)
        walk.get()
        walk.clock.advance(1.0)
        walk.upstream.lost()
        walk.get()
        walk.clock.advance(1.0)
        walk.upstream_sends(b"hello\r\n\r\n")
        self.assertEqual([record[2] for record in walk.records], [504, 502, 502])
        taken = [exchange.upstream_s for exchange in walk.finished]
        self.assertEqual(taken[1:], [1.0, 1.0])
        self.assertTrue(5.0 <= (taken[0] or 0.0) <= 5.3)

    def test_time_of_retries(self) -> None:
        """A try that was repeated is part of it; one that never got a connection is not."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(OK)
        walk.get()
        walk.clock.advance(1.0)
        walk.upstream.lost()
        walk.clock.advance(2.0)
        walk.upstream_sends(OK)
        self.assertEqual(walk.finished[1].upstream_s, 3.0)
        walk = Walk(service=Service(timeouts=Timeouts(total=3.0)))
        walk.get()
        walk.passes(4)
        self.assertTrue(3.0 <= (walk.finished[0].upstream_s or 0.0) <= 3.3)
        walk.connect_at_once = False
        walk.get()
        walk.passes(4)
        self.assertEqual((walk.records[1][3], walk.finished[1].upstream_s), ("upstream-timeout", None))

    def test_total_deadline(self) -> None:
        """`timeouts.total` bounds the whole of it, progress or not."""
        walk = Walk(service=Service(timeouts=Timeouts(total=3.0)))
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nab")
        for _ in range(5):
            walk.clock.advance(1.0)
            if walk.upstream.closed is None:
                walk.upstream_sends(b"x")
        self.assertEqual(walk.records[0][3], "upstream-timeout")

    def test_no_endpoint(self) -> None:
        """A service without endpoints is a 503."""
        walk = Walk(endpoints=0)
        walk.get()
        self.assertIn(b"no-endpoint", walk.client_sees())

    def test_connect_failure_goes_to_another_endpoint(self) -> None:
        """A failed connect is tried elsewhere, for any method; then it is a 502."""
        walk = Walk(endpoints=2)
        walk.connect_at_once = False
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        walk.connect_fails()
        walk.connects()
        _, _, body = walk.upstream_head()
        self.assertEqual((body, walk.retries), (b"hi", ["svc"]))
        walk.upstream_sends(OK)
        walk.client_sees()
        walk.clock.advance(5)
        walk.get()
        walk.connect_fails()
        walk.connect_fails()
        self.assertIn(b"upstream-connect", walk.client_sees())
        self.assertIn(walk.finished[-1].upstream, ("10.0.0.1", "10.0.0.2"))  # the one that was tried last

    def test_keep_alive_race_is_repaired(self) -> None:
        """A reused connection that closes before any byte: a GET goes again on a new one, a POST does not."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(OK)
        walk.client_sees()
        walk.get(b"/b")
        walk.upstream.lost()
        self.assertEqual(len(walk.upstreams), 2)
        self.assertEqual(walk.upstream_head()[0], b"GET /b HTTP/1.1")
        walk.upstream_sends(OK)
        self.assertIn(b"200 OK", walk.client_sees())
        walk.client_sends(b"POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        walk.upstream.lost()
        self.assertIn(b"upstream-reset", walk.client_sees())
        self.assertEqual([record[2] for record in walk.records], [200, 200, 502])

    def test_body_is_let_go(self) -> None:
        """What was kept of a body for a second try goes with the exchange, and does not wait for the collector."""
        walk = Walk()
        walk.client_sends(b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nput")
        walk.upstream_sends(OK)
        self.assertEqual(walk.finished[0].bytes_in, 3)
        self.assertIs(NO_BODY, walk.finished[0].body)

    def test_put_with_held_body_goes_again(self) -> None:
        """A PUT whose body is still held whole is sent again, body and all."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(OK)
        walk.client_sends(b"PUT /c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        walk.upstream.lost()
        self.assertEqual(walk.upstream_head()[2], b"hi")

    def test_new_connection_that_closes_is_not_retried(self) -> None:
        """On a connection of its own the upstream may have acted: 502."""
        walk = Walk()
        walk.get()
        walk.upstream.lost()
        self.assertEqual((len(walk.upstreams), walk.records[0][3]), (1, "upstream-reset"))

    def test_upstream_of_http2(self) -> None:
        """One that began with HTTP/2's SETTINGS and left is told of as such; one that said something else is not."""
        settings = b"\0\0\x06\x04\0\0\0\0\0\0\x04\0@\0\0"
        for said, hinted in ((settings, True), (settings[:8], False), (b"", False), (b"HTTP/1.1 200", False)):
            walk = Walk()
            walk.get()
            if said:
                walk.upstream_sends(said)
            walk.upstream.lost()
            self.assertEqual("upstream-reset", walk.records[0][3])
            self.assertEqual(hinted, "`protocol: h2c`" in walk.finished[0].upstream_fault, said)

    def test_retry_budget(self) -> None:
        """Second tries are a bounded share of what runs."""
        walk = Walk(service=Service(retries=Retries(attempts=1, budget=0.0)))
        walk.connect_at_once = False
        for _ in range(5):
            client = walk.new_client()
            client.protocol.dataReceived(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
        for _ in range(5):
            walk.connect_fails()
        self.assertEqual(len(walk.retries), 3)

    def test_attempts_0(self) -> None:
        """`attempts: 0` means none."""
        walk = Walk(service=Service(retries=Retries(attempts=0)))
        walk.connect_at_once = False
        walk.get()
        walk.connect_fails()
        self.assertEqual((walk.retries, walk.records[0][2]), ([], 502))

    def test_idle_connections_close_before_the_server_would(self) -> None:
        """A connection waits four seconds in the pool, not longer."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(OK)
        walk.clock.pump([0.5] * 9)
        self.assertEqual(walk.upstream.closed, "closed")

    def test_closed_connection_that_takes_nothing(self) -> None:
        """An upstream that does not take what is left for it does not keep the connection for ever."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(OK)
        with patch.object(walk.upstream, "loseConnection"):  # it waits for the bytes to be taken
            walk.passes(5)
            self.assertIsNone(walk.upstream.closed)
            walk.passes(5)
        self.assertEqual("aborted", walk.upstream.closed)


class BackPressureTests(SynchronousTestCase):
    def test_slow_client_pauses_the_upstream(self) -> None:
        """When the client's buffer is full the upstream is not read, and is read again when it drains."""
        walk = Walk()
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        walk.client.producer.pauseProducing()
        self.assertFalse(walk.upstream.reading)
        walk.clock.pump([1.0] * 30)
        self.assertEqual(walk.records, [])
        walk.client.producer.resumeProducing()
        self.assertTrue(walk.upstream.reading)

    def test_client_that_never_reads_is_let_go(self) -> None:
        """A client that takes nothing for `body_progress` loses its connection, and the upstream is released."""
        walk = Walk(deadlines=Deadlines(body_progress=10.0))
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        walk.client.producer.pauseProducing()
        walk.clock.pump([1.0] * 12)
        self.assertEqual((walk.client.closed, walk.upstream.closed), ("aborted", "aborted"))
        self.assertEqual(walk.records[0][3], "client-gone")

    def test_client_that_reads_slowly_is_kept(self) -> None:
        """A client that takes something in each `body_progress` has another, while answered and while closing."""
        walk = Walk(deadlines=Deadlines(body_progress=10.0))
        walk.client.unsent = 1000
        walk.get(more=b"Connection: close\r\n")
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000)
        walk.client.producer.pauseProducing()
        for _ in range(10):
            walk.passes(8)
            walk.client.unsent -= 1
        self.assertIsNone(walk.client.closed)
        walk.passes(22)
        self.assertEqual(walk.client.closed, "aborted")

    def test_client_that_took_its_answer_late(self) -> None:
        """Is as idle then as any: `keep_alive` closes its connection, and `head` counts for what it has begun."""
        for begun, seconds, records in ((b"", 77, ["/a"]), (b"GET /b", 14, ["/a", ""])):
            walk = Walk()
            walk.get()
            walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
            walk.client.producer.pauseProducing()
            walk.upstream_sends(b"ab")
            walk.client_sends(begun)
            walk.client.producer.resumeProducing()
            walk.passes(seconds - 4)
            self.assertIsNone(walk.client.closed)
            walk.passes(4)
            self.assertEqual(records, [path for _, path, *_ in walk.records])
            self.assertIsNotNone(walk.client.closed)

    def test_requests_of_a_client_that_does_not_read(self) -> None:
        """Sent ahead or one by one, they wait until the last answer is taken: it would be held behind that one."""
        ahead = b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"
        for first in (b"", ahead + ahead[:9]):
            walk = Walk(deadlines=Deadlines(head=5.0, body_progress=10.0))
            walk.client_sends(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n" + first)
            walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            walk.client.producer.pauseProducing()
            walk.upstream_sends(b"123456789")
            if not first:
                walk.upstream_sees()
                walk.client_sends(b"GET /b")  # was on its way when reading was paused
            self.assertEqual((1, False), (len(walk.records), walk.client.reading))
            walk.client.unsent = 1
            walk.passes(12)
            self.assertIsNone(walk.client.closed)
            walk.door.drain()
            walk.client.producer.resumeProducing()
            self.assertTrue(walk.client.reading)
            if not first:
                walk.client_sends(ahead[6:])
            self.assertIn(b"GET /b HTTP/1.1", walk.upstream_sees())
            walk.client_sees()
            walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            self.assertIn(b"Connection: close\r\n", walk.client_sees())

    def test_client_that_reads_no_answer_more(self) -> None:
        """Is given up at `body_progress`, whether or not it has asked for more."""
        for more in (b"", b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"):
            walk = Walk(deadlines=Deadlines(body_progress=10.0))
            walk.client_sends(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n" + more)
            walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
            walk.client.producer.pauseProducing()
            walk.upstream_sends(b"123456789")
            walk.passes(12)
            self.assertEqual((1, "aborted"), (len(walk.records), walk.client.closed))

    def test_early_answer_that_is_read_slowly(self) -> None:
        """An answer before the body is over is not cut off as long as the client takes of it; then the wait is over."""
        walk = Walk(deadlines=Deadlines(body_progress=10.0))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\nab")
        walk.client.unsent = 3
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        for left in (2, 1):
            walk.passes(3)
            walk.client.unsent = left
            walk.passes(8)
            self.assertEqual((True, None), (walk.client.half_closed, walk.client.closed))
        walk.client.unsent = 0
        walk.passes(11)
        self.assertEqual("aborted", walk.client.closed)

    def test_slow_upstream_pauses_the_client(self) -> None:
        """When the upstream's buffer is full the client is not read."""
        walk = Walk()
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nab")
        walk.upstream.producer.pauseProducing()
        self.assertFalse(walk.client.reading)
        walk.upstream.producer.resumeProducing()
        self.assertTrue(walk.client.reading)

    def test_body_waits_for_the_connection(self) -> None:
        """Until there is an upstream the body is held: one read of it, then the client is paused."""
        walk = Walk()
        walk.connect_at_once = False
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab")
        self.assertFalse(walk.client.reading)
        walk.connects()
        self.assertTrue(walk.client.reading)
        self.assertEqual(walk.upstream_head()[2], b"ab")

    def test_pipelined_flood_pauses(self) -> None:
        """A client far ahead of its answers is not read any more."""
        walk = Walk()
        walk.get()
        walk.client_sends(b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n" * 4000)
        self.assertFalse(walk.client.reading)
        walk.upstream_sends(OK)
        self.assertTrue(walk.upstream_sees().endswith(b"\r\n\r\n"))


class ClientTests(SynchronousTestCase):
    def test_client_goes(self) -> None:
        """A client that leaves takes its upstream exchange with it: 499, once."""
        walk = Walk()
        walk.get()
        walk.client.lost()
        self.assertEqual((walk.records, walk.upstream.closed), ([("GET", "/a", 499, "client-gone")], "aborted"))

    def test_client_goes_while_a_plugin_waits(self) -> None:
        """The plugin's wait is cancelled."""
        cancelled: list[object] = []
        waiting: Deferred[None] = Deferred(cancelled.append)
        walk = Walk(Steps(lambda req: waiting))
        walk.get()
        walk.client.lost()
        self.assertEqual((len(cancelled), walk.records[0][2]), (1, 499))

    def test_slow_head(self) -> None:
        """A head that does not arrive in time is a 408; an idle connection just closes."""
        walk = Walk(deadlines=Deadlines(head=5.0, keep_alive=20.0))
        walk.client_sends(b"GET /a HTT")
        walk.clock.pump([1.0] * 6)
        self.assertIn(b"408", walk.client_sees())
        walk = Walk(deadlines=Deadlines(head=5.0, keep_alive=20.0))
        walk.get()
        walk.upstream_sends(OK)
        walk.clock.pump([1.0] * 19)
        self.assertIsNone(walk.client.closed)
        walk.clock.pump([1.0] * 3)
        self.assertEqual(walk.client.closed, "closed")

    def test_trickled_head_after_keep_alive(self) -> None:
        """A byte now and then does not hold a connection longer than `head`."""
        walk = Walk(deadlines=Deadlines(head=5.0, keep_alive=1000.0))
        walk.get()
        walk.upstream_sends(OK)
        walk.client_sees()
        for byte in b"GET /a":
            walk.client_sends(bytes((byte,)))
            walk.clock.advance(1.0)
        self.assertIn(b"408", walk.client_sees())

    def test_slow_body(self) -> None:
        """A body that makes no progress is a 408 and ends the upstream's part."""
        walk = Walk(deadlines=Deadlines(body_progress=5.0))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab")
        walk.clock.pump([1.0] * 7)
        self.assertIn(b"request-timeout", walk.client_sees())
        self.assertEqual(walk.upstream.closed, "aborted")

    def test_stalled_in_the_body(self) -> None:
        """A client that stops in the middle of its body is the one that is waited for: 408, not the upstream's 504."""
        for framing, begun in ((b"Content-Length: 10", b"ab"), (b"Transfer-Encoding: chunked", b"2\r\nab\r\n")):
            walk = Walk(service=Service(timeouts=Timeouts(idle=2.0)), deadlines=Deadlines(body_progress=5.0))
            walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n")
            walk.passes(4)
            walk.client_sends(begun)
            walk.passes(4)
            self.assertEqual(walk.records, [])
            walk.passes(2)
            self.assertIn(b"408 Request Timeout", walk.client_sees())
            self.assertEqual(walk.records, [("POST", "/a", 408, "request-timeout")])

    def test_body_limits(self) -> None:
        """The gateway's own limit: at once by Content-Length, else when it is passed."""
        walk = Walk(limits=Limits(body=5))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n")
        self.assertIn(b"413", walk.client_sees())
        self.assertEqual(walk.upstreams, [])
        walk = Walk(limits=Limits(body=5))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        walk.client_sends(b"3\r\ndef\r\n")
        self.assertIn(b"body-too-large", walk.client_sees())
        self.assertEqual(walk.upstream.closed, "aborted")

    def test_too_many_connections(self) -> None:
        """One connection over the bound hears 503 overload and is closed; the others live."""
        walk = Walk(limits=Limits(connections=1))
        second = walk.new_client()
        self.assertIn(b'"reason":"overload"', second.take())
        self.assertEqual((second.half_closed, walk.client.closed), (True, None))
        second.lost()
        self.assertIsNone(walk.new_client().closed)

    def test_draining(self) -> None:
        """On drain idle connections close soon; busy ones finish, and say that they close."""
        walk = Walk()
        idle = walk.new_client()
        walk.get()
        walk.door.drain()
        walk.passes(1)
        self.assertEqual((idle.closed, walk.client.closed), ("closed", None))
        walk.upstream_sends(OK)
        self.assertIn(b"Connection: close", walk.client_sees())
        self.assertEqual(walk.client.closed, "closed")

    def test_end_of_draining(self) -> None:
        """When the time to drain is over, a request that has no answer yet is told so; one whose answer runs is cut."""
        walk = Walk()
        begun = walk.new_client()
        begun.protocol.dataReceived(b"GET /begun HTTP/1.1\r\nHost: h\r\n\r\n")
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab")
        body = walk.new_client()
        body.protocol.dataReceived(b"POST /body HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab")
        half = walk.new_client()
        half.protocol.dataReceived(b"GET /half HT")
        walk.get(b"/waits")
        walk.door.drain()
        walk.door.stop_all()
        for wire in (walk.client, body):
            seen = wire.take()
            self.assertTrue(seen.startswith(b"HTTP/1.1 503 Service Unavailable\r\n"), seen)
            self.assertIn(b'"reason":"draining"', seen)
            self.assertIn(b"Connection: close", seen)
        self.assertTrue(begun.take().endswith(b"\r\n\r\nab"))
        ended = (walk.client.closed, body.half_closed, begun.closed, half.closed)
        self.assertEqual(ended, ("closed", True, "closed", "aborted"))
        self.assertEqual([wire.closed for wire in walk.upstreams], ["aborted"] * 3)
        self.assertEqual(sorted(walk.records), [
            ("GET", "/begun", 200, "draining"), ("GET", "/waits", 503, "draining"), ("POST", "/body", 503, "draining"),
        ])  # fmt: skip

    def test_end_of_draining_before_the_upstream(self) -> None:
        """So is one whose plugin or connection is waited for; a response step is not waited for any more."""
        waiting: Deferred[None] = Deferred()
        for chain in (Steps(lambda req: waiting), Steps(respond=lambda req, resp: Deferred()), None):
            walk = Walk(chain)
            walk.connect_at_once = False
            walk.get()
            walk.door.stop_all()
            self.assertIn(b'"reason":"draining"', walk.client_sees())
            self.assertEqual((walk.records, walk.client.closed), ([("GET", "/a", 503, "draining")], "closed"))


class ChainTests(SynchronousTestCase):
    def test_waiting_step_holds_the_request(self) -> None:
        """While a step waits nothing goes up and the body is not read; then both go on."""
        waiting: Deferred[None] = Deferred()
        walk = Walk(Steps(lambda req: waiting))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab")
        self.assertEqual((walk.upstreams, walk.client.reading), ([], False))
        waiting.callback(None)
        self.assertEqual((walk.upstream_head()[2], walk.client.reading), (b"ab", True))

    def test_plugin_that_was_to_answer_and_did_not(self) -> None:
        """A route without a service, whose plugin let the request pass: 500 plugin-error, and the connection lives."""
        walk = Walk(Steps(), routes=[Route(path="/*", name="/*")])
        walk.get()
        self.assertIn(b"plugin-error", walk.client_sees())
        self.assertIsNone(walk.client.closed)

    def test_status_that_cannot_be_sent(self) -> None:
        """A response step that writes no status: 500 plugin-error, whole or streamed, and the next request is answered."""
        wrong: list[Any] = ["abc", None, True, 0, -1, 100, 101, 199, 499, 600, 10**9, 200.0]
        for status in wrong:
            for answer in (OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"):
                walk = Walk(chain_of(respond=(lambda req, resp, status=status: setattr(resp, "status", status),)))
                walk.client_sends(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n")
                walk.upstream_sends(answer)
                self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 500"), status)
                self.assertEqual(walk.records, [("GET", "/a", 500, "plugin-error")])
                walk.upstream_sends(OK)
                self.assertEqual(len(walk.records), 2)
                self.assertEqual(2, len(self.flushLoggedErrors(ValueError)))

    def test_status_written_before_the_body(self) -> None:
        """The same when the body comes after its head: it is read to its end, and no byte of it stands for the next
        answer."""
        for status in (204, 205, 304):
            walk = Walk(Steps(respond=lambda req, resp, status=status: setattr(resp, "status", status)))
            walk.get()
            walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
            walk.get(b"/b")
            walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
            self.assertEqual(1, walk.client_sees().count(b"HTTP/1.1 "), status)

    def test_status_that_changes_the_framing(self) -> None:
        """A response step that makes an answer a 204, 205 or 304: no body goes down, and the connection goes on."""
        for status in (204, 205, 304):
            for answer in (OK, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"):
                walk = Walk(Steps(respond=lambda req, resp, status=status: setattr(resp, "status", status)))
                walk.get()
                walk.upstream_sends(answer)
                head, _, body = walk.client_sees().partition(b"\r\n\r\n")
                self.assertEqual(body, b"")
                self.assertNotIn(b"Transfer-Encoding", head)
                self.assertEqual((b"Content-Length" in head, b"Content-Length: 0" in head), (status == 205,) * 2)
                walk.get()
                self.assertTrue(walk.upstream_sees().startswith(b"GET /a"))

    def test_response_without_content(self) -> None:
        """The same where a request step answers so, and back again: the status that goes out decides."""
        for status, length in ((204, b""), (205, b"Content-Length: 0"), (304, b""), (200, b"Content-Length: 1")):
            walk = Walk(chain_of(lambda req, status=status: Response(status, {"X-A": "b"}, "x")))
            for _ in range(2):
                walk.get()
                head, _, body = walk.client_sees().partition(b"\r\n\r\n")
                self.assertEqual(body, b"x" if status == 200 else b"")
                self.assertEqual((b"Content-Length" in head, length in head), (bool(length), True))

        def twice(req: Any, resp: Any) -> None:
            resp.status = 304
            resp.status = 200

        walk = Walk(chain_of(respond=(twice,)))
        walk.get()
        walk.upstream_sends(OK)
        self.assertTrue(walk.client_sees().endswith(b"\r\n\r\nok"))

    def test_user_that_cannot_be_said(self) -> None:
        """A user is anything that a plugin puts there; the log makes do."""

        class Mute:
            def __str__(self) -> str:
                raise ValueError

        walk = Walk(chain_of(lambda req: setattr(req, "user", Mute())))
        walk.get()
        walk.upstream_sends(OK)
        self.assertEqual((b"ok", "Mute"), (walk.client_sees()[-2:], walk.finished[0].user))

    def test_waiting_response_step(self) -> None:
        """While a response step waits nothing goes down; then the answer does, whole."""
        waiting: Deferred[None] = Deferred()
        walk = Walk(Steps(respond=lambda req, resp: waiting))
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n")
        self.assertEqual((walk.client_sees(), walk.upstream.reading), (b"", False))
        waiting.callback(None)
        walk.upstream_sends(b"0\r\n\r\n")
        self.assertTrue(walk.client_sees().endswith(b"2\r\nab\r\n0\r\n\r\n"))

    def test_failing_response_step(self) -> None:
        """Its verdict takes the answer's place, and the upstream's body is dropped."""
        walk = Walk(chain_of(respond=(lambda req, resp: 1 / 0,)))
        walk.get()
        walk.upstream_sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        seen = walk.client_sees()
        self.assertTrue(seen.startswith(b"HTTP/1.1 500"))
        self.assertEqual((walk.records, walk.upstream.closed), ([("GET", "/a", 500, "plugin-error")], "aborted"))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_steps_behind_a_failing_one(self) -> None:
        """They run on what takes the answer's place, whether they wait or not, and whether the answer came whole."""

        def mark(name: str) -> Any:
            return lambda req, resp: resp.headers.add(name, str(resp.status))

        def wrong(req: Any, resp: Any) -> None:
            resp.status = "x"

        def refuse(req: Any, resp: Any) -> None:
            raise HTTPError(451, "Not here.")

        streamed = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"
        for failing, status in ((lambda req, resp: 1 / 0, b"500"), (wrong, b"500"), (refuse, b"451")):
            for answer in (OK, streamed):
                gate: Deferred[None] = Deferred()
                walk = Walk(chain_of(respond=(
                    mark("X-Before"), failing, mark("X-Behind"), lambda req, resp, gate=gate: gate, mark("X-Last"),
                )))  # fmt: skip
                walk.get()
                walk.upstream_sends(answer)
                self.assertEqual(b"", walk.client_sees())
                gate.callback(None)
                seen = walk.client_sees()
                self.assertTrue(seen.startswith(b"HTTP/1.1 " + status))
                self.assertNotIn(b"X-Before", seen)
                self.assertEqual((1, 1), (seen.count(b"X-Behind: " + status), seen.count(b"X-Last: " + status)))
                self.assertEqual((1, 1), (seen.count(b"Content-Length"), len(walk.records)))
                self.flushLoggedErrors(ZeroDivisionError, ValueError)

    def test_two_failing_steps(self) -> None:
        """The last of them says what goes out, and what is behind it runs once."""
        ran: list[int] = []

        def refuse(req: Any, resp: Any) -> None:
            raise HTTPError(451)

        walk = Walk(chain_of(respond=(lambda req, resp: 1 / 0, refuse, lambda req, resp: ran.append(resp.status))))
        walk.get()
        walk.upstream_sends(OK)
        self.assertEqual(([451], [("GET", "/a", 451, "plugin")]), (ran, walk.records))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_total_deadline_behind_a_failing_step(self) -> None:
        """What was to go out instead is forgotten when the request is ended by something else meanwhile."""

        def fail(req: Any, resp: Any) -> None:
            if resp.status == 200:
                raise HTTPError(451)

        def hang(req: Any, resp: Any) -> Any:
            return Deferred() if resp.status == 451 else None

        walk = Walk(chain_of(respond=(fail, hang)), service=Service(timeouts=Timeouts(total=5.0)))
        walk.get()
        walk.upstream_sends(OK)
        walk.clock.pump([1] * 7)
        self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 504"))

    def test_response_steps_see_every_answer_of_the_route(self) -> None:
        """Refusals too carry what response steps add."""

        def respond(req: Any, resp: Any) -> None:
            resp.headers["X-Served-By"] = "US-GPO"

        walk = Walk(Steps(lambda req: FORBID, respond))
        walk.get()
        self.assertIn(b"X-Served-By: US-GPO", walk.client_sees())
        walk = Walk(Steps(respond=respond))
        walk.get()
        walk.upstream_sends(OK)
        seen = walk.client_sees()
        self.assertIn(b"X-Served-By: US-GPO", seen)
        self.assertEqual(seen.count(b"Content-Length"), 1)

    def test_reading_the_body(self) -> None:
        """A step reads the whole body, which then goes up as well; Expect is answered by the gateway."""
        bodies: list[bytes] = []

        def run(req: Any) -> Deferred[None]:
            return Deferred.fromCoroutine(req.body()).addCallback(bodies.append)

        walk = Walk(Steps(run))
        walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(walk.client_sees(), b"HTTP/1.1 100 Continue\r\n\r\n")
        walk.client_sends(b"ab")
        walk.client_sends(b"cd")
        _, fields, body = walk.upstream_head()
        self.assertEqual((bodies, body, fields[b"content-length"]), ([b"abcd"], b"abcd", [b"4"]))
        self.assertNotIn(b"expect", fields)


    def test_reading_the_body_too_late(self) -> None:
        """A response step gets the body of a request that was refused, and an error where it has gone upstream."""
        bodies: list[bytes] = []

        async def respond(req: Any, resp: Any) -> None:
            bodies.append(await req.body())

        post = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nabcd"
        walk = Walk(chain_of(respond=(respond,)))
        walk.client_sends(post)
        walk.upstream_sends(OK)
        self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 500"))
        self.assertEqual(([], 1), (bodies, len(self.flushLoggedErrors(RuntimeError))))

        def refuse(req: Any) -> None:
            raise HTTPError(403)

        walk = Walk(chain_of(refuse, respond=(respond,)))
        walk.client_sends(post)
        self.assertTrue(walk.client_sees().startswith(b"HTTP/1.1 403"))
        self.assertEqual([b"abcd"], bodies)

    def test_limit_behind_a_step_that_read_the_body(self) -> None:
        """A limit holds as well when it is asked for after an earlier step has read the body, of whatever framing."""

        async def read(req: Any) -> None:
            await req.body()

        for length, whole in ((10, True), (11, False)):
            for framed in (b"Content-Length: %d\r\n\r\n" % length, b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % length):
                seen: list[Any] = []
                walk = Walk(chain_of(read, BodyLimit(Settings(max=10)).run, seen.append))
                end = b"\r\n0\r\n\r\n" if b"chunked" in framed else b""
                walk.client_sends(b"POST /a HTTP/1.1\r\nHost: h\r\n" + framed + b"x" * length + end)
                self.assertEqual((len(walk.upstreams), len(seen)), (1, 1) if whole else (0, 0))
                self.assertEqual(b'"reason":"body-too-large"' in walk.client_sees(), not whole)


class GarbageTests(SynchronousTestCase):
    def test_a_request_leaves_no_cycle(self) -> None:
        """A finished exchange is freed at once, without the help of the garbage collector."""
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        walk = Walk(Steps(lambda req: None, lambda req, resp: None))
        for _ in range(3):
            walk.get()
            walk.upstream_sends(OK)
        gone = [weakref.ref(exchange) for exchange in walk.finished]
        walk.finished.clear()
        self.assertEqual([ref() for ref in gone], [None] * 3)

    def test_a_refusal_leaves_no_cycle(self) -> None:
        """Nor does one that a step refused, on the way in or back, first or behind one that is a coroutine."""

        async def passes(req: Any, resp: Any = None) -> None:
            pass

        def refuses(req: Any, resp: Any = None) -> None:
            raise HTTPError(403)

        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        async def refuses_too(req: Any, resp: Any = None) -> None:
            raise HTTPError(403)

        for steps in ((refuses,), (passes, refuses), (refuses_too,), (passes, refuses_too)):
            for chain in (chain_of(*steps), chain_of(respond=steps)):
                walk = Walk(chain)
                walk.get()
                if walk.upstreams:
                    walk.upstream_sends(OK)
                gone = weakref.ref(walk.finished.pop())
                self.assertIsNone(gone(), (steps, chain.has_response_steps))
