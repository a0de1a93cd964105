"""The PROXY protocol into the running gateway, as HAProxy, nginx and curl write it."""

from __future__ import annotations

import json
import os
import socket
import subprocess

from tests.integration.asking import Wire
from tests.integration.origins import Origin, Received
from tests.integration.programs import installed, run
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports

CONFIG = """\
listeners:
  - {{name: plain, port: 0, address: 127.0.0.1, tls: off, proxy_protocol: required, proxy_from: [{sources}], trusted_proxies: [192.0.2.0/24]}}
  - {{name: secure, port: 0, address: 127.0.0.1, proxy_protocol: required, proxy_from: [127.0.0.0/8]}}
  - {{name: off, port: 0, address: 127.0.0.1, tls: off}}
registry: {{kind: none}}
defaults: {{plugins: []}}
services: {{back: {{endpoints: ["http://127.0.0.1:{port}"]}}}}
routes:
  - {{path: /echo, service: back}}
  - {{path: /limited, service: back, plugins: [{{rate: {{limit: 1, per: minute}}}}]}}
  - {{path: /inside, service: back, plugins: [{{ip-filter: {{allow: [198.51.100.0/24]}}}}]}}
"""

HAPROXY = """\
global
  maxconn 100
defaults
  mode tcp
  timeout connect 5s
  timeout client 20s
  timeout server 20s
{pairs}
"""

HAPROXY_PAIR = """\
listen l{n}
  bind 127.0.0.1:{port}
  server one 127.0.0.1:{to} {how}
"""

NGINX = """\
load_module {module};
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 256; }}
stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{to}; proxy_protocol on; }} }}
"""


MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"


def echo(got: Received, to: socket.socket) -> None:
    """The fields that came."""
    body = json.dumps({"fields": got.fields}).encode()
    to.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


@on_both_transports
class ProxyProtocolTests(GatewayCase):
    def started(self, sources: str = "127.0.0.0/8") -> Gateway:
        origin = Origin(echo)
        self.addCleanup(origin.close)
        self.behind = origin.port
        return self.gateway(CONFIG.format(sources=sources, port=origin.port))

    def get(self, port: int, header: bytes, path: str = "/echo", *fields: str) -> tuple[int, dict[str, str]]:
        """(status, the fields that the service saw)."""
        with Wire(port) as wire:
            wire.send(header)
            answer = wire.get(path, *fields)
            seen = json.loads(answer.body).get("fields", []) if answer.status == 200 else []
        return answer.status, {name.lower(): value for name, value in seen}

    def program(self, name: str, text: str, port: int) -> None:
        installed(self, name)
        folder: str = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        run(self, name, folder, text.replace("{folder}", folder), port)

    def test_client(self) -> None:
        """The announced client is the one in log, fields, limits and lists; trusted proxies are those announced."""
        gateway = self.started()
        port = gateway.port("plain")
        alice, bob = b"PROXY TCP4 198.51.100.7 10.0.0.1 50000 443\r\n", b"PROXY TCP6 2001:db8::7 ::1 50000 443\r\n"
        self.assertEqual("198.51.100.7", self.get(port, alice)[1]["x-forwarded-for"])
        self.assertEqual('for="[2001:db8::7]"', self.get(port, bob)[1]["forwarded"].split(";")[0])
        self.assertEqual("198.51.100.7", self.get(port, alice, "/echo", "X-Forwarded-For: 203.0.113.9")[1]["x-forwarded-for"])
        trusted = b"PROXY TCP4 192.0.2.1 10.0.0.1 50000 443\r\n"
        self.assertEqual(
            "203.0.113.9, 192.0.2.1", self.get(port, trusted, "/echo", "X-Forwarded-For: 203.0.113.9")[1]["x-forwarded-for"]
        )
        self.assertEqual([200, 429], [self.get(port, alice, "/limited")[0] for _ in range(2)])
        self.assertEqual([200, 429], [self.get(port, bob, "/limited")[0] for _ in range(2)])
        mapped = b"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:10.0.0.1 50000 443\r\n"
        self.assertEqual(429, self.get(port, mapped, "/limited")[0])
        self.assertEqual([200, 403], [self.get(port, who, "/inside")[0] for who in (alice, bob)])
        clients = {line["client"] for line in eventually("they are logged", lambda: gateway.lines("request"))}
        self.assertTrue({"198.51.100.7", "203.0.113.9", "2001:db8::7"} <= clients, clients)

    def test_spoofed(self) -> None:
        """From elsewhere, without one, with half of one: one line with the reason, one count, no answer."""
        gateway = self.started("192.0.2.1")
        with Wire(gateway.port("plain")) as wire:
            wire.send(b"PROXY TCP4 198.51.100.7 10.0.0.1 50000 443\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(b"", wire.rest())
        with Wire(gateway.port("secure")) as wire:
            wire.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(b"", wire.rest())
        first, second = eventually("both are told", lambda: len(self.refusals(gateway)) == 2 and self.refusals(gateway))
        self.assertIn("listener plain, client 127.0.0.1, reason proxy-source", first)
        self.assertIn("listener secure, client 127.0.0.1, reason proxy-header", second)
        for listener, reason in (("plain", "proxy-source"), ("secure", "proxy-header")):
            counted = gateway.metric("gateway_connections_refused_total", listener=listener, reason=reason)
            self.assertEqual(1, counted)

    def refusals(self, gateway: Gateway) -> list[str]:
        return [line["message"] for line in gateway.lines("log") if "connection refused" in line["message"]]

    def test_off(self) -> None:
        """Where it is off, a header is a bad request like any other."""
        gateway = self.started()
        with Wire(gateway.port("off")) as wire:
            wire.send(b"PROXY TCP4 198.51.100.7 10.0.0.1 50000 443\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(400, wire.answer().status)

    def test_haproxy(self) -> None:
        """HAProxy, with both versions and with TLVs, before TLS and without; its checks are no clients."""
        gateway = self.started()
        ports = [free_port() for _ in range(5)]
        plain, secure = gateway.port("plain"), gateway.port("secure")
        how = (
            (plain, "send-proxy"), (plain, "send-proxy-v2 proxy-v2-options crc32c,unique-id"), (secure, "send-proxy"),
            (secure, "send-proxy-v2-ssl-cn"), (plain, "send-proxy-v2 check check-send-proxy inter 100ms"),
        )  # fmt: skip
        pairs = [
            HAPROXY_PAIR.format(n=n, port=port, to=to, how=words) for n, (port, (to, words)) in enumerate(zip(ports, how, strict=True))
        ]
        self.program("haproxy", HAPROXY.format(pairs="".join(pairs)), ports[0])
        for port, (to, words) in zip(ports, how, strict=True):
            scheme = "https" if to == secure else "http"
            done = subprocess.run(
                ["curl", "-sSk", "--interface", "127.0.0.7", f"{scheme}://127.0.0.1:{port}/echo"], capture_output=True,
                text=True, timeout=30, check=False,
            )  # fmt: skip
            self.assertEqual("", done.stderr, words)
            seen = {name.lower(): value for name, value in json.loads(done.stdout)["fields"]}
            self.assertEqual(("127.0.0.7", scheme), (seen["x-forwarded-for"], seen["x-forwarded-proto"]), words)
        self.assertEqual([], [line for line in self.refusals(gateway) if "proxy-header" in line and "begin" in line])

    def test_nginx(self) -> None:
        """nginx's stream module, before TLS."""
        gateway = self.started()
        if not os.path.exists(MODULE):
            self.skipTest("nginx has no stream module here")
        port = free_port()
        text = NGINX.format(module=MODULE, folder="{folder}", port=port, to=gateway.port("secure"))
        self.program("nginx", text, port)
        done = subprocess.run(
            ["curl", "-sSk", "--http2", "--interface", "127.0.0.7", f"https://127.0.0.1:{port}/echo"], capture_output=True,
            text=True, timeout=30, check=False,
        )  # fmt: skip
        self.assertEqual("", done.stderr)
        seen = {name.lower(): value for name, value in json.loads(done.stdout)["fields"]}
        self.assertEqual("127.0.0.7", seen["x-forwarded-for"])

    def test_curl(self) -> None:
        """curl, which has no version 2, over TLS and HTTP/2."""
        gateway = self.started()
        done = subprocess.run(
            ["curl", "-sSk", "--haproxy-protocol", "--http2", f"https://127.0.0.1:{gateway.port('secure')}/echo"],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        self.assertEqual("", done.stderr)
        self.assertIn('["X-Forwarded-For", "127.0.0.1"]', done.stdout)

    def test_reload(self) -> None:
        """A reload switches it off where it was on; open connections go on."""
        gateway = self.started()
        port = gateway.port("plain")
        header = b"PROXY TCP4 198.51.100.7 10.0.0.1 50000 443\r\n"
        with Wire(port) as wire:
            wire.send(header)
            self.assertEqual(200, wire.get("/echo").status)
            off = CONFIG.format(sources="", port=self.behind).replace("proxy_protocol: required, proxy_from: [], ", "")
            self.assertEqual(0, gateway.reload(off).returncode)
            self.assertEqual(200, wire.get("/echo").status)
            self.assertEqual(200, self.get(gateway.port("plain"), b"")[0])
            self.assertEqual(port, gateway.port("plain"))
