"""WebSocket through the running gateway: the `websockets` package at both ends, and bytes that it would not send."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.server import ServerConnection

from tests.integration.asking import Wire
from tests.integration.chat import OPENING, Chat, dial, write_authority, yes
from tests.integration.origins import Ended, Origin, Received, json_answer
from tests.integration.running import Gateway, GatewayCase, eventually, on_both_transports

MIB = 1 << 20


def reset(sock: socket.socket) -> None:
    """Close so that the other side hears of it at once, and badly."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class ChatCase(GatewayCase):
    """A gateway before services."""

    def chat(self, *args: Any, **how: Any) -> Chat:
        made = Chat(*args, **how)
        self.addCleanup(made.close)
        return made

    def origin(self, answer: Any) -> Origin:
        made = Origin(answer)
        self.addCleanup(made.close)
        return made

    def before(self, more: str = "", **services: str) -> Gateway:
        """A plain listener and one with TLS; `/NAME` and `/NAME/*` go to the service of that name, all else to `chat`."""
        lines = [
            "listeners:",
            "- {name: plain, address: 127.0.0.1, port: 0, tls: off}",
            "- {name: secure, address: 127.0.0.1, port: 0}",
            "defaults: {plugins: []}",
            "services:",
        ]
        lines += [f"  {name}: {{endpoints: ['{url}'], tls: {{ca: ca.pem}}}}" for name, url in services.items()]
        if "routes:" not in more:
            lines.append("routes:")
        lines += [f"- {{path: /{name}, service: {name}, name: {name}}}" for name in services if "routes:" not in more]
        gateway = self.gateway_to_start()
        write_authority(gateway.folder)
        gateway.start("\n".join(lines) + "\n" + more, "--dev")
        return gateway

    def dial(self, gateway: Gateway, path: str = "/chat", **how: Any) -> Any:
        made = dial(gateway.port("secure" if how.get("tls") else "plain"), path, **how)
        self.addCleanup(made.socket.close)
        return made

    def wire(self, gateway: Gateway, opening: bytes = OPENING, **how: Any) -> Wire:
        made = Wire(gateway.port("plain"), **how)
        self.addCleanup(made.close)
        made.send(opening)
        return made


@on_both_transports
class TalkTests(ChatCase):
    def test_talk(self) -> None:
        """Over TLS and without on either side: subprotocol and compression are agreed on end to end, text, binary,
        fragments, pings and the closing handshake pass."""
        services = {
            "plain": self.chat(subprotocols=["chat", "other"]), "secure": self.chat(subprotocols=["chat"], tls=True),
        }  # fmt: skip
        gateway = self.before(**{name: service.url for name, service in services.items()})
        for tls in (False, True):
            for name, service in services.items():
                client = self.dial(gateway, f"/{name}", tls=tls, subprotocols=["x", "chat"])
                self.assertEqual(client.subprotocol, "chat")
                self.assertIn("permessage-deflate", client.response.headers["Sec-WebSocket-Extensions"])
                client.send("grüß dich" * 100)
                self.assertEqual(client.recv(10), "grüß dich" * 100)
                client.send(bytes(range(256)))
                self.assertEqual(client.recv(10), bytes(range(256)))
                client.send(["a", "b", "c" * 70000])
                self.assertEqual(client.recv(10), "ab" + "c" * 70000)
                self.assertTrue(client.ping().wait(10))
                client.close(4001, "bye")
                eventually("the service hears why", lambda ended=service.ended: ended and ended.pop() == (4001, "bye"))
                asked = service.requests.pop()
                self.assertEqual(asked.headers["X-Forwarded-Proto"], "https" if tls else "http")
        lines = eventually("four lines", lambda: len(gateway.lines("request")) == 4 and gateway.lines("request"))
        for line in lines:
            self.assertEqual((line["status"], line["reason"], line["protocol"]), (101, "", "http/1.1"))
            self.assertTrue(line["bytes_in"] > 300 and line["bytes_out"] > 300 and line["upstream_ms"] is not None)
            self.assertGreaterEqual(line["duration_ms"], line["upstream_ms"])
        self.assertEqual(gateway.metric("gateway_requests_total", status="101"), 4)

    def test_upstream_closes(self) -> None:
        """With a code of its own; what it said last arrives."""

        def talk(server: ServerConnection) -> None:
            server.send("last words")
            server.close(1011, "tired")

        gateway = self.before(chat=self.chat(talk).url)
        client = self.dial(gateway)
        self.assertEqual(client.recv(10), "last words")
        with self.assertRaises(ConnectionClosed) as closed:
            client.recv(10)
        assert closed.exception.rcvd is not None
        self.assertEqual((closed.exception.rcvd.code, closed.exception.rcvd.reason), (1011, "tired"))

    def test_large(self) -> None:
        """Messages of 16 MiB there and back, in memory that does not grow with them."""
        gateway = self.before(chat=self.chat(compression=None).url)
        client = self.dial(gateway, compression=None)
        client.send(b"warm")
        client.recv(10)
        before = gateway.memory()
        message = os.urandom(16 * MIB)
        for _ in range(3):
            client.send(message)
            self.assertEqual(client.recv(60), message)
        self.assertLess(gateway.memory() - before, 12 * MIB)

    def test_upstream_speaks_into_the_void(self) -> None:
        """A client that does not read: the upstream is held up, the gateway holds little, and nothing is lost."""
        sent = [0]
        whole = 48 * MIB

        def flood(got: Received, to: socket.socket) -> None:
            to.sendall(yes(got))
            for _ in range(whole // MIB):
                to.sendall(b"\x82\x7f" + struct.pack("!Q", MIB - 10) + bytes(MIB - 10))
                sent[0] += MIB
            raise Ended

        gateway = self.before(chat=self.origin(flood).url)
        before = gateway.memory()
        wire = self.wire(gateway, receive_buffer=65536)
        wire.answer()
        before_that = -1

        def stands() -> bool:
            nonlocal before_that
            seen, before_that = before_that, sent[0]
            return sent[0] > 0 and seen == sent[0] and not threading.Event().wait(0.3)

        eventually("the upstream is held up", stands)
        self.assertLess(sent[0], whole)
        self.assertLess(gateway.memory() - before, 12 * MIB)
        self.assertEqual(len(wire.rest()), whole)

    def test_client_speaks_into_the_void(self) -> None:
        """The other way round."""
        let_go = threading.Event()
        self.addCleanup(let_go.set)
        got_bytes = [0]

        def deaf(got: Received, to: socket.socket) -> None:
            to.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            to.sendall(yes(got))
            let_go.wait(30)
            while data := to.recv(MIB):
                got_bytes[0] += len(data)
            raise Ended

        gateway = self.before(chat=self.origin(deaf).url)
        before = gateway.memory()
        wire = self.wire(gateway)
        wire.answer()
        wire.sock.settimeout(1)
        piece = b"\x82\xff" + struct.pack("!Q", MIB - 14) + bytes(MIB - 10)
        sent = 0
        with self.assertRaises(TimeoutError):
            for _ in range(64):
                at = 0
                while at < len(piece):
                    n = wire.sock.send(piece[at:])
                    at, sent = at + n, sent + n
        self.assertLess(gateway.memory() - before, 12 * MIB)
        let_go.set()
        eventually("all of it arrives", lambda: got_bytes[0] == sent)
        wire.close()

    def test_others_live(self) -> None:
        """Clients that send the smallest frames as fast as they can do not starve anybody."""

        def swallow(got: Received, to: socket.socket) -> None:
            if not got.values("upgrade"):
                json_answer(got, to)
                return
            to.sendall(yes(got))
            while to.recv(MIB):
                pass
            raise Ended

        gateway = self.before(chat=self.origin(swallow).url)
        wires = [self.wire(gateway) for _ in range(4)]
        for wire in wires:
            wire.answer()
        over = threading.Event()
        self.addCleanup(over.set)
        flood = b"\x81\x80abcd" * 20000

        def blast(wire: Wire) -> None:
            try:
                while not over.is_set():
                    wire.send(flood)
            except OSError:
                pass

        for wire in wires:
            threading.Thread(target=blast, args=(wire,), daemon=True).start()
        with Wire(gateway.port("plain")) as other:
            for _ in range(50):
                self.assertEqual(other.get("/chat").status, 200)
        over.set()

    def test_sudden_ends(self) -> None:
        """A side that is reset closes the other; each is one line."""
        let_go = threading.Event()
        self.addCleanup(let_go.set)

        def vanish(got: Received, to: socket.socket) -> None:
            to.sendall(yes(got))
            let_go.wait(20)
            reset(to)
            raise Ended

        server = self.chat()
        gateway = self.before(chat=server.url, vanish=self.origin(vanish).url)
        # A bare socket: a thread of the package's client waits in recv, and keeps what was closed open until it returns.
        first = self.wire(gateway)
        self.assertEqual(first.answer().status, 101)
        first.send(Frame(Opcode.TEXT, b"x").serialize(mask=True))
        first.exactly(3)
        reset(first.sock)
        eventually("the service hears of it", lambda: server.ended)
        wire = self.wire(gateway, OPENING.replace(b"/chat", b"/vanish"))
        self.assertEqual(wire.answer().status, 101)
        let_go.set()
        self.assertEqual(wire.rest(), b"")
        eventually("two lines", lambda: len(gateway.lines("request")) == 2)
        found = {(line["route"], line["status"], line["reason"]) for line in gateway.lines("request")}
        self.assertEqual(found, {("chat", 101, "client-gone"), ("vanish", 101, "upstream-reset")})

    def test_metric_and_limits(self) -> None:
        """Counted under a name of their own, and against `limits.connections`."""
        gateway = self.before("limits: {connections: 2}\n", chat=self.chat().url)
        clients = [self.dial(gateway), self.dial(gateway, tls=True)]
        for listener in ("plain", "secure"):
            self.assertEqual(gateway.metric("gateway_connections", listener=listener, protocol="websocket"), 1)
            self.assertEqual(gateway.metric("gateway_connections", listener=listener, protocol="http/1.1"), 0)
        with Wire(gateway.port("plain")) as third:
            self.assertEqual((third.answer().status, third.rest()), (503, b""))
        clients[0].close()
        eventually("it is gone", lambda: gateway.metric("gateway_connections", protocol="websocket") == 1)
        self.dial(gateway)


@on_both_transports
class PolicyTests(ChatCase):
    def test_chain(self) -> None:
        """Plugins decide on the opening: 401 without a token, 429 past the rate, and nothing reaches the service."""
        server = self.chat()
        routes = (
            "routes:\n- {path: /chat, service: chat, plugins: [jwt]}\n"
            "- {path: /few, service: chat, plugins: [{rate: {limit: 2, per: hour, key: ip}}]}\n"
            "- {path: /posts, service: chat, methods: [POST]}\n"
        )
        gateway = self.before(routes, chat=server.url)
        for path, how, status in (
            ("/chat", {}, 401), ("/posts", {}, 405), ("/none", {}, 404),
            ("/chat", {"additional_headers": {"Authorization": f"Bearer {gateway.token()}"}}, 101),
            ("/few", {}, 101), ("/few", {}, 101), ("/few", {}, 429),
        ):  # fmt: skip
            try:
                client = self.dial(gateway, path, **how)
                client.send("x")
                found = 101 if client.recv(10) == "x" else 0
                client.close()
            except InvalidStatus as refused:
                found = refused.response.status_code
            self.assertEqual((path, found), (path, status))
        eventually("all have ended", lambda: len(server.ended) == 3)
        self.assertEqual(len(server.requests), 3)

    def test_reloads(self) -> None:
        """It stays open over reloads that leave its route as it is, and one that takes it away."""
        server = self.chat()
        gateway = self.before(chat=server.url)
        client = self.dial(gateway)
        with open(gateway.config, encoding="utf-8") as file:
            config = file.read()
        for n in range(5):
            done = gateway.reload(f"{config}- {{path: /new{n}, service: chat}}\n")
            self.assertEqual(done.returncode, 0, done.stderr)
            client.send("still here")
            self.assertEqual(client.recv(10), "still here")
        done = gateway.reload(config.replace("path: /chat", "path: /moved"))
        self.assertEqual(done.returncode, 0, done.stderr)
        client.send("here too")
        self.assertEqual(client.recv(10), "here too")

    def test_drain(self) -> None:
        """SIGTERM: both sides hear 1001, close, and the gateway ends by itself."""
        server = self.chat()
        gateway = self.before(chat=server.url)
        clients = [self.dial(gateway, tls=tls) for tls in (False, True)]
        for client in clients:
            client.send("x")
            client.recv(10)
        os.kill(gateway.pid, signal.SIGTERM)
        for client in clients:
            with self.assertRaises(ConnectionClosed) as closed:
                client.recv(10)
            assert closed.exception.rcvd is not None
            self.assertEqual(closed.exception.rcvd.code, 1001)
            self.assertEqual(closed.exception.rcvd.reason, "The gateway is closing this connection.")
        eventually("the service heard it", lambda: [code for code, _ in server.ended] == [1001, 1001])
        assert gateway.child is not None
        self.assertEqual(gateway.child.wait(10), 0)
        self.assertEqual([(line["status"], line["reason"]) for line in gateway.lines("request")], [(101, "draining")] * 2)

    def test_drain_in_a_frame(self) -> None:
        """No word of the gateway's stands in a frame; ends that do not close are closed."""
        said: list[bytes] = []

        def stubborn(got: Received, to: socket.socket) -> None:
            to.sendall(yes(got) + b"\x82\x0ahalf")
            while data := to.recv(65536):
                said.append(data)
            raise Ended

        gateway = self.before(chat=self.origin(stubborn).url)
        wire = self.wire(gateway)
        wire.answer()
        self.assertEqual(wire.exactly(6), b"\x82\x0ahalf")
        os.kill(gateway.pid, signal.SIGTERM)
        self.assertEqual(wire.rest(), b"")
        eventually("the service heard it", lambda: b"".join(said)[:2] == b"\x88\xa9")
        assert gateway.child is not None
        self.assertEqual(gateway.child.wait(10), 0)


@on_both_transports
class HostileTests(ChatCase):
    def test_ahead(self) -> None:
        """What is sent with the opening comes after it, and never as a request."""
        got_bytes: list[bytes] = []

        def listen(got: Received, to: socket.socket) -> None:
            to.sendall(yes(got))
            got_bytes.append(to.recv(65536))
            raise Ended

        gateway = self.before(chat=self.origin(listen).url)
        wire = self.wire(gateway, OPENING + b"\x81\x82abcdxy")
        self.assertEqual(wire.answer().status, 101)
        eventually("it arrives", lambda: got_bytes == [b"\x81\x82abcdxy"] or (got_bytes and self.fail(str(got_bytes))))

    def test_smuggled(self) -> None:
        """A request behind an opening that is refused, by the upstream or by the gateway, is never answered."""
        hidden = b"GET /chat?hidden HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for answer in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        ):
            origin = self.origin(lambda got, to, answer=answer: to.sendall(answer))
            gateway = self.before(chat=origin.url)
            for opening in (OPENING, OPENING.replace(b": 13", b": 7"), OPENING.replace(b"/chat", b"/none")):
                wire = self.wire(gateway, opening + hidden)
                self.assertGreaterEqual(wire.answer().status, 200)
                self.assertEqual(wire.rest(), b"")
            self.assertNotIn(b"hidden", origin.raw)
            gateway.kill()

    def test_wrong_yes(self) -> None:
        """A 101 that is no answer to our key, or to WebSocket, or promises a body: 502, and the client is not let in."""
        hidden = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhidden"
        wrong = {
            "accept": lambda good: good.replace(b"Accept: ", b"Accept: AAAA"),
            "none": lambda good: b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "protocol": lambda good: good.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
            "body": lambda good: good.replace(b"\r\n\r\n", b"\r\nContent-Length: 51\r\n\r\n"),
        }

        def answer(got: Received, to: socket.socket) -> None:
            to.sendall(wrong[got.target[7:]](yes(got)) + hidden)
            raise Ended

        gateway = self.before(chat=self.origin(answer).url)
        for name in wrong:
            wire = self.wire(gateway, OPENING.replace(b"/chat", b"/chat?x" + name.encode()))
            answered = wire.answer()
            self.assertEqual((name, answered.status, answered.reason), (name, 502, "upstream-protocol"))
            wire.send(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(wire.answer().status, 404)

    def test_garbage(self) -> None:
        """What is no frame passes as it came, up to the end; the gateway lives, and drains."""

        def babble(got: Received, to: socket.socket) -> None:
            to.sendall(yes(got) + b"\xff" * 5000)
            raise Ended

        gateway = self.before(chat=self.origin(babble).url)
        wire = self.wire(gateway)
        wire.answer()
        self.assertEqual(wire.rest(), b"\xff" * 5000)
        self.assertEqual(gateway.stop(), 0)

    def test_openings(self) -> None:
        """Each bad one by its name."""
        gateway = self.before(chat=self.chat().url)
        for opening, status in (
            (OPENING.replace(b": 13", b": 8"), 426), (OPENING.replace(b"Version: 13", b"X: 13"), 400),
            (OPENING.replace(b"Key: ", b"Key: x"), 400), (OPENING.replace(b"GET", b"POST"), 400),
            (OPENING.replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nxx"), 400),
            (OPENING.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
        ):  # fmt: skip
            answer = self.wire(gateway, opening).answer()
            self.assertEqual((opening, answer.status), (opening, status))
            if status == 426:
                self.assertEqual((answer.field("sec-websocket-version"), answer.field("upgrade")), ("13", "websocket"))

    def test_gives_up(self) -> None:
        """Clients that go while the upstream thinks leave nothing behind."""
        gone = threading.Event()

        def think(got: Received, to: socket.socket) -> None:
            gone.wait(20)
            to.sendall(yes(got))

        self.addCleanup(gone.set)
        origin = self.origin(think)
        gateway = self.before(chat=origin.url)
        for _ in range(20):
            wire = self.wire(gateway, OPENING + b"x" * 100)
            eventually("it is under way", lambda: gateway.metric("gateway_connections", protocol="http/1.1") > 0)
            reset(wire.sock)
        eventually("twenty lines", lambda: len(gateway.lines("request")) == 20)
        self.assertEqual({(line["status"], line["reason"]) for line in gateway.lines("request")}, {(499, "client-gone")})
        gone.set()
        self.assertEqual(gateway.metric("gateway_connections"), 0)
