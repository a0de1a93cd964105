"""Services that answer garbage, too much, too little, too early or not at all, behind the running gateway.

Nothing that is no answer reaches a client, and no log holds a traceback afterwards (`GatewayCase` looks).
"""

from __future__ import annotations

import socket
import time

from tests.integration.asking import Answered, Closed, Wire
from tests.integration.origins import Origin, Received, saying
from tests.integration.running import GatewayCase, eventually, free_port, on_both_transports

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GARBAGE = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "bad status": b"HTTP/1.1 2000 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "folded": b"HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nX: \x00\r\nContent-Length: 2\r\n\r\nok",
    "bare CR": b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: x\r\nContent-Length: 2\r\n\r\nok",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: zip\r\n\r\nok",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X-A: aaaaaaaaaaaaaaaa\r\n" * 20_000,
    "unasked switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxxxx",
}  # fmt: skip
CUT = {
    "in a length": b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nhalf",
    "between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
}


@on_both_transports
class HostileUpstreamTests(GatewayCase):
    def setUp(self) -> None:
        self.origin = Origin()
        self.addCleanup(self.origin.close)
        self.running = self.gateway(
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\ndefaults: {plugins: []}\n"
            f"services:\n  web: {{endpoints: ['{self.origin.url}'], timeouts: {{first_byte: 500ms, idle: 500ms}}}}\n"
            f"  none: {{endpoints: ['http://127.0.0.1:{free_port()}']}}\n"
            "routes: [{path: /*, service: web}, {path: /none, service: none}]\n"
        )
        self.port = self.running.port()

    def get(self, answer: bytes, *, close: bool = True) -> Answered:
        """What the client gets when the service says this."""
        self.origin.answer = saying(answer, close=close)
        with Wire(self.port) as wire:
            return wire.get("/a")

    def test_garbage(self) -> None:
        """Whatever is no answer is a 502 to the client, and none of its bytes go on."""
        wrong: list[object] = []
        for name, data in GARBAGE.items():
            answer = self.get(data)
            if answer.status != 502 or answer.reason not in ("upstream-protocol", "upstream-reset"):
                wrong.append((name, answer))
        self.assertEqual(wrong, [])
        self.assertEqual(self.get(GOOD, close=False).status, 200)

    def test_cut_short(self) -> None:
        """A body that ends too early is never made to look whole: the client's connection ends too, behind what came."""
        for name, data in CUT.items():
            with self.assertRaises(Closed, msg=name):
                self.get(data)
            with Wire(self.port) as wire:
                wire.send(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertTrue(wire.rest().startswith(b"HTTP/1.1 200 OK\r\n"), name)
        logged = eventually("all are logged", lambda: self.running.lines("request")[7:])
        self.assertIn(logged[0]["reason"], ("upstream-reset", "upstream-protocol"))

    def test_more_than_asked(self) -> None:
        """What a service says beyond its answer is never the answer to somebody else's request."""
        self.origin.answer = saying(GOOD + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")
        with Wire(self.port) as wire:
            for _ in range(5):
                self.assertEqual(wire.get("/a").body, b"ok")
                time.sleep(0.02)

    def test_silent(self) -> None:
        """A service that says nothing is a 504; one that stops in the middle ends the client's connection."""

        def silent(got: Received, to: socket.socket) -> None:
            if got.target == "/half":
                to.sendall(CUT["in a length"])
            time.sleep(3)

        self.origin.answer = silent
        with Wire(self.port) as wire:
            answer = wire.get("/a")
            self.assertEqual((answer.status, answer.reason), (504, "upstream-timeout"))
        with Wire(self.port) as wire, self.assertRaises(Closed):
            wire.get("/half")

    def test_nobody_there(self) -> None:
        """A service that refuses connections is a 502 upstream-connect."""
        with Wire(self.port) as wire:
            answer = wire.get("/none")
        self.assertEqual((answer.status, answer.reason), (502, "upstream-connect"))

    def test_closes_between(self) -> None:
        """A service that closes after each answer without saying so costs no GET."""
        self.origin.answer = saying(GOOD, close=True)
        with Wire(self.port) as wire:
            self.assertEqual([wire.get("/a").status for _ in range(30)], [200] * 30)

    def test_redirect_elsewhere(self) -> None:
        """A redirect is the client's business."""
        answer = self.get(b"HTTP/1.1 302 Found\r\nLocation: http://evil.example/\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual((answer.status, answer.field("location")), (302, "http://evil.example/"))
        self.assertEqual(len(self.origin.got), 1)

    def test_answers_before_the_body(self) -> None:
        """A service that refuses a large body at its head and closes: the client gets that answer, whole."""
        refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"

        def refuse(got: Received, to: socket.socket) -> None:
            to.sendall(refusal)
            to.shutdown(socket.SHUT_WR)
            time.sleep(0.05)
            raise OSError

        self.origin.on_head = refuse
        for _ in range(5):
            with Wire(self.port) as wire:
                try:
                    wire.send(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n")
                    for _ in range(300):
                        wire.send(b"x" * 100_000)
                except OSError:
                    pass
                answer = wire.answer()
                self.assertEqual((answer.status, answer.body), (413, b"no!"))

    def test_body_for_head(self) -> None:
        """A service that answers HEAD with a body harms nobody: the next answer is the next answer."""
        self.origin.answer = saying(GOOD)
        with Wire(self.port) as wire:
            for _ in range(5):
                self.assertEqual(wire.get("/a", method="HEAD").status, 200)
                time.sleep(0.02)
                self.assertEqual(wire.get("/b").body, b"ok")
