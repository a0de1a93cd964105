"""Server-sent events, long polling, slow uploads: each piece goes on as it comes.

Strategy: a service says the next piece only when the test has seen the last one at the far end: whatever is kept back
anywhere is never followed by anything, and the test fails.
"""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable

from tests.integration.asking import Wire
from tests.integration.origins import Ended, Received
from tests.integration.running import Gateway, eventually, on_both_transports
from tests.integration.test_http2 import Client
from tests.integration.test_websocket import ChatCase

EVENTS = [b"data: %d\n\n" % n for n in range(20)] + [b"data: " + b"x" * 5000 + b"\n\n", b":\n\n"]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
WHOLE = b"".join(EVENTS)


@on_both_transports
class EventTests(ChatCase):
    def setUp(self) -> None:
        self.seen: queue.Queue[bytes] = queue.Queue()
        self.gone: list[str] = []

    def spoken(self, got: Received, to: socket.socket) -> None:
        """A service that waits for each of its events to be seen. The query says how it frames them."""
        how = got.target.rpartition("?")[2]
        framing = {"chunked": b"Transfer-Encoding: chunked\r\n", "length": b"Content-Length: %d\r\n" % len(WHOLE)}
        to.sendall(HEAD + framing.get(how, b"") + b"\r\n")
        self.seen.get(timeout=20)
        for event in EVENTS:
            to.sendall(b"%x\r\n%b\r\n" % (len(event), event) if how == "chunked" else event)
            assert self.seen.get(timeout=20) == event
        if how == "chunked":
            to.sendall(b"0\r\n\r\n")
        raise Ended

    def endless(self, got: Received, to: socket.socket) -> None:
        """One that speaks until its client is gone."""
        to.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                self.seen.get(timeout=20)
                to.sendall(b"9\r\ndata: 0\n\n\r\n")
        except OSError:
            self.gone.append(got.target)
        raise Ended

    def over_http1(self, gateway: Gateway, tls: bool) -> Callable[[str], None]:
        def listen(path: str) -> None:
            with Wire(gateway.port("secure" if tls else "plain"), tls=tls) as wire:
                wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                head = wire._until(b"\r\n\r\n").lower()
                self.assertIn(b"content-type: text/event-stream", head)
                self.seen.put(b"")
                for event in EVENTS:
                    if b"chunked" in head:
                        size = int(wire._until(b"\r\n"), 16)
                        self.assertEqual(wire.exactly(size + 2), event + b"\r\n")
                    else:
                        self.assertEqual(wire.exactly(len(event)), event)
                    self.seen.put(event)

        return listen

    def over_http2(self, gateway: Gateway, tls: bool) -> Callable[[str], None]:
        def listen(path: str) -> None:
            client = Client(gateway.port("secure" if tls else "plain"), tls=tls)
            number = client.request(path)
            client.until(lambda: number in client.statuses)
            self.seen.put(b"")
            heard = client.bodies.setdefault(number, bytearray())
            for event in EVENTS:
                client.until(lambda event=event: len(heard) >= len(event))  # type: ignore[misc]
                self.assertEqual(bytes(heard), event)
                heard.clear()
                self.seen.put(event)
            client.close()

        return listen

    def test_each_at_once(self) -> None:
        """In every framing, over HTTP/1.1 and HTTP/2, with TLS and without, with response steps on the head."""
        routes = "routes: [{path: /sse, service: web, plugins: [{headers: {response: {set: {X-A: b}}}}]}]\n"
        gateway = self.before(routes, web=self.origin(self.spoken).url)
        for tls in (False, True):
            for listen in (self.over_http1(gateway, tls), self.over_http2(gateway, tls)):
                for how in ("chunked", "length", "close"):
                    listen(f"/sse?{how}")
                    eventually("the service has heard the end of it", self.seen.empty)

    def test_client_leaves(self) -> None:
        """The service hears of it, with either protocol."""
        gateway = self.before(web=self.origin(self.endless).url)
        wire = Wire(gateway.port("plain"))
        wire.send(b"GET /web HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wire._until(b"\r\n\r\n")
        client = Client(gateway.port("secure"), tls=True)
        number = client.request("/web")
        client.until(lambda: number in client.statuses)
        wire.close()
        client.h2.reset_stream(number, 8)
        client.flush()

        def both() -> bool:
            self.seen.put(b"")
            return len(self.gone) == 2

        eventually("the service heard of both", both)
        client.close()
        eventually("both are logged", lambda: len(gateway.lines("request")) == 2)
        self.assertEqual({line["reason"] for line in gateway.lines("request")}, {"client-gone"})

    def test_upload(self) -> None:
        """Pieces of a request's body reach the service one by one, too."""
        pieces: queue.Queue[bytes] = queue.Queue()

        def head(got: Received, to: socket.socket) -> None:
            pieces.put(b"head")
            while not (data := to.recv(65536)).endswith(b"0\r\n\r\n"):
                pieces.put(data)
            to.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            raise Ended

        origin = self.origin(lambda got, to: None)
        origin.on_head = head
        gateway = self.before(web=origin.url)
        with Wire(gateway.port("plain")) as wire:
            wire.send(b"POST /web HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.assertEqual(pieces.get(timeout=20), b"head")
            for n in range(5):
                wire.send(b"1\r\n%d\r\n" % n)
                self.assertEqual(pieces.get(timeout=20), b"1\r\n%d\r\n" % n)
            wire.send(b"0\r\n\r\n")
            self.assertEqual(wire.answer().status, 204)
        client = Client(gateway.port("secure"), tls=True)
        self.addCleanup(client.close)
        number = client.request("/web", "POST", ended=False)
        self.assertEqual(pieces.get(timeout=20), b"head")
        for n in range(5):
            client.h2.send_data(number, b"%d" % n)
            client.flush()
            self.assertEqual(pieces.get(timeout=20), b"1\r\n%d\r\n" % n)
        client.h2.end_stream(number)
        client.flush()
        self.assertEqual(client.status(number), 204)
