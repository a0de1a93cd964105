"""Bodies of every size and framing through the running gateway."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import threading
import time

from tests.integration.asking import Wire
from tests.integration.origins import Origin, Received, json_answer, saying
from tests.integration.running import Gateway, GatewayCase, free_port, on_both_transports

MIB = 1 << 20
LARGE = 64 * MIB
BLOCK = bytes(range(256)) * 256


def routes(url: str, more: str = "") -> str:
    """Everything goes to one service."""
    return (
        "listeners:\n- {name: public, address: 127.0.0.1, port: 0, tls: off}\n"
        f"- {{name: secure, address: 127.0.0.1, port: {free_port()}}}\ndefaults: {{plugins: []}}\n"
        f"services: {{web: {{endpoints: ['{url}']}}}}\nroutes: [{{path: /*, service: web}}]\n{more}"
    )


class Highest:
    """The most memory that a gateway held while something was done."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._before = gateway.memory()
        self._ended = threading.Event()
        self._seen = self._before
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            self._seen = max(self._seen, self._gateway.memory())

    def growth(self) -> int:
        """Bytes; ends the watch."""
        self._ended.set()
        self._thread.join()
        return self._seen - self._before


@on_both_transports
class BodyTests(GatewayCase):
    def serve(self, origin: Origin, more: str = "") -> Gateway:
        """A gateway in front of this origin."""
        self.addCleanup(origin.close)
        return self.gateway(routes(origin.url, more))

    def test_large_download(self) -> None:
        """64 MiB to a client that is slow at first arrive whole, in bounded memory."""

        def large(got: Received, to: socket.socket) -> None:
            to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            for _ in range(LARGE // len(BLOCK)):
                to.sendall(BLOCK)

        gateway = self.serve(Origin(large))
        for listener, tls in (("public", False), ("secure", True)):
            with Wire(gateway.port(listener), tls=tls, receive_buffer=65536) as wire:
                most = Highest(gateway)
                wire.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
                time.sleep(0.5)
                self.assertEqual(self.received(wire), (LARGE, expected_hash()))
                self.assertTrue((growth := most.growth()) < 20 * MIB, (listener, growth))

    def test_answers_that_nobody_reads(self) -> None:
        """To a thousand requests sent ahead they are not gathered in memory; whoever reads then gets them all."""
        size, asked = 60_000, 1000

        def some(got: Received, to: socket.socket) -> None:
            to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

        gateway = self.serve(Origin(some))
        for listener, tls in (("public", False), ("secure", True)):
            with Wire(gateway.port(listener), tls=tls, receive_buffer=65536) as wire:
                most = Highest(gateway)
                wire.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * asked)
                time.sleep(1)
                self.assertTrue((growth := most.growth()) < 20 * MIB, (listener, growth))
                left = size * asked
                while left > 0 and (data := wire.sock.recv(MIB)):
                    left -= data.count(0)
                self.assertEqual(0, left)

    def test_slow_but_steady(self) -> None:
        """A client that takes a little in each `body_progress` is not cut off."""

        def large(got: Received, to: socket.socket) -> None:
            to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            for _ in range(LARGE // len(BLOCK)):
                to.sendall(BLOCK)

        gateway = self.serve(Origin(large), "deadlines: {body_progress: 1s}\n")
        for listener, tls in (("public", False), ("secure", True)):
            with Wire(gateway.port(listener), tls=tls, receive_buffer=16384) as wire:
                wire.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
                for _ in range(16):
                    time.sleep(0.25)
                    self.assertGreater(len(wire.sock.recv(32768)), 0, listener)
                cut = [line for line in gateway.lines("request") if (line["tls"] is not None) is tls]
                self.assertEqual(cut, [])

    def received(self, wire: Wire) -> tuple[int, str]:
        """Length and SHA-256 of a body that is not kept."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += wire.sock.recv(1)
        seen, digest = 0, hashlib.sha256()
        while seen < LARGE and (data := wire.sock.recv(MIB)):
            seen += len(data)
            digest.update(data)
        return seen, digest.hexdigest()

    def test_large_upload(self) -> None:
        """64 MiB to an origin that is slow at first arrive whole, in bounded memory."""
        origin = Origin(on_head=lambda got, to: time.sleep(0.5))
        origin.keep_bodies = False
        gateway = self.serve(origin)
        for listener, tls in (("public", False), ("secure", True)):
            with Wire(gateway.port(listener), tls=tls, timeout_s=60) as wire:
                origin.body_seen = 0
                most = Highest(gateway)
                wire.send(b"POST /large HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LARGE)
                for _ in range(LARGE // len(BLOCK)):
                    wire.send(BLOCK)
                self.assertEqual((wire.answer().status, origin.body_seen), (200, LARGE))
                self.assertTrue((growth := most.growth()) < 20 * MIB, (listener, growth))

    def test_both_at_once(self) -> None:
        """A service may answer while it still reads: what went in comes out before the body has ended."""

        def echo_first(got: Received, to: socket.socket) -> None:
            to.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")

        origin = Origin(saying(b"4\r\nlate\r\n0\r\n\r\n"), on_head=echo_first)
        gateway = self.serve(origin)
        with Wire(gateway.port()) as wire:
            wire.send(b"POST /both HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
            early = b""
            while b"early" not in early:
                early += wire.sock.recv(4096)
            wire.send(b"3\r\ntwo\r\n0\r\n\r\n")
            self.assertIn(b"late", early + (rest := wire.sock.recv(4096)))
            self.assertTrue((early + rest).startswith(b"HTTP/1.1 200"))
        self.assertEqual(origin.got[0].body, b"onetwo")

    def test_events_at_once(self) -> None:
        """Each event of a stream reaches the client when it is sent, not when the stream ends."""
        steps = [threading.Event() for _ in range(3)]

        def events(got: Received, to: socket.socket) -> None:
            to.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number, step in enumerate(steps):
                to.sendall(b"9\r\ndata: %d\n\n\r\n" % number)
                step.wait(10)
            to.sendall(b"0\r\n\r\n")

        gateway = self.serve(Origin(events))
        with Wire(gateway.port()) as wire:
            wire.send(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            seen = b""
            for number, step in enumerate(steps):
                while b"data: %d" % number not in seen:
                    seen += wire.sock.recv(4096)
                step.set()

    def test_chunks_and_trailers(self) -> None:
        """Chunked bodies and their trailers pass in both directions."""
        answer = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"
        )
        origin = Origin(saying(answer))
        gateway = self.serve(origin)
        with Wire(gateway.port()) as wire:
            wire.send(
                b"POST /c HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTrailer: X-In\r\n"
                b"Transfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-In: 11\r\n\r\n"
            )
            answered = wire.answer()
            self.assertEqual((answered.body, answered.trailers), (b"abc", [("X-Sum", "6")]))
            self.assertEqual(wire.get("/again").body, b"abc")
        self.assertEqual((origin.got[0].body, origin.got[0].trailers), (b"hello world", [("X-In", "11")]))

    def test_tiny_chunks(self) -> None:
        """Fifty thousand chunks of one byte arrive whole, and the connection goes on."""
        origin = Origin()
        gateway = self.serve(origin)
        with Wire(gateway.port(), timeout_s=60) as wire:
            wire.send(b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            wire.send(b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
            self.assertEqual(wire.answer().status, 200)
            self.assertEqual(wire.get("/next").status, 200)
        self.assertEqual(origin.got[0].body, b"x" * 50_000)

    def test_size_classes(self) -> None:
        """Bodies and answers around every power of two arrive byte for byte."""

        def echo(got: Received, to: socket.socket) -> None:
            to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(got.body) + got.body)

        gateway = self.serve(Origin(echo))
        sizes = [2**power + more for power in range(10, 20, 3) for more in (-1, 0, 1)] + [0, 1, 65535, 65536, 65537]
        with Wire(gateway.port()) as wire:
            for size in sizes:
                body = (BLOCK * (size // len(BLOCK) + 1))[:size]
                wire.send(b"PUT /s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + body)
                self.assertTrue(wire.answer().body == body, size)

    def test_expect_continue(self) -> None:
        """curl waits for 100 and gets the service's own, then its answer; the body arrives."""

        def go_on(got: Received, to: socket.socket) -> None:
            if got.values("expect"):
                to.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

        origin = Origin(on_head=go_on)
        gateway = self.serve(origin)
        said = subprocess.run(
            ["curl", "-sv", "-m", "20", "--expect100-timeout", "15", "-H", "Expect: 100-continue",
             "--data-binary", "x" * 2000, f"http://127.0.0.1:{gateway.port()}/e"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        self.assertIn("< HTTP/1.1 100 Continue", said.stderr)
        self.assertIn("< HTTP/1.1 200 OK", said.stderr)
        self.assertEqual(origin.got[0].body, b"x" * 2000)

    def test_expect_refused(self) -> None:
        """A service that refuses without 100 ends the matter: the client is not told to send."""

        def refuse(got: Received, to: socket.socket) -> None:
            to.sendall(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

        gateway = self.serve(Origin(on_head=refuse))
        with Wire(gateway.port()) as wire:
            wire.send(b"POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            answer = wire.answer()
            self.assertEqual((answer.status, answer.interim), (417, []))

    def test_early_hints(self) -> None:
        """103 passes, to an HTTP/1.1 client."""
        hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        gateway = self.serve(Origin(saying(hints)))
        with Wire(gateway.port()) as wire:
            answer = wire.get("/h")
            self.assertEqual((answer.interim, answer.body), ([103], b"ok"))
            wire.send(b"GET /h HTTP/1.0\r\nHost: a\r\n\r\n")
            answer = wire.answer()
            self.assertEqual((answer.interim, answer.body), ([], b"ok"))

    def test_without_bodies(self) -> None:
        """HEAD, 204 and 304 have no body, keep the length they speak of, and leave the connection in step."""
        answers = {
            "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
            "/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "/204": b"HTTP/1.1 204 No Content\r\n\r\n",
            "/304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 99\r\n\r\n',
            "/none": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        }
        gateway = self.serve(Origin(lambda got, to: to.sendall(answers[got.target])))
        with Wire(gateway.port()) as wire:
            for _ in range(3):
                head = wire.get("/head", method="HEAD")
                self.assertEqual((head.status, head.field("content-length")), (200, "1234"))
                self.assertEqual(wire.get("/chunked", method="HEAD").status, 200)
                self.assertEqual((wire.get("/204").status, wire.get("/304").status), (204, 304))
                self.assertEqual(wire.get("/none").body, b"")
            self.assertEqual(wire.get("/none").status, 200)

    def test_http_1_0(self) -> None:
        """An HTTP/1.0 client gets no chunks: a body without a length ends with the connection; it asks to be kept."""

        def answer(got: Received, to: socket.socket) -> None:
            if got.target == "/known":
                json_answer(got, to)
            else:
                to.sendall(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
                )

        gateway = self.serve(Origin(answer))
        with Wire(gateway.port()) as wire:
            wire.send(b"GET /unknown HTTP/1.0\r\n\r\n")
            head, _, body = wire.rest().partition(b"\r\n\r\n")
            self.assertNotIn(b"chunked", head.lower())
            self.assertEqual(body, b"hello world")
        with Wire(gateway.port()) as wire:
            for _ in range(2):
                wire.send(b"GET /known HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                self.assertEqual(wire.answer().status, 200)
            wire.send(b"GET /known HTTP/1.0\r\n\r\n")
            self.assertEqual(wire.answer().status, 200)
            self.assertEqual(wire.rest(), b"")

    def test_until_close(self) -> None:
        """A body that ends with the service's connection is chunked for an HTTP/1.1 client."""
        gateway = self.serve(Origin(saying(b"HTTP/1.1 200 OK\r\n\r\nall of it", close=True)))
        with Wire(gateway.port()) as wire:
            self.assertEqual([wire.get("/c").body for _ in range(2)], [b"all of it"] * 2)

    def test_body_limit(self) -> None:
        """`limits.body` refuses by the length at once, and chunks when their sum passes it; never forwarded whole."""
        origin = Origin()
        gateway = self.serve(origin, "limits: {body: 1KiB}\n")
        for framing in (
            b"Content-Length: 1025\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n" + b"200\r\n" + b"x" * 512 + b"\r\n",
        ):
            with Wire(gateway.port()) as wire:
                wire.send(b"POST /b HTTP/1.1\r\nHost: a\r\n" + framing)
                if b"chunked" in framing:
                    wire.send((b"200\r\n" + b"x" * 512 + b"\r\n") * 2)
                answer = wire.answer()
                self.assertEqual((answer.status, answer.reason), (413, "body-too-large"))
        with Wire(gateway.port()) as wire:
            wire.send(b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n" + b"x" * 1024)
            self.assertEqual(wire.answer().status, 200)
        self.assertEqual([len(got.body) for got in origin.got], [1024])


def expected_hash() -> str:
    """Of the 64 MiB."""
    digest = hashlib.sha256()
    for _ in range(LARGE // len(BLOCK)):
        digest.update(BLOCK)
    return digest.hexdigest()
