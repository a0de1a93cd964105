"""Client certificates through the running gateway, with curl and openssl as clients."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
from typing import Any

from tests.integration.asking import Wire
from tests.integration.origins import Origin, Received
from tests.integration.running import Gateway, GatewayCase, eventually, on_both_transports
from tests.transport.minting import Pair, authority, leaf, mint

CONFIG = """\
listeners:
  - {{port: 0, address: 127.0.0.1, tls: {{certificates: [{{certificate: gw.pem, key: gw.key}}], client_auth: {auth}, client_ca: ca.pem}}}}
registry: {{kind: none}}
defaults: {{plugins: []}}
services: {{back: {{endpoints: ["http://127.0.0.1:{port}"]}}}}
routes:
  - {{path: /open, service: back}}
  - {{path: /clerks, service: back, plugins: [{{mtls: {{subjects: ["CN=clerk"], headers: {{subject: X-Subject}}}}}}]}}
"""


def echo(got: Received, to: socket.socket) -> None:
    """Answers with the fields and trailers that came."""
    body = json.dumps([[name.lower(), value] for name, value in got.fields] + [list(one) for one in got.trailers]).encode()
    to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@on_both_transports
class MtlsTests(GatewayCase):
    def started(self, auth: str) -> Gateway:
        self.origin = Origin(echo)
        self.addCleanup(self.origin.close)
        gateway = self.gateway_to_start()
        self.put(gateway, "gw", leaf("localhost", "127.0.0.1", days=300))
        self.put(gateway, "clerk", leaf("clerk"))
        self.put(gateway, "other", leaf("other"))
        self.put(gateway, "strange", mint("clerk"))
        gateway.write(authority().pem.decode(), "ca.pem")
        gateway.start(CONFIG.format(auth=auth, port=self.origin.port), "--dev")
        return gateway

    def put(self, gateway: Gateway, name: str, pair: Pair) -> None:
        gateway.write(pair.pem.decode(), f"{name}.pem")
        gateway.write(pair.key_pem.decode(), f"{name}.key")

    def curl(self, gateway: Gateway, path: str, who: str | None, *words: str) -> tuple[int, str]:
        """(status, 0 when there was no answer; body)."""
        shown = ["--cert", f"{who}.pem", "--key", f"{who}.key"] if who else []
        done = subprocess.run(
            ["curl", "-sS", "--cacert", "ca.pem", *shown, *words, "-w", "\n%{http_code}",
             f"https://127.0.0.1:{gateway.port()}{path}"],
            cwd=gateway.folder, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def refusals(self, gateway: Gateway) -> list[str]:
        return [line["message"] for line in gateway.lines("log") if "connection refused" in line["message"]]

    def test_required(self) -> None:
        """Whoever shows none, or one that does not hold, does not come in: one line, one count each."""
        gateway = self.started("required")
        for protocol in ("--http1.1", "--http2"):
            for version in (("--tls-max", "1.2"), ("--tlsv1.3",)):
                self.assertEqual(200, self.curl(gateway, "/open", "clerk", protocol, *version)[0])
        self.assertEqual([], self.refusals(gateway))
        self.assertEqual(0, self.curl(gateway, "/open", None)[0])
        self.assertEqual(0, self.curl(gateway, "/open", "strange")[0])
        none, strange = eventually("both are told", lambda: len(self.refusals(gateway)) == 2 and self.refusals(gateway))
        self.assertIn("reason client-certificate: the client shows no certificate", none)
        self.assertIn("client 127.0.0.1", none)
        self.assertIn("does not hold", strange)
        counted = gateway.metric("gateway_connections_refused_total", listener="public", reason="client-certificate")
        self.assertEqual(2, counted)
        self.assertLess(299 * 86400, gateway.metric("gateway_certificate_expiry_seconds", certificate="gw.pem"))

    def test_optional(self) -> None:
        """A route decides who may: nobody 401, the wrong one 403; the upstream is told, and by nobody else."""
        gateway = self.started("optional")
        self.assertEqual(200, self.curl(gateway, "/open", None)[0])
        forged = ("-H", "X-Subject: CN=root", "-H", "x-SUBJECT: CN=boss")
        self.assertEqual(401, self.curl(gateway, "/clerks", None, *forged)[0])
        self.assertEqual(403, self.curl(gateway, "/clerks", "other", *forged)[0])
        status, body = self.curl(gateway, "/clerks", "clerk", *forged)
        told = [value for name, value in json.loads(body) if name == "x-subject"]
        self.assertEqual((200, ["CN=clerk"]), (status, told))

    def test_forged_trailer(self) -> None:
        """A trailer can't say it either."""
        gateway = self.started("optional")
        context = self.client(gateway)
        plain = socket.create_connection(("127.0.0.1", gateway.port()), 10)
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(
                b"POST /clerks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                b"1\r\nx\r\n0\r\nX-Subject: CN=root\r\nX-Other: 1\r\n\r\n"
            )
            answer = b""
            while data := sock.recv(65536):
                answer += data
        self.assertIn(b"X-Other", answer)
        self.assertNotIn(b"CN=root", answer)

    def client(self, gateway: Gateway) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(os.path.join(gateway.folder, "ca.pem"))
        context.load_cert_chain(*(os.path.join(gateway.folder, f"clerk.{end}") for end in ("pem", "key")))
        return context

    def test_renewed(self) -> None:
        """A reload with a new certificate: a connection and its next request go on, new ones get the new one."""
        gateway = self.started("required")
        wire: Any = Wire(gateway.port())
        wire.sock = self.client(gateway).wrap_socket(wire.sock, server_hostname="localhost")
        with wire:
            wire.send(b"GET /clerks HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(200, wire.answer().status)
            new = mint("localhost", ["localhost"], authority(), days=3)
            self.put(gateway, "gw", new)
            self.assertEqual(0, gateway.reload().returncode)
            wire.send(b"GET /clerks HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(200, wire.answer().status)
        shown = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port()}", "-servername", "localhost",
             "-cert", "clerk.pem", "-key", "clerk.key", "-CAfile", "ca.pem", "-verify_return_error"],
            cwd=gateway.folder, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self.assertIn("".join(new.pem.decode().split()[2:-2]), "".join(shown.stdout.split()))
        self.assertIn("Verify return code: 0", shown.stdout)
        self.assertIn("certificate gw.pem of listener public expires", " ".join(gateway.degraded()))

    def test_useless(self) -> None:
        """`mtls` where nobody is asked, and a CA that is none, are faults with their lines."""
        gateway = self.started("optional")
        plain = CONFIG.format(auth="none", port=1).replace(", client_ca: ca.pem", "")
        said = gateway.command("check", gateway.write(plain, "plain.yaml"), state_dir=False)
        self.assertEqual(1, said.returncode)
        self.assertIn("plain.yaml:8:47: mtls: no listener asks clients for a certificate", said.stderr + said.stdout)
        gateway.write("no PEM", "none.pem")
        bad = CONFIG.format(auth="optional", port=1).replace("ca.pem", "none.pem")
        said = gateway.command("check", gateway.write(bad, "bad.yaml"), state_dir=False)
        self.assertIn("client_ca: the CA is not PEM", said.stderr + said.stdout)
