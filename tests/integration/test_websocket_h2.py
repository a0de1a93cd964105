"""WebSocket over HTTP/2 (RFC 8441) through the running gateway: python-h2 as the client, `websockets` as the service."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading

from websockets.frames import Frame, Opcode

from tests.integration.asking import Wire
from tests.integration.chat import Chat, yes
from tests.integration.origins import Ended, Received
from tests.integration.running import Gateway, eventually, on_both_transports
from tests.integration.test_http2 import Client
from tests.integration.test_websocket import MIB, ChatCase
from tests.walks.websocket import AWAY

OPENED = ("sec-websocket-version", "13")


def text(said: bytes, opcode: Opcode = Opcode.TEXT) -> bytes:
    """A client's frame."""
    return Frame(opcode, said).serialize(mask=True)


@on_both_transports
class WebSocketOverHttp2Tests(ChatCase):
    def client(self, gateway: Gateway, *, tls: bool = True, take: bool = True) -> Client:
        made = Client(gateway.port("secure" if tls else "plain"), tls=tls, take=take, validate=False)
        self.addCleanup(made.close)
        return made

    def ask(self, client: Client, path: str = "/chat", *more: tuple[str, str]) -> int:
        """The stream of a WebSocket that has been asked for."""
        number = client.request(path, "CONNECT", (":protocol", "websocket"), *(more or (OPENED,)), ended=False)
        client.until(lambda: number in client.statuses or number in client.codes)
        return number

    def say(self, client: Client, number: int, data: bytes) -> None:
        """In as many frames as the windows take."""
        while data:
            room = min(client.h2.local_flow_control_window(number), client.h2.max_outbound_frame_size)
            if not room:
                client.read()
                continue
            client.h2.send_data(number, data[:room])
            data = data[room:]
            client.flush()

    def hear(self, client: Client, number: int, size: int) -> bytes:
        """So many bytes of what comes."""
        body = client.bodies.setdefault(number, bytearray())
        client.until(lambda: len(body) >= size)
        heard = bytes(body[:size])
        del body[:size]
        return heard

    def test_talk(self) -> None:
        """Several on one connection, beside ordinary requests; each is a handshake of HTTP/1.1 to its upstream."""
        server = self.chat(subprotocols=["chat"])
        gateway = self.before(chat=server.url)
        for tls in (False, True):
            client = self.client(gateway, tls=tls)
            numbers = [self.ask(client, "/chat", OPENED, ("sec-websocket-protocol", "chat")) for _ in range(3)]
            for n, number in enumerate(numbers):
                self.assertEqual(client.statuses[number], 200)
                self.say(client, number, text(b"hello %d" % n))
                self.assertEqual(self.hear(client, number, 9), b"\x81\x07hello %d" % n)
            self.assertEqual(client.status(client.request("/none")), 404)
            self.say(client, numbers[0], text(struct.pack("!H", 4001), Opcode.CLOSE))
            self.assertEqual(self.hear(client, numbers[0], 4), b"\x88\x02" + struct.pack("!H", 4001))
            client.until(lambda ended=client.ended, number=numbers[0]: number in ended)
            client.h2.reset_stream(numbers[1], 8)
            client.flush()
            self.say(client, numbers[2], text(b"still"))
            self.assertEqual(self.hear(client, numbers[2], 7), b"\x81\x05still")
            client.close()
        eventually("all have ended", lambda: len(server.ended) == 6)
        self.assertEqual(sum(code == 4001 for code, _ in server.ended), 2)
        eventually("all are logged", lambda: len(gateway.lines("request")) == 8)
        lines = [line for line in gateway.lines("request") if line["route"] == "chat"]
        self.assertEqual(
            {(line["method"], line["status"], line["protocol"]) for line in lines}, {("GET", 200, "h2")}
        )
        self.assertEqual(sorted(line["reason"] for line in lines), ["", ""] + ["client-gone"] * 4)

    def test_large(self) -> None:
        """Messages of 8 MiB there and back, in memory that does not grow with them."""
        gateway = self.before(chat=self.chat(compression=None).url)
        client = self.client(gateway)
        number = self.ask(client)
        self.say(client, number, text(b"warm"))
        self.hear(client, number, 6)
        before = gateway.memory()
        message = os.urandom(8 * MIB)
        for _ in range(2):
            self.say(client, number, text(message, Opcode.BINARY))
            self.assertEqual(self.hear(client, number, 10 + len(message))[10:], message)
        self.assertLess(gateway.memory() - before, 12 * MIB)

    def test_client_does_not_read(self) -> None:
        """Its window holds the upstream up; the gateway holds little."""
        sent = [0]

        def flood(got: Received, to: socket.socket) -> None:
            to.sendall(yes(got))
            for _ in range(64):
                to.sendall(b"\x82\x7f" + struct.pack("!Q", MIB - 10) + bytes(MIB - 10))
                sent[0] += MIB
            raise Ended

        gateway = self.before(chat=self.origin(flood).url)
        before = gateway.memory()
        client = self.client(gateway, take=False)
        self.ask(client)
        last = -1

        def stands() -> bool:
            nonlocal last
            seen, last = last, sent[0]
            return seen == sent[0] and sent[0] > 0 and not threading.Event().wait(0.3)

        eventually("the upstream is held up", stands)
        self.assertLess(sent[0], 64 * MIB)
        self.assertLess(gateway.memory() - before, 24 * MIB)

    def test_refused(self) -> None:
        """By the chain, by the upstream, for another protocol: ordinary answers, and the connection goes on."""
        origin = self.origin(lambda got, to: to.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"))
        gateway = self.before(
            "routes:\n- {path: /jwt, service: chat, plugins: [jwt]}\n- {path: /chat, service: chat}\n", chat=origin.url
        )
        client = self.client(gateway)
        for path, status in (("/jwt", 401), ("/chat", 403), ("/none", 404)):
            number = self.ask(client, path)
            self.assertEqual((client.status(number), status), (status, status))
        number = client.request("/chat", "CONNECT", (":protocol", "connect-ip"), ended=False)
        self.assertEqual(client.status(number), 501)
        self.assertEqual(client.status(client.request("/chat")), 403)

    def test_drain(self) -> None:
        """SIGTERM: GOAWAY for the connection, 1001 for both ends of the WebSocket, and the gateway ends by itself."""
        server: Chat = self.chat()
        gateway = self.before(chat=server.url)
        client = self.client(gateway)
        number = self.ask(client)
        self.say(client, number, text(b"x"))
        self.hear(client, number, 3)
        os.kill(gateway.pid, signal.SIGTERM)
        self.assertEqual(self.hear(client, number, len(AWAY)), AWAY)
        client.until(lambda: False)
        self.assertIn(number, client.ended)
        client.close()
        eventually("the service heard it", lambda: [code for code, _ in server.ended] == [1001])
        assert gateway.child is not None
        self.assertEqual(gateway.child.wait(10), 0)
        self.assertEqual(
            [(line["status"], line["reason"]) for line in gateway.lines("request")], [(200, "draining")]
        )

    def test_not_over_http1(self) -> None:
        """CONNECT of HTTP/1.1 stays refused, whatever it says of protocols."""
        gateway = self.before(chat=self.chat().url)
        with Wire(gateway.port("plain")) as wire:
            wire.send(b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            self.assertEqual(wire.answer("CONNECT").status, 400)
