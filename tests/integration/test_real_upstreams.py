"""nginx and HAProxy as the services behind the running gateway: HTTP as others write and read it."""

from __future__ import annotations

import os

from tests.integration.asking import Wire
from tests.integration.origins import Origin
from tests.integration.programs import installed, run
from tests.integration.running import GatewayCase, free_port, on_both_transports
from tests.integration.test_bodies import BLOCK, routes

NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 7;
    location /file {{ root {folder}/www; }}
    location /put {{ root {folder}/www; dav_methods PUT; create_full_put_path on; }}
    location /hello {{ return 200 "hello from nginx"; }}
    location / {{ return 404; }}
  }}
}}
"""

HAPROXY = """\
global
  maxconn 100
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:{port}
  http-request return status 200 content-type text/plain string "hello from haproxy" if {{ path /hello }}
  default_backend web
backend web
  server one 127.0.0.1:{behind}
"""


@on_both_transports
class RealUpstreamTests(GatewayCase):
    def upstream(self, program: str, text: str) -> str:
        """Start a server with this configuration. Returns the folder it works in."""
        installed(self, program)
        folder: str = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(folder, "www", "file"))
        self.port = free_port()
        text = text.replace("{folder}", folder).replace("{port}", str(self.port)).replace("{{", "{").replace("}}", "}")
        run(self, program, folder, text, self.port)
        return folder

    def test_nginx(self) -> None:
        """Small and large answers, HEAD, ranges, 304 and uploads through nginx, which closes every seventh time."""
        folder = self.upstream("nginx", NGINX)
        content = BLOCK * 80
        with open(os.path.join(folder, "www", "file", "a"), "wb") as file:
            file.write(content)
        gateway = self.gateway(routes(f"http://127.0.0.1:{self.port}"))
        with Wire(gateway.port()) as wire:
            self.assertEqual({wire.get("/hello").body for _ in range(40)}, {b"hello from nginx"})
            whole = wire.get("/file/a")
            self.assertTrue(whole.body == content)
            self.assertEqual(wire.get("/file/a", method="HEAD").field("content-length"), str(len(content)))
            self.assertEqual(wire.get("/file/a", "Range: bytes=5-9").body, content[5:10])
            self.assertEqual(wire.get("/file/a", f"If-None-Match: {whole.field('etag')}").status, 304)
            wire.send(b"PUT /put/b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(20):
                wire.send(b"%x\r\n%b\r\n" % (len(BLOCK), BLOCK))
            wire.send(b"0\r\n\r\n")
            self.assertEqual(wire.answer().status, 201)
        with open(os.path.join(folder, "www", "put", "b"), "rb") as file:
            self.assertTrue(file.read() == BLOCK * 20)

    def test_haproxy(self) -> None:
        """Through HAProxy, whose parser is strict, the same; its own answer and that of a service behind it."""
        origin = Origin()
        self.addCleanup(origin.close)
        self.upstream("haproxy", HAPROXY.replace("{behind}", str(origin.port)))
        gateway = self.gateway(routes(f"http://127.0.0.1:{self.port}"))
        with Wire(gateway.port()) as wire:
            self.assertEqual({wire.get("/hello").body for _ in range(20)}, {b"hello from haproxy"})
            wire.send(
                b"POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                + b"5\r\nhello\r\n" * 50
                + b"0\r\n\r\n"
            )
            self.assertEqual(wire.answer().status, 200)
            self.assertEqual(wire.get("/h", method="HEAD").status, 200)
        self.assertEqual(origin.got[0].body, b"hello" * 50)
        origin.close()
        with Wire(gateway.port()) as wire:
            self.assertEqual(wire.get("/gone").status, 503)
