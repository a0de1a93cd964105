"""nginx as an HTTP/2 service behind the running gateway: over TLS by ALPN and in the clear, for clients of either kind."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time

from tests.integration.programs import installed, run
from tests.integration.running import Gateway, GatewayCase, eventually, free_port, on_both_transports
from tests.integration.test_bodies import MIB, Highest
from tests.integration.test_http2 import Client
from tests.transport.minting import authority, leaf

SIZE = 48 * MIB
GROWTH = 20 * MIB
NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  log_format how '$server_protocol $ssl_protocol $request_method $connection';
  access_log {folder}/access.log how; client_max_body_size 0; http2_max_concurrent_streams 8;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{clear} http2;
    listen 127.0.0.1:{secure} ssl http2;
    listen 127.0.0.1:{old} ssl;
    ssl_protocols TLSv1.3; ssl_certificate {folder}/cert.pem; ssl_certificate_key {folder}/key.pem;
    location /file {{ root {folder}/www; }}
    location /put {{ root {folder}/www; dav_methods PUT; create_full_put_path on; }}
    location /hello {{ return 200 "hello from nginx"; }}
    location /who {{ return 200 "$http_x_forwarded_host $http_forwarded $http_via $http_x_request_id"; }}
  }}
}}
"""


@on_both_transports
class Http2UpstreamTests(GatewayCase):
    def setUp(self) -> None:
        installed(self, "nginx")
        self.folder = folder = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(folder, "www", "file"))
        self.clear, self.secure, self.old = (free_port() for _ in range(3))
        ca = authority()
        server = leaf("localhost")
        self.content = os.urandom(MIB) * (SIZE // MIB)
        for name, data in (
            ("cert.pem", server.pem), ("key.pem", server.key_pem), ("ca.pem", ca.pem), ("www/file/a", self.content),
        ):  # fmt: skip
            with open(os.path.join(folder, name), "wb") as file:
                file.write(data)
        text = NGINX.format(folder=folder, clear=self.clear, secure=self.secure, old=self.old)
        run(self, "nginx", folder, text, self.clear)

    def begin(self, service: str) -> Gateway:
        return self.gateway(
            "listeners:\n- {name: public, address: 127.0.0.1, port: 0, tls: off}\nregistry: {kind: none}\n"
            f"defaults: {{plugins: []}}\nservices: {{web: {service}}}\nroutes: [{{path: /*, service: web}}]\n"
        )

    def both(self) -> dict[str, str]:
        """What is spoken -> the service's settings."""
        ca = os.path.join(self.folder, "ca.pem")
        return {
            "HTTP/2.0 -": f"{{endpoints: ['http://127.0.0.1:{self.clear}'], protocol: h2c}}",
            "HTTP/2.0 TLSv1.3": f"{{endpoints: ['https://localhost:{self.secure}'], tls: {{ca: {ca}}}}}",
            "HTTP/1.1 TLSv1.3": f"{{endpoints: ['https://localhost:{self.old}'], tls: {{ca: {ca}}}}}",
        }

    def curl(self, gateway: Gateway, path: str, *words: str) -> bytes:
        command = ["curl", "-sS", "--fail", "--max-time", "60", *words, f"http://127.0.0.1:{gateway.port()}{path}"]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def seen(self) -> list[str]:
        """nginx's own lines: protocol, TLS, method, connection."""
        with open(os.path.join(self.folder, "access.log"), encoding="ascii") as file:
            return file.read().splitlines()

    def test_every_pairing(self) -> None:
        """Large bodies both ways for clients of either kind, a slow reader among them, in bounded memory."""
        digest = hashlib.sha256(self.content).hexdigest()
        source = os.path.join(self.folder, "www", "file", "a")
        for spoken, service in self.both().items():
            gateway = self.begin(service)
            for version in ("--http1.1", "--http2-prior-knowledge"):
                self.assertEqual(b"hello from nginx", self.curl(gateway, "/hello", version))
                watch = Highest(gateway)
                got = self.curl(gateway, "/file/a", version, "--limit-rate", "40M")
                self.assertEqual(digest, hashlib.sha256(got).hexdigest())
                self.curl(gateway, "/put/b", version, "-T", source)
                self.assertLess(watch.growth(), GROWTH, (spoken, version))
                with open(os.path.join(self.folder, "www", "put", "b"), "rb") as file:
                    self.assertEqual(digest, hashlib.sha256(file.read()).hexdigest())
                os.remove(os.path.join(self.folder, "www", "put", "b"))
            last = eventually("nginx has logged it", lambda: self.seen()[-6:] if len(self.seen()) % 6 == 0 else None)
            self.assertEqual({spoken}, {line.rsplit(" ", 2)[0] for line in last})

    def test_shared(self) -> None:
        """Hundreds of requests at once share the connections that nginx's eight streams each ask for."""
        gateway = self.begin(self.both()["HTTP/2.0 -"])
        urls = [f"http://127.0.0.1:{gateway.port()}/hello?{n}" for n in range(300)]
        command = ["curl", "-sS", "--fail", "--parallel", "--parallel-max", "40", "--max-time", "60", *urls]
        said = subprocess.run(command, check=True, capture_output=True).stdout
        self.assertEqual(b"hello from nginx" * 300, said)
        lines = eventually("nginx has logged them", lambda: self.seen() if len(self.seen()) >= 300 else None)
        self.assertLessEqual(len({line.rsplit(" ", 1)[1] for line in lines}), 20)

    def test_own_fields(self) -> None:
        """What the gateway itself says of a request is of that request, whatever came before it on the connection."""
        gateway = self.begin(self.both()["HTTP/2.0 -"])
        client = Client(gateway.port(), tls=False)
        self.addCleanup(client.close)
        lines: list[list[str]] = []
        for host, via in (("a.test", ""), ("a.test", ""), ("b.test", "1.1 outer"), ("b.test", ""), ("a.test", "")):
            number = client.request("/who", "GET", *([("via", via)] if via else []), host=host)
            self.assertEqual(200, client.status(number))
            lines.append(client.bodies[number].decode().rsplit(" ", 1))
        a, b = (f"{name} for=127.0.0.1;host={name};proto=http" for name in ("a.test", "b.test"))
        mine = "2.0 hmsgw"  # nginx shows the first of two Via fields
        self.assertEqual(
            [f"{a} {mine}", f"{a} {mine}", f"{b} 1.1 outer", f"{b} {mine}", f"{a} {mine}"],
            [said for said, _ in lines],
        )
        self.assertEqual(5, len({request_id for _, request_id in lines}))

    def test_wrong_protocol(self) -> None:
        """What a service does not speak is told: a 502, which names what was expected where the service lets us know."""
        gateway = self.begin(f"{{endpoints: ['http://127.0.0.1:{self.clear}'], protocol: http/1.1}}")
        answer = self.curl(gateway, "/hello", "--no-fail", "-w", "%{http_code}")
        self.assertTrue(answer.endswith(b"502"), answer)
        ca = os.path.join(self.folder, "ca.pem")
        gateway = self.begin(f"{{endpoints: ['https://localhost:{self.old}'], protocol: h2, tls: {{ca: {ca}}}}}")
        answer = self.curl(gateway, "/hello", "--no-fail", "-w", "%{http_code}")
        self.assertIn(b"does not speak HTTP/2", answer)
        self.assertTrue(answer.endswith(b"502"), answer)

    def test_reload(self) -> None:
        """A download goes on over reloads, and the connection of a service that stayed as it was is kept."""
        gateway = self.begin(self.both()["HTTP/2.0 -"])
        target = os.path.join(self.folder, "got")
        with subprocess.Popen(
            ["curl", "-sS", "--limit-rate", "20M", "-o", target, f"http://127.0.0.1:{gateway.port()}/file/a"]
        ) as child:
            for _ in range(3):
                self.assertEqual(0, gateway.reload().returncode)
                time.sleep(0.1)
            self.assertEqual(0, child.wait(60))
        with open(target, "rb") as file:
            self.assertTrue(file.read() == self.content)
        self.curl(gateway, "/hello")
        lines = eventually("nginx has logged it", lambda: self.seen() if len(self.seen()) >= 2 else None)
        self.assertEqual(1, len({line.rsplit(" ", 1)[1] for line in lines}))
