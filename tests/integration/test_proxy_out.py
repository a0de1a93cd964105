"""The PROXY protocol, version 2, to nginx and HAProxy as services."""

from __future__ import annotations

import os

from tests.integration.asking import Wire
from tests.integration.programs import installed, run
from tests.integration.running import Gateway, GatewayCase, free_port, on_both_transports
from tests.transport.minting import authority, leaf

OUT = """\
listeners:
  - {{name: plain, port: 0, address: 127.0.0.1, tls: off, trusted_proxies: [127.0.0.0/8]}}
  - {{name: raw, port: 0, address: 127.0.0.1, tls: off}}
registry: {{kind: none}}
defaults: {{plugins: []}}
services:
  plain: {{endpoints: ["http://127.0.0.1:{plain}"], proxy_protocol: v2}}
  secure: {{endpoints: ["https://localhost:{secure}"], proxy_protocol: v2, tls: {{ca: ca.pem}}}}
routes:
  - {{path: /plain, service: plain}}
  - {{path: /secure, service: secure}}
streams: [{{listener: raw, service: plain}}]
"""

BEHIND_NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{plain} proxy_protocol; listen 127.0.0.1:{secure} ssl proxy_protocol;
    ssl_certificate {pem}; ssl_certificate_key {pem};
    location / {{ return 200 "$proxy_protocol_addr $proxy_protocol_server_port $connection_requests"; }}
  }}
}}
"""

BEHIND_HAPROXY = """\
global
  maxconn 100
defaults
  mode http
  timeout client 20s
frontend in
  bind 127.0.0.1:{plain} accept-proxy
  bind 127.0.0.1:{secure} accept-proxy ssl crt {pem}
  http-request return status 200 content-type text/plain lf-string "%[src] %[dst_port] 1"
"""


@on_both_transports
class ProxyOutTests(GatewayCase):
    def started(self, program: str, text: str) -> Gateway:
        """A gateway in front of that program."""
        installed(self, program)
        folder: str = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        pair = leaf("localhost")
        pem = os.path.join(folder, "s.pem")
        with open(pem, "wb") as file:
            file.write(pair.pem + pair.key_pem)
        ports = {"plain": free_port(), "secure": free_port()}
        run(self, program, folder, text.format(folder=folder, pem=pem, **ports), ports["plain"])
        gateway = self.gateway_to_start()
        gateway.write(authority().pem.decode(), "ca.pem")
        gateway.start(OUT.format(**ports), "--dev")
        return gateway

    def check(self, gateway: Gateway) -> None:
        """Each client is told as itself, over and without TLS, also where connections could be kept."""
        port = gateway.port("plain")
        with Wire(port) as wire:
            for client in ("198.51.100.7", "198.51.100.8", "2001:db8::7"):
                for path in ("/plain", "/secure"):
                    answer = wire.get(path, f"X-Forwarded-For: {client}")
                    self.assertEqual((200, f"{client} {port} 1"), (answer.status, answer.body.decode()), path)
            self.assertEqual(f"127.0.0.1 {port} 1", wire.get("/plain").body.decode())
        with Wire(gateway.port("raw")) as wire:
            answer = wire.get("/")
            self.assertEqual(f"127.0.0.1 {gateway.port('raw')} 1", answer.body.decode())

    def test_nginx(self) -> None:
        """nginx reads it."""
        self.check(self.started("nginx", BEHIND_NGINX))

    def test_haproxy(self) -> None:
        """HAProxy reads it."""
        self.check(self.started("haproxy", BEHIND_HAPROXY))
