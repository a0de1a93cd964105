"""Bytes that are meant to mean two things, and clients that mean harm, against the running gateway.

Whatever is sent, the service behind sees only requests that the client's own words say once, and the log no traceback
(`GatewayCase` looks when each test ends).
"""

from __future__ import annotations

import random
import socket
import threading
import time

from tests.integration.asking import Closed, Wire
from tests.integration.origins import Origin, Received, json_answer
from tests.integration.running import Gateway, GatewayCase, eventually, on_both_transports

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
NEXT = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

REFUSED = {
    "length and chunked": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    "two lengths in one": POST + b"Content-Length: 5, 0\r\n\r\nhello",
    "signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "negative length": POST + b"Content-Length: -1\r\n\r\n",
    "hexadecimal length": POST + b"Content-Length: 0x5\r\n\r\nhello",
    "grouped length": POST + b"Content-Length: 1_0\r\n\r\nhellohello",
    "empty length": POST + b"Content-Length: \r\n\r\n",
    "length beyond 64 bits": POST + b"Content-Length: 18446744073709551621\r\n\r\nhello",
    "length with a zero in front": POST + b"Content-Length: 010\r\n\r\nhellohello",
    "non-ASCII length": POST + b"Content-Length: \xb2\r\n\r\nhi",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity coding": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunked not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding with a tab": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "coding in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "chunked in HTTP/1.0": b"POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "space before the colon": POST + b"Content-Length : 5\r\n\r\nhello",
    "tab before the colon": POST + b"Content-Length\t: 5\r\n\r\nhello",
    "folded line": GET + b"X-A: 1\r\n Content-Length: 5\r\n\r\nhello",
    "folded first line": b"GET /a HTTP/1.1\r\n X: 1\r\nHost: a\r\n\r\n",
    "no colon": GET + b"X-A\r\n\r\n",
    "empty name": GET + b": 1\r\n\r\n",
    "bad name": GET + b"X(A): 1\r\n\r\n",
    "bare LF in a head": GET + b"X-A: 1\nTransfer-Encoding: chunked\r\n\r\n",
    "bare LF ends the head": b"GET /a HTTP/1.1\nHost: a\n\n",
    "bare CR in a value": GET + b"X-A: 1\rX-B: 2\r\n\r\n",
    "NUL in a value": GET + b"X-A: 1\x002\r\n\r\n",
    "control in a value": GET + b"X-A: 1\x082\r\n\r\n",
    "no host": b"GET /a HTTP/1.1\r\n\r\n",
    "two hosts": GET + b"Host: b\r\n\r\n",
    "two equal hosts": GET + b"Host: a\r\n\r\n",
    "host with a path": b"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "host with a user": b"GET /a HTTP/1.1\r\nHost: u@a\r\n\r\n",
    "host with a space": b"GET /a HTTP/1.1\r\nHost: a b\r\n\r\n",
    "host with a bad port": b"GET /a HTTP/1.1\r\nHost: a:8x\r\n\r\n",
    "host list": b"GET /a HTTP/1.1\r\nHost: a, b\r\n\r\n",
    "two spaces": b"GET  /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "tab in the request line": b"GET\t/a HTTP/1.1\r\nHost: a\r\n\r\n",
    "space in the target": b"GET /a /b HTTP/1.1\r\nHost: a\r\n\r\n",
    "no slash": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment": b"GET /a#/../b HTTP/1.1\r\nHost: a\r\n\r\n",
    "non-ASCII target": b"GET /a\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk with GET": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad method": b"G(T /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "lower version": b"GET /a http/1.1\r\nHost: a\r\n\r\n",
    "long version": b"GET /a HTTP/1.10\r\nHost: a\r\n\r\n",
    "version 9": b"GET /a HTTP/9.9\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /a\r\n",
    "TLS to a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "chunk size with a sign": CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n",
    "chunk size with 0x": CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n",
    "chunk size grouped": CHUNKED + b"0_5\r\nhello\r\n0\r\n\r\n",
    "chunk size empty": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "chunk size with a leading space": CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n",
    "chunk line ended by LF": CHUNKED + b"5\nhello\r\n0\r\n\r\n",
    "LF in a chunk extension": CHUNKED + b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "CR in a chunk extension": CHUNKED + b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "chunk extension without a name": CHUNKED + b"5;\r\nhello\r\n0\r\n\r\n",
    "chunk extension that is no token": CHUNKED + b"5;[\r\nhello\r\n0\r\n\r\n",
    "trailers ended by LF": CHUNKED + b"0\r\n\n",
    "bytes after a chunk": CHUNKED + b"5\r\nhelloX\r\n0\r\n\r\n",
    "LF after a chunk": CHUNKED + b"5\r\nhello\n0\r\n\r\n",
    "last chunk ended by LF": CHUNKED + b"0\n\n",
    "folded trailer": CHUNKED + b"0\r\nX: 1\r\n y\r\n\r\n",
    "trailer without a colon": CHUNKED + b"0\r\nX\r\n\r\n",
}
"""None of them may reach the origin as a whole request, and what follows on the connection never."""

PROTECTED = [
    "/admin/x", "//admin/x", "/admin//x", "/./admin/x", "/pub/../admin/x", "/pub/%2e%2e/admin/x",
    "/pub/.%2e/admin/x", "/pub/%2E%2E/admin/x", "/%61dmin/x", "/%61%64%6d%69%6e/x", "/admin/./x",
    "/pub/..//admin/x", "/pub/a/../../admin/x", "/pub/%2e/../admin/x", "/%2e/admin/x", "///admin///x",
    "/pub//../admin/x", "/pub/../pub/../admin/x",
]  # fmt: skip
BAD_PATHS = [
    "/pub%2f..%2fadmin/x", "/pub/..%2fadmin/x", "/pub/%2fadmin", "/pub\\..\\admin\\x", "/pub/..%5cadmin/x",
    "/pub/%00", "/pub/%0a", "/pub/%0d%0aX:1", "/pub/%7f", "/pub/%", "/pub/%2", "/pub/%zz", "/../admin/x",
    "/pub/../../admin/x", "/%2e%2e/admin", "/pub/%c0%ae%c0%ae%2fadmin/x", "/pub/%252e%252e%2fadmin/x",
    "/pub/..;/admin/x", "/pub/%2e%2e;a/admin/x", "/pub/.;/admin/x",
    "/pub/\0", "/pub/a\x01b", "/pub/\x7f",
]  # fmt: skip
UNTOUCHED = [
    "/pub/%252e%252e/admin/x",
    "/pub/;/../pub/x",
    "/ADMIN/x",
    "/pub/...",
    "/pub/x;..",
    "/pub/~%20",
]


@on_both_transports
class HostileClientTests(GatewayCase):
    def serve(
        self, origin: Origin, routes: str = "- {path: /*, service: web}", more: str = "", listener: str = ""
    ) -> Gateway:
        """A gateway in front of this origin, without a limit. listener: what its listener has besides."""
        self.addCleanup(origin.close)
        return self.gateway(
            f"listeners: [{{name: public, address: 127.0.0.1, port: 0, tls: off{listener}}}]\ndefaults: {{plugins: []}}\n"
            f"services: {{web: {{endpoints: ['{origin.url}']}}}}\n{more}\nroutes:\n{routes}\n"
        )

    def said(self, port: int, data: bytes, *, piecewise: bool = False) -> bytes:
        """All that is answered to these bytes until the gateway closes."""
        with Wire(port) as wire:
            try:
                for piece in [data[at : at + 1] for at in range(len(data))] if piecewise else [data]:
                    wire.send(piece)
            except OSError:
                pass  # it has closed already
            return wire.rest()

    def test_refused(self) -> None:
        """Every ambiguous message is a 400 (or 501, 505) on a connection that then closes; nothing of it goes on."""
        origin = Origin()
        gateway = self.serve(origin, more="deadlines: {head: 1s, body_progress: 1s, keep_alive: 1s}")
        port = gateway.port()
        wrong: list[object] = []
        for name, data in REFUSED.items():
            origin.raw.clear()
            origin.got.clear()
            answer = self.said(port, data + NEXT)
            statuses = [line.split(b" ")[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
            if len(statuses) != 1 or statuses[0] not in (b"400", b"501", b"505"):
                wrong.append((name, statuses))
            if origin.got or b"smuggled" in origin.raw:
                wrong.append((name, bytes(origin.raw)))
        self.assertEqual(wrong, [])
        with Wire(port) as wire:
            self.assertEqual(wire.get("/a").status, 200)

    def test_refused_piecewise(self) -> None:
        """The same byte by byte: where segments are cut changes nothing."""
        origin = Origin()
        gateway = self.serve(origin)
        port = gateway.port()
        for name in ("length and chunked", "folded line", "bytes after a chunk", "bare LF in a head", "two hosts"):
            answer = self.said(port, REFUSED[name] + NEXT, piecewise=True)
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), (name, answer))
        self.assertEqual((origin.got, b"smuggled" in origin.raw), ([], False))

    def test_early_refusal_closes_cleanly(self) -> None:
        """A refusal is readable though the client went on writing: no reset takes it away."""
        gateway = self.serve(Origin())
        with Wire(gateway.port()) as wire:
            wire.send(b"GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
            time.sleep(0.05)
            try:
                for _ in range(20):
                    wire.send(b"x" * 1000)
            except OSError:
                pass
            self.assertTrue(wire.rest().startswith(b"HTTP/1.1 400 "))

    def test_paths(self) -> None:
        """No spelling of a protected path gets past it, and what is forwarded is what was matched."""
        origin = Origin()
        gateway = self.serve(
            origin,
            "- {path: /admin/*, service: web, plugins: [{respond: {status: 403, body: no}}]}\n"
            "- {path: /pub/*, service: web}\n- {path: /ADMIN/*, service: web}",
        )
        port = gateway.port()
        with Wire(port) as wire:
            self.assertEqual([(path, wire.get(path).status) for path in PROTECTED], [(path, 403) for path in PROTECTED])
            self.assertEqual(origin.got, [])
        for path in BAD_PATHS:
            with Wire(port) as wire:
                answer = wire.get(path)
                self.assertEqual((path, answer.status, answer.reason), (path, 400, "bad-path"))
        self.assertEqual(origin.got, [])
        with Wire(port) as wire:
            self.assertEqual([(path, wire.get(path).status) for path in UNTOUCHED], [(path, 200) for path in UNTOUCHED])
        self.assertTrue(all(got.target.startswith(("/pub/", "/ADMIN/")) for got in origin.got))
        self.assertFalse([got.target for got in origin.got if "/../" in got.target])

    def test_absolute_form(self) -> None:
        """An absolute target says host and path; the Host field beside it is ignored and sent on as the target says."""
        origin = Origin()
        gateway = self.serve(origin, "- {path: /a, service: web, hosts: [good.example]}")
        port = gateway.port()
        with Wire(port) as wire:
            wire.send(b"GET http://good.example/a HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            answer = wire.answer()
        self.assertEqual(answer.status, 200)
        self.assertEqual([(got.target, got.values("host")) for got in origin.got], [("/a", ["good.example"])])
        with Wire(port) as wire:
            wire.send(b"GET http://evil.example/a HTTP/1.1\r\nHost: good.example\r\n\r\n")
            self.assertIn(wire.answer().status, (400, 404))
        with Wire(port) as wire:
            wire.send(b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")
            self.assertIn(wire.answer("CONNECT").status, (400, 404, 405, 501))

    def test_spoofed_fields(self) -> None:
        """What the gateway says of the client cannot be said by the client, in no spelling, nor be taken away."""
        origin = Origin()
        gateway = self.serve(origin)
        with Wire(gateway.port()) as wire:
            wire.get(
                "/a", "X-Forwarded-For: 6.6.6.6", "x-FORWARDED-for: 6.6.6.7", "X_Forwarded_For: 6.6.6.8",
                "Forwarded: for=6.6.6.9", "X-Forwarded-Proto: gopher", "X-Forwarded-Host: evil", "X-Real-IP: 6.6.6.6",
                "X-Forwarded-Port: 1", "Via: 1.1 elsewhere", "X-Request-Id: evil-id", "Keep-Alive: 5", "TE: gzip",
                "Proxy-Connection: close", "Connection: X-Forwarded-For, Authorization, Host, X-Secret",
                "Authorization: Bearer x", "X-Secret: dropped", "X-Case-Kept: yes",
            )  # fmt: skip
        got = origin.got[0]
        self.assertNotIn(b"6.6.6.", got.raw)
        self.assertEqual(got.values("via"), ["1.1 elsewhere", "1.1 hmsgw"])
        self.assertNotIn(b"evil", got.raw)
        self.assertNotIn(b"dropped", got.raw)
        self.assertEqual(got.values("x-forwarded-for"), ["127.0.0.1"])
        self.assertEqual(got.values("x-forwarded-proto"), ["http"])
        self.assertEqual(got.values("authorization"), ["Bearer x"])
        self.assertEqual(got.values("host"), ["localhost"])
        self.assertEqual(len(got.values("x-request-id")), 1)
        self.assertEqual([got.values(name) for name in ("keep-alive", "te", "proxy-connection")], [[], [], []])
        self.assertIn(b"X-Case-Kept: yes", got.raw)

    def test_trusted_proxy(self) -> None:
        """A trusted proxy is believed about the client, but what it hands on from a client has to be what it is called:
        no host is no host, and no trace id is none."""
        origin = Origin()
        gateway = self.serve(origin, listener=", trusted_proxies: [127.0.0.1]")
        hosts = [b"\xff", b"a b", b'a";proto="https', b"a, b c", b"a@b", b"[zz]", b"a:123456", b"", b"API.gov:8443"]
        port = gateway.port()
        with Wire(port) as wire:
            for host in hosts:
                wire.send(
                    b"GET /a HTTP/1.1\r\nHost: real.gov\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n"
                    b"X-Request-Id: %b\r\nX-Forwarded-Host: %b\r\n\r\n" % (b"Z" * 32, host)
                )
                self.assertEqual((host, wire.answer().status), (host, 200))
        real = ("real.gov", "real.gov", "for=192.0.2.7, for=127.0.0.1;host=real.gov;proto=https")
        for got in origin.got[:-1]:
            named = (got.values("host")[0], got.values("x-forwarded-host")[0], got.values("forwarded")[0])
            self.assertEqual(named, real, got.raw)
        self.assertEqual(origin.got[-1].values("host"), ["api.gov:8443"])
        for got in origin.got:
            self.assertEqual(got.values("x-forwarded-for"), ["192.0.2.7, 127.0.0.1"])
            self.assertEqual(got.values("x-request-id"), ["Z" * 32])
            self.assertRegex(got.values("traceparent")[0], r"\A00-[0-9a-f]{32}-[0-9a-f]{16}-01\Z")
        self.assertEqual(gateway.stop(), 0)
        self.assertEqual([line["client"] for line in gateway.lines("request")], ["192.0.2.7"] * len(hosts))

    def test_pipelining(self) -> None:
        """Fifty pipelined requests with bodies, and an origin of random slowness: answers in order, each its own."""
        chance = random.Random(7)

        def slowly(got: Received, to: socket.socket) -> None:
            time.sleep(chance.random() * 0.01)
            json_answer(got, to)

        gateway = self.serve(Origin(slowly))
        data = b"".join(
            b"POST /n/%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (n, n, b"G" * n) for n in range(50)
        )
        with Wire(gateway.port()) as wire:
            wire.send(data)
            answers = [wire.answer() for _ in range(50)]
        self.assertEqual([answer.status for answer in answers], [200] * 50)
        expected = [(b'"/n/%d"' % n, b'"length": %d}' % n) for n in range(50)]
        self.assertTrue(
            all(a in answer.body and b in answer.body for answer, (a, b) in zip(answers, expected, strict=True))
        )

    def test_refused_with_body(self) -> None:
        """A 401 to a POST whose body is on its way: the body is never taken for the next request."""
        origin = Origin()
        gateway = self.serve(
            origin, "- {path: /in, service: web, plugins: [jwt]}\n- {path: /*, service: web}",
            "plugins: {jwt: {secret: a-secret-of-enough-bytes-for-hs256}}",
        )  # fmt: skip
        for framing in (b"Content-Length: %d\r\n\r\n%s" % (len(NEXT), NEXT),
                        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(NEXT), NEXT)):  # fmt: skip
            for pause_s in (0.0, 0.05):
                with Wire(gateway.port()) as wire:
                    head, mark, body = (b"POST /in HTTP/1.1\r\nHost: a\r\n" + framing).partition(b"\r\n\r\n")
                    wire.send(head + mark)
                    time.sleep(pause_s)
                    wire.send(body + b"GET /own HTTP/1.1\r\nHost: a\r\n\r\n")
                    self.assertEqual(wire.answer().status, 401)
                    try:
                        self.assertIn(b'"/own"', wire.answer().body)
                    except Closed:
                        pass  # its other right
        self.assertNotIn(b"smuggled", origin.raw)

    def test_expect_refused_without_body(self) -> None:
        """A client that waits for 100 and is refused sends no body; what it sends instead is not forwarded."""
        origin = Origin()
        gateway = self.serve(
            origin, "- {path: /in, service: web, plugins: [{respond: {status: 403}}]}\n- {path: /*, service: web}"
        )
        with Wire(gateway.port()) as wire:
            wire.send(b"POST /in HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 70\r\n\r\n")
            answer = wire.answer()
            self.assertEqual((answer.status, answer.interim), (403, []))
            wire.sock.settimeout(2)
            try:
                wire.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
                wire.answer()
            except (Closed, OSError):
                pass  # closed, or still waiting for the 70 bytes
        self.assertEqual(origin.got, [])

    def test_gigantic_heads(self) -> None:
        """Heads beyond the limits are 414 or 431 while they are read; memory does not follow them."""
        gateway = self.serve(Origin())
        port = gateway.port()
        before = gateway.memory()
        cases = {
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n": (414,),
            GET + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n": (431,),
            GET + b"X-A: 1\r\n" * 300 + b"\r\n": (431,),
            GET + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 10_000) for n in range(20)) + b"\r\n": (431,),
            GET + b"X" * 200_000: (431, 400),
            CHUNKED + b"5;" + b"e" * 200_000 + b"\r\nhello\r\n0\r\n\r\n": (400, 431, 413),
            CHUNKED + b"0\r\n" + b"X-T: 1\r\n" * 100_000 + b"\r\n": (400, 431),
        }  # fmt: skip
        for data, statuses in cases.items():
            answer = self.said(port, data)
            self.assertIn(int(answer.split(b" ")[1]), statuses, (data[:60], answer[:200]))
        self.assertTrue(gateway.memory() - before < 8 << 20)

    def test_slow_head(self) -> None:
        """A head that trickles in ends with 408 when `deadlines.head` is over, however often a byte comes."""
        gateway = self.serve(Origin(), more="deadlines: {head: 400ms, keep_alive: 1s}")
        with Wire(gateway.port()) as wire:
            try:
                for _ in range(40):
                    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1111111111111111111111111"[_ : _ + 1])
                    time.sleep(0.03)
            except OSError:
                pass
            self.assertTrue(wire.rest().startswith(b"HTTP/1.1 408 "))
        with Wire(gateway.port()) as silent:
            self.assertIn(silent.rest()[:12], (b"", b"HTTP/1.1 408"))

    def test_slow_body(self) -> None:
        """A body that stops coming ends with 408 and frees the origin's connection."""
        origin = Origin()
        gateway = self.serve(origin, more="deadlines: {body_progress: 400ms}")
        with Wire(gateway.port()) as wire:
            wire.send(POST + b"Content-Length: 10\r\n\r\n12345")
            self.assertTrue(wire.rest().startswith(b"HTTP/1.1 408 "))
        self.assertEqual(origin.got, [])
        eventually("it is logged", lambda: [line for line in gateway.lines("request") if line["status"] == 408])

    def test_never_reads(self) -> None:
        """A client that asks for much and reads nothing is cut off by its deadline; memory stays bounded."""

        def endless(got: Received, to: socket.socket) -> None:
            to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n")
            for _ in range(5000):
                to.sendall(b"x" * 100_000)

        gateway = self.serve(Origin(endless), more="deadlines: {body_progress: 500ms}")
        before = gateway.memory()
        wires = [Wire(gateway.port(), receive_buffer=4096) for _ in range(8)]
        for wire in wires:
            wire.send(GET + b"\r\n")
        finished = lambda: len([line for line in gateway.lines("request") if line["reason"]]) == 8  # noqa: E731
        eventually("all were cut off", finished)
        self.assertTrue(gateway.memory() - before < 16 << 20)
        for wire in wires:
            wire.close()

    def test_goes_away(self) -> None:
        """A client that leaves at any moment is 499 client-gone, and takes nobody with it."""
        let_go = threading.Event()
        self.addCleanup(let_go.set)

        def later(got: Received, to: socket.socket) -> None:
            let_go.wait(20)
            json_answer(got, to)

        origin = Origin(later)
        gateway = self.serve(origin)
        port = gateway.port()
        for data in (GET + b"\r\n", POST + b"Content-Length: 10\r\n\r\n123", CHUNKED + b"5\r\nhel"):
            with Wire(port) as wire:
                wire.send(data)
                time.sleep(0.05)
        gone = eventually("all are logged", lambda: self.of_status(gateway, 499, 3))
        self.assertEqual({line["reason"] for line in gone}, {"client-gone"})
        let_go.set()
        with Wire(port) as wire:
            self.assertEqual(wire.get("/a").status, 200)

    def of_status(self, gateway: Gateway, status: int, n: int) -> list[dict[str, object]]:
        """The requests logged with a status, once there are n."""
        found = [line for line in gateway.lines("request") if line["status"] == status]
        return found if len(found) >= n else []

    def test_errors_echo_nothing(self) -> None:
        """What a client sends does not come back in an error."""
        gateway = self.serve(Origin(), "- {path: /a, service: web}")
        with Wire(gateway.port()) as wire:
            answer = wire.get("/<script>alert(1)</script>", "X-A: <b>")
        self.assertIn(answer.status, (400, 404))
        self.assertNotIn(b"<", answer.body)
