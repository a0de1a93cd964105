"""Streams through the running gateway: raw TCP and TLS that ends behind it, with openssl, curl and nginx at the ends."""

from __future__ import annotations

import os
import random
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from hmsgw.transport.pem import load_chain
from hmsgw.wire.proxy_protocol import proxy_header
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports
from tests.integration.spine import Spine
from tests.integration.wire import dial, read_all, trusting
from tests.transport.minting import Pair, authority, leaf
from tests.wire.test_client_hello import openssl_hello

CONFIG = """\
listeners:
  - {{name: web, port: 0, address: 127.0.0.1, tls: off}}
  - {{name: raw, port: 0, address: 127.0.0.1, tls: off}}
  - {{name: legacy, port: 0, address: 127.0.0.1, tls: off{proxied}}}
registry: {{kind: none}}
deadlines: {{tls: 1s, shutdown: 2s}}
limits: {{connections: 50}}
services:
  raw: {{endpoints: ["http://127.0.0.1:{raw}"], timeouts: {{connect: 1s}}}}
  cics: {{endpoints: ["http://127.0.0.1:{cics}"]}}
  rest: {{endpoints: ["http://127.0.0.1:{rest}"]}}
  dead: {{endpoints: ["http://127.0.0.1:{dead}"], timeouts: {{connect: 300ms}}}}
streams:
  - {{listener: raw, service: raw}}
  - {{listener: legacy, sni: "*.mainframe.gov", service: cics, name: cics}}
  - {{listener: legacy, sni: closed.gov, service: cics, plugins: [{{ip-filter: {{deny: [127.0.0.0/8]}}}}]}}
  - {{listener: legacy, sni: dead.gov, service: dead}}
{more}
"""


class Service:
    """A TCP service: each connection is given to `script` in a thread of its own."""

    def __init__(self, script: Callable[[Any], None], port: int = 0) -> None:
        self.sock = socket.create_server(("127.0.0.1", port))
        self.port = self.sock.getsockname()[1]
        self.script = script
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Any) -> None:
        with connection:
            connection.settimeout(20)
            try:
                self.script(connection)
            except OSError:
                pass

    def close(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def echo(connection: Any) -> None:
    """Everything back; at the end of it, goodbye."""
    while data := connection.recv(65536):
        connection.sendall(data)
    connection.sendall(b"bye")


def secured(pair: Pair, name: bytes) -> Callable[[Any], None]:
    """TLS that ends here: says its name, then echoes."""

    def script(connection: Any) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_chain(context, *pair.both)
        with context.wrap_socket(connection, server_side=True) as sock:
            sock.sendall(name)
            while data := sock.recv(65536):
                sock.sendall(data)

    return script


@on_both_transports
class StreamTests(GatewayCase):
    def service(self, script: Callable[[Any], None]) -> int:
        made = Service(script)
        self.addCleanup(made.close)
        return int(made.port)

    def started(self, raw: Callable[[Any], None] = echo, more: str = "", proxied: str = "", **changes: Any) -> Gateway:
        self.values: dict[str, Any] = {
            "raw": self.service(raw),
            "cics": self.service(secured(leaf("x.mainframe.gov", "a.b.mainframe.gov"), b"cics")),
            "rest": self.service(secured(leaf("rest.gov"), b"rest")),
            "dead": free_port(), "more": more, "proxied": proxied, **changes,
        }  # fmt: skip
        return self.gateway(CONFIG.format(**self.values))

    def ended(self, gateway: Gateway, count: int = 1) -> list[dict[str, Any]]:
        return list(eventually("streams are logged", lambda: len(gateway.lines("stream")) >= count and gateway.lines("stream")))

    def refusals(self, gateway: Gateway, count: int) -> list[str]:
        def found() -> list[str]:
            return [line["message"] for line in gateway.lines("log") if "connection refused" in line["message"]]

        return list(eventually("refusals are logged", lambda: len(found()) >= count and found()))

    def asked(self, gateway: Gateway, name: str) -> tuple[bytes, bytes]:
        """(what the service says first, an echo) over TLS to that name, verified to its end."""
        with dial(gateway.port("legacy"), trusting(), name) as sock:
            first = sock.recv(100)
            sock.sendall(b"hello")
            return first, sock.recv(100)

    def cut(self, gateway: Gateway, data: bytes, listener: str = "legacy") -> bytes:
        try:
            with dial(gateway.port(listener)) as sock:
                sock.sendall(data)
                return read_all(sock)
        except ConnectionError:
            return b""

    def test_raw(self) -> None:
        """Bytes and half-closes go through; one line, counts, a gauge."""
        gateway = self.started()
        with dial(gateway.port("raw")) as sock:
            sock.sendall(b"hello")
            self.assertEqual(b"hello", sock.recv(5))
            self.assertEqual(1, gateway.metric("gateway_connections", listener="raw", protocol="tcp"))
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(b"bye", read_all(sock))
        (line,) = self.ended(gateway)
        self.assertEqual(
            ("raw", "raw", "", "127.0.0.1", "", 5, 8, f"127.0.0.1:{self.values['raw']}"),
            tuple(line[key] for key in ("stream", "service", "reason", "client", "sni", "bytes_in", "bytes_out", "upstream")),
        )
        self.assertEqual(1, gateway.metric("gateway_streams_total", stream="raw", reason=""))
        self.assertEqual(8, gateway.metric("gateway_stream_bytes_total", stream="raw", direction="out"))
        self.assertEqual(0, gateway.metric("gateway_connections", listener="raw"))
        for size in (0, 1, 100_000):
            with dial(gateway.port("raw")) as sock:
                sock.sendall(b"x" * size)
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(b"x" * size + b"bye", read_all(sock))

    def test_server_first(self) -> None:
        """A service that speaks first, and one that closes at once."""
        gateway = self.started(lambda sock: sock.sendall(b"220 ready\r\n"))
        for _ in range(20):
            with dial(gateway.port("raw")) as sock:
                self.assertEqual(b"220 ready\r\n", read_all(sock))
        self.assertEqual({""}, {line["reason"] for line in self.ended(gateway, 20)})

    def test_by_name(self) -> None:
        """TLS is between client and service: the certificate is the service's; the name chooses."""
        gateway = self.started(more="  - {listener: legacy, service: rest}")
        self.assertEqual((b"cics", b"hello"), self.asked(gateway, "x.mainframe.gov"))
        self.assertEqual((b"cics", b"hello"), self.asked(gateway, "a.b.mainframe.gov"))
        self.assertEqual((b"rest", b"hello"), self.asked(gateway, "rest.gov"))
        first, second, third = self.ended(gateway, 3)
        self.assertEqual(("x.mainframe.gov", "cics"), (first["sni"], first["stream"]))
        self.assertEqual(("rest.gov", "legacy"), (third["sni"], third["stream"]))
        self.assertGreater(second["bytes_in"], 200)

    def test_real_clients(self) -> None:
        """openssl as client and server."""
        port = free_port()
        gateway = self.started(cics=port)
        gateway.write(leaf("x.mainframe.gov").pem.decode() + leaf("x.mainframe.gov").key_pem.decode(), "s.pem")
        gateway.write(authority().pem.decode(), "ca.pem")
        server = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "s.pem", "-www", "-quiet"],
            cwd=gateway.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def page() -> str:
            to = f"x.mainframe.gov:{gateway.port('legacy')}:127.0.0.1"
            words = ["curl", "-sS", "--http1.1", "--cacert", "ca.pem", "--resolve", to]
            done = subprocess.run(
                [*words, f"https://x.mainframe.gov:{gateway.port('legacy')}/"], cwd=gateway.folder, capture_output=True,
                text=True, timeout=30, check=False,
            )  # fmt: skip
            return done.stdout

        self.assertIn("TLSv1.3", eventually("openssl serves", page))
        for version in ("-tls1_2", "-tls1_3"):
            shown = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port('legacy')}", "-servername", "x.mainframe.gov",
                 "-CAfile", "ca.pem", "-verify_return_error", version],
                cwd=gateway.folder, capture_output=True, text=True, timeout=30, check=False, input="GET / HTTP/1.0\r\n\r\n",
            )  # fmt: skip
            self.assertIn("Verify return code: 0", shown.stdout)

    def test_unknown(self) -> None:
        """A name that nobody knows, none, no TLS, half of it: one line with the reason, the count, the end."""
        gateway = self.started()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.asked(gateway, "x.example.gov")
        context = trusting()
        context.check_hostname = False
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            dial(gateway.port("legacy"), context, "")
        self.assertEqual(b"", self.cut(gateway, b"GET / HTTP/1.1\r\nHost: x.mainframe.gov\r\n\r\n"))
        self.assertEqual(b"", self.cut(gateway, b"\x16\x03\x01\x00\x05hello"))
        self.assertEqual(b"", self.cut(gateway, b"\x16\x03\x01\x40\x00\x01\x00\x3f\x00" + bytes(20_000)))
        self.assertEqual(b"", self.cut(gateway, b"\x16\x03\x01\x02\x00\x01"))
        said = self.refusals(gateway, 6)
        self.assertEqual(6, len(said))
        self.assertIn("listener legacy, client 127.0.0.1, reason sni: no stream of this listener is for x.example.gov", said[0])
        self.assertIn("names no server", said[1])
        self.assertIn("did not come within 1 s", said[5])
        self.assertEqual(6, gateway.metric("gateway_connections_refused_total", listener="legacy", reason="sni"))
        self.assertEqual([], gateway.lines("stream"))

    def test_mutated(self) -> None:
        """Hundreds of ClientHellos and PROXY headers with bytes changed, cut or doubled: no traceback, nothing held, and
        whoever is honest is served."""
        gateway = self.started(proxied=", proxy_protocol: required, proxy_from: [127.0.0.0/8]")
        dice = random.Random(20240601)
        header = proxy_header(("192.0.2.7", 50000), ("10.0.0.1", 443))
        starts = (header + openssl_hello("x.mainframe.gov"), b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n" + openssl_hello(None))
        before, where = gateway.files(), ("127.0.0.1", gateway.port("legacy"))
        for _ in range(300):
            data = bytearray(dice.choice(starts))
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(data))
                data[at : at + dice.choice((0, 1, 1, 5))] = dice.choice((b"", bytes([dice.randrange(256)]), data[at : at + 9]))
            with socket.create_connection(where, 10) as sock:
                try:
                    sock.sendall(data)
                    if dice.random() < 0.5:
                        sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
        eventually("nothing is held", lambda: gateway.files() <= before + 5 and not gateway.metric("gateway_connections"))
        with socket.create_connection(where, 10) as plain:
            plain.sendall(header)
            with trusting().wrap_socket(plain, server_hostname="x.mainframe.gov") as sock:
                self.assertEqual(b"cics", sock.recv(10))

    def test_may_not(self) -> None:
        """`ip-filter` stands before a stream."""
        gateway = self.started()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.asked(gateway, "closed.gov")
        (line,) = self.ended(gateway)
        self.assertEqual(("forbidden", "legacy/closed.gov", ""), (line["reason"], line["stream"], line["upstream"]))

    def test_announced_client(self) -> None:
        """A PROXY header names the client of a stream too, and filters go by it."""
        gateway = self.started(proxied=", proxy_protocol: required, proxy_from: [127.0.0.0/8]")
        with socket.create_connection(("127.0.0.1", gateway.port("legacy")), 10) as plain:
            plain.sendall(b"PROXY TCP4 198.51.100.7 10.0.0.1 50000 443\r\n")
            with trusting().wrap_socket(plain, server_hostname="x.mainframe.gov") as sock:
                self.assertEqual(b"cics", sock.recv(10))
        self.assertEqual("198.51.100.7", self.ended(gateway)[0]["client"])

    def test_dead(self) -> None:
        """A service that is not there."""
        gateway = self.started()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.asked(gateway, "dead.gov")
        self.assertEqual("upstream-connect", self.ended(gateway)[0]["reason"])
        said = [line["message"] for line in gateway.lines("log") if "service dead" in line["message"]]
        self.assertEqual(1, len(said), said)

    def test_slow_reader(self) -> None:
        """However much a service sends, a client that does not read does not make us hold it; and it all arrives."""
        total = 64 * 1024 * 1024
        block = bytes(range(256)) * 256

        def pour(connection: Any) -> None:
            for _ in range(total // len(block)):
                connection.sendall(block)

        gateway = self.started(pour)
        with dial(gateway.port("raw"), receive_bytes=65536) as sock:
            self.assertEqual(block[:10], sock.recv(10))
            time.sleep(0.5)
            before = gateway.memory()
            time.sleep(0.5)
            self.assertLess(gateway.memory() - before, 8 * 1024 * 1024)
            got = 10
            while data := sock.recv(1 << 20):
                got += len(data)
            self.assertEqual(total, got)
        self.assertEqual(total, self.ended(gateway)[0]["bytes_out"])

    def test_slow_service(self) -> None:
        """The same the other way."""
        total = 32 * 1024 * 1024
        goes_on = threading.Event()
        got: list[int] = []

        def sip(connection: Any) -> None:
            goes_on.wait(20)
            count = 0
            while data := connection.recv(1 << 20):
                count += len(data)
            got.append(count)
            connection.sendall(b"done")

        gateway = self.started(sip)
        with dial(gateway.port("raw")) as sock:
            sent = threading.Thread(target=lambda: (sock.sendall(bytes(total)), sock.shutdown(socket.SHUT_WR)))
            sent.start()
            time.sleep(0.5)
            self.assertLess(gateway.memory(), 150 * 1024 * 1024)
            goes_on.set()
            self.assertEqual(b"done", read_all(sock))
            sent.join()
        self.assertEqual([total], got)

    def test_reset(self) -> None:
        """A client that resets: the service's end is gone too."""
        gone = threading.Event()

        def wait(connection: Any) -> None:
            try:
                read_all(connection)
            finally:
                gone.set()

        gateway = self.started(wait)
        sock = dial(gateway.port("raw"))
        sock.sendall(b"x")
        eventually("it is there", lambda: gateway.metric("gateway_connections", listener="raw") == 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
        self.assertTrue(gone.wait(20))
        self.assertEqual("client-gone", self.ended(gateway)[0]["reason"])

    def test_reloads(self) -> None:
        """A stream goes on through reloads, also through one without it; new connections get what is new."""
        gateway = self.started()
        with dial(gateway.port("raw")) as sock, dial(gateway.port("legacy"), trusting(), "x.mainframe.gov") as other:
            self.assertEqual(b"cics", other.recv(10))
            for turn in range(5):
                more = f"  - {{listener: legacy, sni: r{turn}.gov, service: rest}}"
                self.assertEqual(0, gateway.reload(CONFIG.format(**{**self.values, "more": more})).returncode)
                sock.sendall(b"still")
                other.sendall(b"there")
                self.assertEqual((b"still", b"there"), (sock.recv(5), other.recv(5)))
            without = CONFIG.format(**self.values).split("streams:")[0]
            self.assertEqual(0, gateway.reload(without).returncode)
            sock.sendall(b"still")
            other.sendall(b"there")
            self.assertEqual((b"still", b"there"), (sock.recv(5), other.recv(5)))
            self.assertIn(b"404", self.cut(gateway, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "raw"))

    def test_drain(self) -> None:
        """SIGTERM: streams go on until the time is over, then end, and are logged with why."""
        gateway = self.started()
        with dial(gateway.port("raw")) as sock:
            sock.sendall(b"a")
            self.assertEqual(b"a", sock.recv(1))
            assert gateway.child is not None
            gateway.child.terminate()
            time.sleep(0.5)
            sock.sendall(b"b")
            self.assertEqual(b"b", sock.recv(1))
            self.assertEqual(b"", sock.recv(1))
        self.assertEqual(0, gateway.stop())
        self.assertEqual("draining", self.ended(gateway)[0]["reason"])

    def test_many(self) -> None:
        """No more than `limits.connections` at once; the next one is told in the log, and there is room again."""
        gateway = self.started()
        held = [dial(gateway.port("raw")) for _ in range(50)]
        eventually("they are there", lambda: gateway.metric("gateway_connections", listener="raw") == 50)
        self.assertEqual(b"", self.cut(gateway, b"x", "raw"))
        self.assertIn("reason connections", self.refusals(gateway, 1)[0])
        for sock in held:
            sock.close()
        eventually("they are gone", lambda: gateway.metric("gateway_connections", listener="raw") == 0)
        with dial(gateway.port("raw")) as sock:
            sock.sendall(b"x")
            self.assertEqual(b"x", sock.recv(1))

    def test_registry(self) -> None:
        """A service of the registry, which moves."""
        first, second = self.service(lambda sock: sock.sendall(b"first")), self.service(lambda sock: sock.sendall(b"second"))
        spine = Spine({"mainframe": first})
        self.addCleanup(spine.origin.close)
        gateway = self.gateway(
            "listeners: [{name: raw, port: 0, address: 127.0.0.1, tls: off}]\n"
            f"registry: {{url: 'http://127.0.0.1:{spine.origin.port}'}}\n"
            "streams: [{listener: raw, service: mainframe}]\n"
        )
        self.assertEqual(b"first", self.cut(gateway, b"", "raw"))
        spine.register({"mainframe": second})
        eventually("it has moved", lambda: self.cut(gateway, b"", "raw") == b"second")

    def test_faults(self) -> None:
        """What makes no sense is told with its line."""
        gateway = self.started()
        more = "  - {listener: raw, service: rest, sni: a.gov, plugins: [jwt, rate-60ip]}\n  - {listener: lost, service: rest}"
        bad = CONFIG.format(**{**self.values, "more": more})
        said = gateway.command("check", "--dev", gateway.write(bad, "bad.yaml"), state_dir=False)
        if said.returncode == 2:
            said = gateway.command("check", gateway.write(bad, "bad.yaml"), state_dir=False)
        text = said.stdout + said.stderr
        line = 1 + bad[: bad.index("plugins: [jwt")].count("\n")
        self.assertIn(f"bad.yaml:{line}:", text)
        self.assertIn("rate-60ip needs a request", text)
        self.assertIn("no listener is called `lost`", text)
        self.assertTrue(os.path.exists(gateway.config))
