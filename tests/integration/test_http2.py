"""HTTP/2 through the running gateway: curl, nghttp and h2load as clients, and frames that none of them would send.

What is asked of flow control and floods in detail stands in `tests.edge`; here are real sockets, TLS and both loops.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from typing import Any

import h2.config
import h2.connection
import h2.events
from twisted.trial.unittest import SkipTest

from tests.integration.asking import Wire
from tests.integration.origins import HeldOrigin, Received
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports

MIB = 1 << 20


class Client:
    """A blocking HTTP/2 client on python-h2. take: give windows back as data comes."""

    def __init__(self, port: int, *, tls: bool, take: bool = True, validate: bool = True) -> None:
        self.sock: Any = socket.create_connection(("127.0.0.1", port), timeout=15)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2"])
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
            assert self.sock.selected_alpn_protocol() == "h2"
        config = h2.config.H2Configuration(
            header_encoding=None, validate_outbound_headers=validate, normalize_outbound_headers=validate
        )
        self.h2 = h2.connection.H2Connection(config)
        self.take = take
        self.statuses: dict[int, int] = {}
        self.bodies: dict[int, bytearray] = {}
        self.ended: set[int] = set()
        self.codes: dict[int, int] = {}
        self.goaways: list[int] = []
        self.closed = False
        self._raw = b""
        self.h2.initiate_connection()
        self.flush()

    def close(self) -> None:
        self.sock.close()

    def flush(self) -> None:
        self.sock.sendall(self.h2.data_to_send())

    def request(
        self, path: str, method: str = "GET", *more: tuple[str, str], ended: bool = True, host: str = "localhost"
    ) -> int:
        number = int(self.h2.get_next_available_stream_id())
        start = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path)]
        self.h2.send_headers(number, [*start, *more], end_stream=ended)
        self.flush()
        return number

    def read(self) -> None:
        """What comes next."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.closed = True
            return
        for event in self._events(data):
            number = getattr(event, "stream_id", 0)
            if isinstance(event, h2.events.ResponseReceived):
                self.statuses[number] = int(dict(event.headers)[b":status"])
            elif isinstance(event, h2.events.DataReceived):
                self.bodies.setdefault(number, bytearray()).extend(event.data)
                if self.take:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, number)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(number)
            elif isinstance(event, h2.events.StreamReset):
                self.codes[number] = int(event.error_code)
        try:
            self.flush()
        except OSError:
            pass  # it has closed; what it had to say is read

    def _events(self, data: bytes) -> list[Any]:
        """python-h2 takes nothing behind a GOAWAY, and a graceful one ends nothing: they are read apart."""
        self._raw += data
        whole = b""
        while len(self._raw) >= 9 and len(self._raw) >= 9 + int.from_bytes(self._raw[:3], "big"):
            size = 9 + int.from_bytes(self._raw[:3], "big")
            frame, self._raw = self._raw[:size], self._raw[size:]
            if frame[3] == 7:
                self.goaways.append(int.from_bytes(frame[13:17], "big"))
            else:
                whole += frame
        return list(self.h2.receive_data(whole))

    def until(self, found: Any) -> None:
        """Read until `found()`, or the connection is closed."""
        while not found() and not self.closed:
            self.read()

    def status(self, number: int) -> int:
        """Of a whole answer."""
        self.until(lambda: number in self.ended)
        return self.statuses[number]


def need(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise SkipTest(f"{program} is not installed")
    return path


@on_both_transports
class Http2Tests(GatewayCase):
    def setUp(self) -> None:
        self.behind = HeldOrigin()
        self.plain = free_port()
        self.addCleanup(self.behind.close)

    def config(self, more: str = "", service: str = "") -> str:
        return (
            "listeners:\n"
            f"  - {{name: plain, address: 127.0.0.1, port: {self.plain}, tls: off}}\n"
            "  - {name: public, address: 127.0.0.1, port: 0}\n"
            "defaults: {plugins: []}\n"
            f"services: {{web: {{endpoints: ['{self.behind.url}']{service}}}}}\n"
            f"routes: [{{path: /*, service: web}}]\n{more}"
        )

    def client(self, gateway: Gateway, listener: str = "public", **how: Any) -> Client:
        made = Client(gateway.port(listener), tls=listener == "public", **how)
        self.addCleanup(made.close)
        return made

    def test_curl(self) -> None:
        """Over TLS by ALPN, without TLS by prior knowledge; HTTP/1.1 on the same ports for those who ask for it."""
        gateway = self.gateway(self.config())
        tls, plain = f"https://localhost:{gateway.port()}", f"http://localhost:{gateway.port('plain')}"
        for url, option, spoken in (
            (tls, "--http2", "2"), (tls, "--http1.1", "1.1"),
            (plain, "--http2-prior-knowledge", "2"), (plain, "--http1.1", "1.1"),
        ):  # fmt: skip
            for data in ((), ("--data-binary", "hello")):
                ended = subprocess.run(
                    [need("curl"), "-sk", "--max-time", "10", option, *data, "-w", " %{http_version} %{http_code}", url + "/a"],
                    capture_output=True, text=True, timeout=20, check=True,
                )  # fmt: skip
                body, version, status = ended.stdout.rsplit(" ", 2)
                self.assertEqual((version, status), (spoken, "200"), option)
                self.assertIn(f'"length": {5 if data else 0}', body)
        eventually("all are logged", lambda: len(gateway.lines("request")) == 8)
        spoken = {(line["protocol"], line["tls"] is None) for line in gateway.lines("request")}
        self.assertEqual(spoken, {("h2", False), ("h2", True), ("http/1.1", False), ("http/1.1", True)})

    def test_nothing_else(self) -> None:
        """A listener may speak HTTP/2 alone: who does not offer it is refused, with a line and a count."""
        alone = self.config().replace("port: 0}", "port: 0, protocols: [h2]}").replace("tls: off}", "tls: off, protocols: [h2]}")
        gateway = self.gateway(alone)
        for client in (self.client(gateway), self.client(gateway, "plain")):
            self.assertEqual(200, client.status(client.request("/a")))
        for url in (f"https://localhost:{gateway.port()}/a", f"http://localhost:{gateway.port('plain')}/a"):
            ended = subprocess.run(
                [need("curl"), "-sk", "--max-time", "10", "--http1.1", url], capture_output=True, timeout=20, check=False
            )
            self.assertNotEqual(0, ended.returncode)
        counted = gateway.metric("gateway_connections_refused_total", listener="public", reason="protocol")
        self.assertEqual(1, counted)
        self.assertEqual(0, gateway.metric("gateway_connections", listener="public", protocol="http/1.1"))

    def test_h2load(self) -> None:
        """Two thousand requests on two connections, twenty at a time: each answered."""
        gateway = self.gateway(self.config())
        for url in (f"https://localhost:{gateway.port()}/a", f"http://localhost:{gateway.port('plain')}/a"):
            ended = subprocess.run(
                [need("h2load"), "-n", "2000", "-c", "2", "-m", "20", url], capture_output=True, text=True, timeout=60, check=True
            )
            self.assertIn("2000 succeeded, 0 failed, 0 errored", ended.stdout)
        self.assertEqual(gateway.metric("gateway_connections", protocol="h2"), 0)

    def test_only_http1(self) -> None:
        """A listener without h2 does not offer it."""
        gateway = self.gateway(self.config().replace("port: 0}", "port: 0, protocols: [http/1.1]}"))
        with self.assertRaises(AssertionError):
            self.client(gateway)

    def test_reload_changes_protocols(self) -> None:
        """New connections get what the new file says; those that are open go on."""
        gateway = self.gateway(self.config())
        fixed = self.config().replace("port: 0}", f"port: {free_port()}}}")
        self.assertEqual(gateway.reload(fixed).returncode, 0)
        there = self.client(gateway)
        self.assertEqual(there.status(there.request("/a")), 200)
        only = re.sub(r"(\{name: \w+, .*)\}", r"\1, protocols: [http/1.1]}", fixed)
        self.assertEqual(gateway.reload(only).returncode, 0)
        self.assertEqual(there.status(there.request("/a")), 200)
        with self.assertRaises(AssertionError):
            self.client(gateway)
        with Wire(self.plain) as wire:
            wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            self.assertEqual(wire.answer().status, 400)

    def test_slow_reader(self) -> None:
        """64 MiB for a client that takes its time: others are answered on the same connection, memory stays."""
        self.behind.answer = self._large
        gateway = self.gateway(self.config())
        client = self.client(gateway, take=False)
        self.assertEqual(client.status(client.request("/small")), 200)
        before = gateway.memory()
        slow = client.request("/large")
        client.until(lambda: len(client.bodies.get(slow, b"")) >= 65535 - 100)
        client.h2.increment_flow_control_window(MIB)
        client.flush()
        for _ in range(5):
            self.assertEqual(client.status(client.request("/small")), 200)
        time.sleep(0.5)
        self.assertLess(gateway.memory() - before, 16 * MIB)
        client.take = True
        client.h2.increment_flow_control_window(65535, slow)
        client.h2.increment_flow_control_window(65535)
        client.flush()
        client.until(lambda: slow in client.ended)
        self.assertEqual(len(client.bodies[slow]), 64 * MIB)
        self.assertLess(gateway.memory() - before, 16 * MIB)

    @staticmethod
    def _large(got: Received, to: socket.socket) -> None:
        size = 64 * MIB if got.target == "/large" else 10
        to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        piece = bytes(min(size, MIB))
        for _ in range(max(1, size // MIB)):
            to.sendall(piece)

    def test_upload_to_a_slow_upstream(self) -> None:
        """32 MiB to a service that does not read: what is held is bounded; when it reads, all of it arrives."""
        reads = threading.Event()
        self.behind.on_head = lambda got, to: reads.wait(20) and None
        self.behind.keep_bodies = False
        gateway = self.gateway(self.config())
        client = self.client(gateway)
        before = gateway.memory()
        number = client.request("/up", "POST", ended=False)
        left = 32 * MIB

        def more() -> bool:
            nonlocal left
            while left:
                size = min(client.h2.local_flow_control_window(number), client.h2.max_outbound_frame_size, left)
                if size <= 0:
                    return False
                client.h2.send_data(number, bytes(size), end_stream=size == left)
                left -= size
                client.flush()
            return True

        client.sock.settimeout(1)
        with self.assertRaises((TimeoutError, socket.timeout)):
            client.until(more)
        self.assertGreater(left, 16 * MIB)
        self.assertLess(gateway.memory() - before, 12 * MIB)
        reads.set()
        client.sock.settimeout(15)
        client.until(more)
        self.assertEqual(client.status(number), 200)
        self.assertEqual(self.behind.body_seen, 32 * MIB)

    def test_sigterm(self) -> None:
        """Two GOAWAYs; what runs is finished; exit 0."""
        gateway = self.gateway(self.config())
        client = self.client(gateway)
        number = client.request("/slow")
        eventually("it runs", lambda: b"/slow" in self.behind.raw)
        os.kill(gateway.pid, signal.SIGTERM)
        client.until(lambda: client.goaways == [0, 0])
        self.behind.held.set()
        client.until(lambda: False)
        self.assertEqual((client.statuses[number], number in client.ended), (200, True))
        client.close()
        assert gateway.child is not None
        self.assertEqual(gateway.child.wait(10), 0)

    def test_downgrades(self) -> None:
        """What would be another request, or another field, in HTTP/1.1 never reaches the service."""
        gateway = self.gateway(self.config())
        start = {":method": "GET", ":scheme": "https", ":authority": "localhost", ":path": "/bad"}
        bad: list[tuple[dict[str, str], list[tuple[str, str]]]] = [
            ({":method": "GET /x HTTP/1.1"}, []), ({":path": "bad"}, []), ({":path": "/bad HTTP/1.1\r\nX: 1"}, []),
            ({":path": "http://evil/"}, []), ({":path": "/a b"}, []), ({":path": "/bad#f"}, []), ({":path": ""}, []),
            ({":authority": "a b"}, []), ({":authority": "a/b"}, []), ({":authority": "u@a"}, []), ({":authority": ""}, []),
            ({":scheme": "h\r\nx"}, []), ({}, [("x", "a\r\nsmuggled: 1")]), ({}, [("x", "a\nb")]), ({}, [("x", "a\x00b")]),
            ({}, [("X-Upper", "1")]), ({}, [("x y", "1")]), ({}, [("x:y", "1")]), ({}, [("", "1")]), ({}, [(":path", "/2")]),
            ({}, [("connection", "close")]), ({}, [("transfer-encoding", "chunked")]), ({}, [("upgrade", "x")]),
            ({}, [("te", "gzip")]), ({}, [("host", "other")]), ({}, [("content-length", "5")]),
            ({}, [("content-length", "0"), ("content-length", "5")]), ({}, [("a", "1"), (":authority", "b")]),
        ]  # fmt: skip
        for changed, more in bad:
            client = self.client(gateway, validate=False)
            number = int(client.h2.get_next_available_stream_id())
            client.h2.send_headers(number, [*{**start, **changed}.items(), *more], end_stream=True)
            client.flush()
            client.until(lambda c=client, n=number: n in c.ended or n in c.codes or c.goaways)
            self.assertTrue(client.statuses.get(number, 400) == 400, (changed, more, client.statuses))
            client.close()
        with Wire(gateway.port("plain")) as wire:
            self.assertEqual(wire.get("/last").status, 200)
        self.assertEqual([got.target for got in self.behind.got], ["/last"])

    def test_rapid_reset(self) -> None:
        """A client that opens and resets as fast as it can is closed; a bystander's answers keep coming."""
        gateway = self.gateway(self.config())
        bystander = self.client(gateway)
        client = self.client(gateway)
        try:
            for _ in range(400):
                for _ in range(10):
                    number = int(client.h2.get_next_available_stream_id())
                    start = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/slow")]
                    client.h2.send_headers(number, start, end_stream=True)
                    client.h2.reset_stream(number, 8)
                client.flush()
                self.assertEqual(bystander.status(bystander.request("/a")), 200)
        except OSError:
            pass
        client.until(lambda: False)
        self.assertEqual(client.goaways[-1:], [11])
        self.assertEqual(bystander.status(bystander.request("/a")), 200)
