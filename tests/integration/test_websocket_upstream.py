"""WebSocket over HTTP/2 to the service (RFC 8441): HAProxy speaks it there, in front of the `websockets` package."""

from __future__ import annotations

import os
import signal
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from tests.integration.chat import Chat, dial
from tests.integration.programs import installed, run
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports
from tests.integration.test_http2 import Client

HAPROXY = """\
global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 30s
frontend in
  bind 127.0.0.1:{port} proto h2
  http-request deny deny_status 403 if {{ path /closed }}
  default_backend chat
backend chat
  server one 127.0.0.1:{behind}
"""


@on_both_transports
class WebSocketUpstreamTests(GatewayCase):
    def begin(self) -> Gateway:
        """A gateway before HAProxy before a chat that echoes."""
        installed(self, "haproxy")
        self.chat = Chat()
        self.addCleanup(self.chat.close)
        folder: str = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        port = free_port()
        run(self, "haproxy", folder, HAPROXY.format(port=port, behind=self.chat.port), port)
        return self.gateway(
            "listeners: [{name: public, address: 127.0.0.1, port: 0, tls: off}]\nregistry: {kind: none}\n"
            f"defaults: {{plugins: []}}\nservices: {{chat: {{endpoints: ['http://127.0.0.1:{port}'], protocol: h2c}}}}\n"
            "routes: [{path: /*, service: chat}]\n"
        )

    def dial(self, gateway: Gateway, path: str = "/chat", **how: Any) -> Any:
        made = dial(gateway.port(), path, **how)
        self.addCleanup(made.close)
        return made

    def test_talk(self) -> None:
        """Small and large messages both ways, several at once on one connection, and a clean end."""
        gateway = self.begin()
        sockets = [self.dial(gateway, subprotocols=["a", "b"]) for _ in range(3)]
        for n, one in enumerate(sockets):
            one.send(f"hello {n}")
            self.assertEqual(f"hello {n}", one.recv(timeout=10))
        large = os.urandom(1 << 20) * 4
        sockets[0].send(large)
        self.assertTrue(sockets[0].recv(timeout=30) == large)
        for one in sockets:
            one.close()
        eventually("the service has heard the end", lambda: len(self.chat.ended) == 3)
        self.assertEqual({1000}, {code for code, _ in self.chat.ended})
        lines = eventually("they are logged", lambda: len(found := gateway.lines("request")) == 3 and found)
        self.assertEqual({101}, {line["status"] for line in lines})

    def test_http2_client(self) -> None:
        """HTTP/2 on either side: its streams are streams there."""
        gateway = self.begin()
        client = Client(gateway.port(), tls=False, validate=False)
        self.addCleanup(client.close)
        opening = ((":protocol", "websocket"), ("sec-websocket-version", "13"))
        numbers = [client.request("/chat", "CONNECT", *opening, ended=False) for _ in range(3)]
        for n, number in enumerate(numbers):
            client.until(lambda number=number: number in client.statuses or number in client.codes)
            self.assertEqual(200, client.statuses[number])
            client.h2.send_data(number, Frame(Opcode.TEXT, b"hello %d" % n).serialize(mask=True))
            client.flush()
            heard = client.bodies.setdefault(number, bytearray())
            client.until(lambda heard=heard: len(heard) >= 9)
            self.assertEqual(b"\x81\x07hello %d" % n, heard)
        client.h2.reset_stream(numbers[0], 8)
        client.flush()
        eventually("the service has heard the end of one", lambda: len(self.chat.ended) == 1)
        client.close()
        eventually("and of all", lambda: len(self.chat.ended) == 3)
        lines = eventually("they are logged", lambda: len(found := gateway.lines("request")) == 3 and found)
        self.assertEqual({(200, "h2")}, {(line["status"], line["protocol"]) for line in lines})

    def test_no(self) -> None:
        """A refusal is the client's."""
        gateway = self.begin()
        error = self.assertRaises(InvalidStatus, self.dial, gateway, "/closed")
        self.assertEqual(403, error.response.status_code)

    def test_going_down(self) -> None:
        """Both ends hear 1001."""
        gateway = self.begin()
        one = self.dial(gateway)
        one.send("x")
        self.assertEqual("x", one.recv(timeout=10))
        os.kill(gateway.pid, signal.SIGTERM)
        error = self.assertRaises(ConnectionClosed, one.recv, timeout=20)
        self.assertEqual(1001, error.rcvd.code if error.rcvd else None)
        eventually("the service has heard it", lambda: [code for code, _ in self.chat.ended if code == 1001])
