"""The example that masks answers, attacked by clients that ask for parts and packed bodies, before a real nginx that
gives both, and before services that answer as they like."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import time

from tests.integration.asking import Closed, Wire
from tests.integration.origins import Origin, Received
from tests.integration.programs import installed, run
from tests.integration.running import ROOT, Gateway, GatewayCase, eventually, free_port, on_both_transports

NUMBER, MASKED = b"123-45-6789", b"***-**-6789"
PAGE = b"<p>The number is " + NUMBER + b", and once more: " + NUMBER + b".</p>\n" * 20
SHOWN = PAGE.replace(NUMBER, MASKED)
NGINX = """\
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 256; }}
http {{
  access_log off; root {folder}/www; types {{ text/html html; image/png png; text/plain txt; }}
  gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; gzip_http_version 1.0; max_ranges 100;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}; listen 127.0.0.1:{clear} http2;
    location /trailers {{ alias {folder}/www/file; add_trailer X-Number {number}; }}
    location /fields {{ alias {folder}/www/file; add_header X-Number {number}; add_header X-Number "a {number}"; }}
    location /packed {{ alias {folder}/www/file; gzip_static always; }}
    location /part {{ return 206 "{number}"; }}
    location /unsatisfied {{ return 416 "{number}"; }}
    location /moved {{ return 302 /file/{number}; }}
    location /utf16 {{ alias {folder}/www/utf16; default_type "text/plain; charset=utf-16"; }}
  }}
}}
"""
#: Each line, or lines, that a client may send to get less than the whole, or something else than plain bytes.
ATTACKS = (
    ("Range: bytes=17-22",), ("RANGE: BYTES=17-22",), ("range: bytes=-9000",), ("Range: bytes=0-18,19-22,23-40",),
    ("Range: bytes=0-0, 17-22", "Range: bytes=20-25"), ("Range: bytes=17-19", "If-Range: {etag}"),
    ("Range: bytes=17-19", "If-Range: {modified}"), ("Request-Range: bytes=17-22",), ("Range: bytes=99999-",),
    ("Range: bytes=17-22", "Connection: range"), ("Range : bytes=17-22",), ("Accept-Encoding: gzip",),
    ("ACCEPT-ENCODING: gzip;q=1.0, *;q=0",), ("Accept-Encoding: br, identity;q=0",), ("Accept-Encoding: gzip, identity;q=0",),
    ("Accept-Encoding: x", "Accept-Encoding: gzip"), ("TE: gzip",), ("TE: gzip, trailers", "Connection: TE"),
    ("A-IM: gdiff, range",), ("Cache-Control: no-transform",), ("Want-Content-Digest: sha-256=10",), ("If-Match: *",),
    ("Accept: application/xml", "Accept-Charset: utf-16"), ("If-None-Match: {etag}",), ("If-None-Match: W/{etag}",),
)  # fmt: skip


def config(url: str, protocol: str = "http/1.1") -> str:
    """Below /open nobody masks; everything else is masked."""
    return (
        "listeners:\n- {name: public, address: 127.0.0.1, port: 0, tls: off}\nregistry: {kind: none}\n"
        f"defaults: {{plugins: []}}\nservices: {{web: {{protocol: {protocol}, endpoints: ['{url}']}}}}\n"
        "routes:\n- {path: /*, service: web, plugins: [mask-ssn]}\n- {path: /open/*, service: web, strip_prefix: /open}\n"
        "- {path: /weak/*, service: web, strip_prefix: /weak, plugins: [upper]}\n"
    )


#: One that keeps the ETag, unlike the example.
UPPER = """\
class Upper:
    def response(self, data):
        return data.upper()

def transform(req):
    return Upper()
"""


class MaskCase(GatewayCase):
    def masking(self, url: str, protocol: str = "http/1.1") -> Gateway:
        """A gateway with the example before this service."""
        made = self.gateway_to_start()
        with open(os.path.join(ROOT, "docs", "examples", "plugins", "mask_ssn.py"), encoding="ascii") as file:
            made.write(file.read(), "plugins/mask_ssn.py")
        made.write(UPPER, "plugins/upper.py")
        made.start(config(url, protocol), "--dev")
        return made


@on_both_transports
class RealMaskTests(MaskCase):
    def setUp(self) -> None:
        installed(self, "nginx")
        self.folder = folder = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(folder, "www", "file"))
        self.port, self.clear = free_port(), free_port()
        for name, data in (
            ("file/a.html", PAGE), ("file/a.png", PAGE), ("file/a.txt", PAGE), ("file/a.html.gz", gzip.compress(PAGE)),
            ("utf16", PAGE.decode().encode("utf-16")), ("file/wide.txt", PAGE.decode().encode("utf-16")),
        ):  # fmt: skip
            with open(os.path.join(folder, "www", name), "wb") as file:
                file.write(data)
        text = NGINX.format(folder=folder, port=self.port, clear=self.clear, number=NUMBER.decode())
        run(self, "nginx", folder, text, self.port)

    def curl(self, gateway: Gateway, path: str, *fields: str) -> bytes:
        """What a client of HTTP/2 gets: heads, trailers, body."""
        lines = [word for field in fields for word in ("-H", field)]
        url = f"http://127.0.0.1:{gateway.port()}{path}"
        words = ["curl", "-s", "-i", "-m", "20", "--http2-prior-knowledge", *lines, url]
        return subprocess.run(words, capture_output=True, check=False).stdout

    def safe(self, seen: bytes, why: object) -> None:
        """No digit of the number but the last four, and nothing packed in which it may be."""
        self.assertNotIn(b"123", seen, why)
        self.assertNotIn(b"\x1f\x8b", seen, why)

    def test_parts_and_codings(self) -> None:
        """Whatever is asked, all of the page comes, masked; nginx by itself, and through the gateway, gives it."""
        with Wire(self.port) as wire:
            self.assertEqual(b"123-45", wire.get("/file/a.html", "Range: bytes=17-22").body)
            self.assertEqual("gzip", wire.get("/file/a.html", "Accept-Encoding: gzip").field("content-encoding"))
            said = wire.get("/file/a.html")
            known = {"etag": said.field("etag"), "modified": said.field("last-modified")}
        for url, protocol in ((f"http://127.0.0.1:{self.port}", "http/1.1"), (f"http://127.0.0.1:{self.clear}", "h2c")):
            gateway = self.masking(url, protocol)
            with Wire(gateway.port()) as wire:
                self.assertEqual(206, wire.get("/open/file/a.html", "Range: bytes=17-22").status)
                packed = wire.get("/open/file/a.html", "Accept-Encoding: gzip")
                self.assertEqual(("gzip", PAGE), (packed.field("content-encoding"), gzip.decompress(packed.body)))
            for lines in ATTACKS:
                asked = [line.format(**known) for line in lines]
                with Wire(gateway.port()) as wire:
                    got = wire.get("/file/a.html", *asked)
                if "Range : bytes=17-22" in asked:
                    self.assertEqual(400, got.status)
                    continue
                self.assertEqual((200, SHOWN), (got.status, got.body), asked)
                for name in ("content-range", "content-encoding", "accept-ranges", "etag", "content-digest"):
                    self.assertIsNone(got.field(name), (asked, name))
            for lines in ATTACKS:
                asked = [line.format(**known) for line in lines if " :" not in line and "Connection" not in line]
                seen = self.curl(gateway, "/file/a.html", *asked)
                self.assertTrue(seen.startswith(b"HTTP/2 200"), (asked, seen[:200]))
                self.assertTrue(seen.endswith(SHOWN), asked)
                self.safe(seen, asked)

    def test_fields_and_trailers(self) -> None:
        """The number in a field, a repeated one, a redirect, a trailer."""
        gateway = self.masking(f"http://127.0.0.1:{self.port}")
        with Wire(gateway.port()) as wire:
            got = wire.get("/fields/a.html")
            self.assertEqual(["***-**-6789", "a ***-**-6789"], [value for name, value in got.fields if name == "X-Number"])
            self.assertEqual("***-**-6789", (wire.get("/moved").field("location") or "")[-11:])
            got = wire.get("/trailers/a.html", "TE: trailers", "Connection: TE")
            self.assertEqual((SHOWN, [("X-Number", "***-**-6789")]), (got.body, got.trailers))
        self.safe(self.curl(gateway, "/trailers/a.html", "TE: trailers"), "trailers")
        self.safe(self.curl(gateway, "/fields/a.html"), "fields")

    def test_unreadable(self) -> None:
        """What comes packed, in parts or in another charset all the same is a 502, and the log says why."""
        for url, protocol in ((f"http://127.0.0.1:{self.port}", "http/1.1"), (f"http://127.0.0.1:{self.clear}", "h2c")):
            gateway = self.masking(url, protocol)
            for path, reason in (("/packed/a.html", "upstream-protocol"), ("/part", "upstream-protocol"),
                                 ("/unsatisfied", "upstream-protocol"), ("/utf16", "plugin")):  # fmt: skip
                with Wire(gateway.port()) as wire:
                    got = wire.get(path)
                    self.assertEqual((502, reason), (got.status, got.reason), path)
                seen = self.curl(gateway, path)
                self.assertTrue(seen.startswith(b"HTTP/2 502"), (path, seen))
                self.assertNotIn(NUMBER[:7], seen)
            # One that does not say its charset is seen through only once it comes.
            with Wire(gateway.port()) as wire:
                wire.send(b"GET /file/wide.txt HTTP/1.1\r\nHost: a\r\n\r\n")
                try:
                    self.assertEqual(502, wire.answer().status)
                except Closed as closed:
                    self.assertNotIn(b"1\0002", closed.args[0])

            def said(gateway: Gateway = gateway) -> list[str]:
                return [str(line) for line in gateway.lines("log") if "asked for the whole" in str(line)]

            eventually("each is logged", lambda said=said: len(said()) == 6)
            self.assertTrue(any("Content-Encoding gzip" in line for line in said()), said())

    def test_conditions(self) -> None:
        """A weakened ETag is good for a 304 and never for a write; HEAD says what GET does."""
        gateway = self.masking(f"http://127.0.0.1:{self.port}")
        with Wire(gateway.port()) as wire:
            got = wire.get("/weak/file/a.html")
            tag = got.field("etag") or ""
            self.assertEqual((PAGE.upper(), True), (got.body, tag.startswith('W/"')))
            same = wire.get("/weak/file/a.html", f"If-None-Match: {tag}")
            self.assertEqual((304, tag), (same.status, same.field("etag")))
            self.assertEqual(412, wire.get("/weak/file/a.html", f"If-Match: {tag}").status)
            head = wire.get("/weak/file/a.html", method="HEAD")
            self.assertEqual((200, tag, None), (head.status, head.field("etag"), head.field("content-length")))
            picture = wire.get("/file/a.png", "Range: bytes=0-3")
            self.assertEqual((200, PAGE, None), (picture.status, picture.body, picture.field("accept-ranges")))


@on_both_transports
class MaskTests(MaskCase):
    def test_cut_anywhere(self) -> None:
        """A chunk may end within the number, at each of its digits; a length may be known or not."""
        text = b"a " + NUMBER + b" b"

        def cut(got: Received, to: socket.socket) -> None:
            at = int(got.target.rpartition("/")[2])
            to.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            to.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n")
            if got.target.startswith("/length"):
                to.sendall(b"Content-Length: %d\r\n\r\n" % len(text) + text[:at])
                time.sleep(0.02)
                to.sendall(text[at:])
                return
            to.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
            for piece in (text[:at], text[at:]):
                if piece:
                    to.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            to.sendall(b"0\r\nX-Number: " + NUMBER + b"\r\nContent-Digest: md5=:x:\r\n\r\n")

        origin = Origin(cut)
        self.addCleanup(origin.close)
        gateway = self.masking(origin.url)
        with Wire(gateway.port()) as wire:
            for at in range(len(text) + 1):
                self.assertEqual(b"a " + MASKED + b" b", wire.get(f"/length/{at}").body)
                got = wire.get(f"/chunks/{at}", "TE: trailers", "Connection: TE")
                self.assertEqual((b"a " + MASKED + b" b", [("X-Number", MASKED.decode())]), (got.body, got.trailers))

    def test_what_services_do(self) -> None:
        """A service that heeds nothing: parts, several parts, packed under any name; nothing of it gets out."""
        starts = (
            "206 P\r\nContent-Range: bytes 1-11/99\r\n", "206 P\r\nContent-Type: multipart/byteranges; boundary=x\r\n",
            "200 O\r\nContent-Type: multipart/x-byteranges; boundary=x\r\n", "416 N\r\n", "226 I\r\nIM: gdiff\r\n",
            "200 O\r\nContent-Encoding: gzip\r\n", "200 O\r\nContent-Encoding: identity\r\ncontent-encoding: BR\r\n",
            "500 E\r\nContent-Encoding: x-new\r\n", "200 O\r\nTransfer-Encoding: gzip, chunked\r\n",
            "200 O\r\nContent-Type: text/plain; charset=UTF-16LE\r\n", "200 O\r\nContent-Type: text/html;charset=\"utf-7\"\r\n",
        )  # fmt: skip

        def answer(got: Received, to: socket.socket) -> None:
            start = starts[int(got.target[1:])]
            length = "" if "Transfer" in start else f"Content-Length: {len(NUMBER)}\r\n"
            to.sendall(f"HTTP/1.1 {start}{length}\r\n".encode() + NUMBER)

        origin = Origin(answer)
        self.addCleanup(origin.close)
        gateway = self.masking(origin.url)
        for number, start in enumerate(starts):
            with Wire(gateway.port()) as wire:
                got = wire.get(f"/{number}", "Range: bytes=1-11", "Accept-Encoding: gzip, br")
                self.assertEqual(502, got.status, start)
                self.assertNotIn(NUMBER, got.body, start)
        self.assertEqual([["identity"]] * len(starts), [got.values("accept-encoding") for got in origin.got])
        self.assertEqual([[]] * len(starts), [got.values("range") for got in origin.got])
