"""Promises of `hmsgw.wire.http1`."""

from __future__ import annotations

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.faults import EdgeFault, UpstreamFault
from hmsgw.wire.fieldlines import encode_fields
from hmsgw.wire.heads import RequestHead
from hmsgw.wire.http1 import encode_request, encode_response, parse_again, parse_request, parse_response


def request(*lines: bytes) -> RequestHead:
    return parse_request(b"\r\n".join(lines), 16384, 200)


REFUSED = [
    (b"GET /",),
    (b"GET / HTTP/0.9", b"Host: a"),
    (b"GET / HTTP/2.0", b"Host: a"),
    (b"GET / HTTP/1.2", b"Host: a"),
    (b"GET / http/1.1", b"Host: a"),
    (b"GET  / HTTP/1.1", b"Host: a"),
    (b" GET / HTTP/1.1", b"Host: a"),
    (b"GET / HTTP/1.1 ", b"Host: a"),
    (b"GET\t/\tHTTP/1.1", b"Host: a"),
    (b"G@T / HTTP/1.1", b"Host: a"),
    (b" / HTTP/1.1", b"Host: a"),
    (b"GET x HTTP/1.1", b"Host: a"),
    (b"GET * HTTP/1.1", b"Host: a"),
    (b"GET /a#b HTTP/1.1", b"Host: a"),
    (b"GET /\x80 HTTP/1.1", b"Host: a"),
    (b"GET /\x00 HTTP/1.1", b"Host: a"),
    (b"GET ftp://a/ HTTP/1.1", b"Host: a"),
    (b"GET http:///x HTTP/1.1", b"Host: a"),
    (b"GET http://u@a/ HTTP/1.1", b"Host: a"),
    (b"GET / HTTP/1.1",),
    (b"GET / HTTP/1.1", b"Host: a", b"Host: a"),
    (b"GET / HTTP/1.1", b"Host: a", b"host: b"),
    (b"GET / HTTP/1.1", b"Host: a b"),
    (b"GET / HTTP/1.1", b"Host: a/b"),
    (b"GET / HTTP/1.1", b"Host: u@a"),
    (b"GET / HTTP/1.1", b"Host:"),
    (b"GET / HTTP/1.1", b"Host: a:b"),
    (b"GET / HTTP/1.1", b"Host : a"),
    (b"GET / HTTP/1.1", b"Host: a", b" folded"),
    (b"GET / HTTP/1.1", b"Host: a", b"\tfolded"),
    (b"GET / HTTP/1.1", b"Host: a", b": v"),
    (b"GET / HTTP/1.1", b"Host: a", b"X"),
    (b"GET / HTTP/1.1", b"Host: a", b"X y: v"),
    (b"GET / HTTP/1.1", b"Host: a", b"X: a\nY: b"),
    (b"GET / HTTP/1.1", b"Host: a", b"X: a\rY: b"),
    (b"GET / HTTP/1.1", b"Host: a", b"X: a\x00b"),
    (b"GET / HTTP/1.1", b"Host: a", b"X: a\x01b"),
    (b"GET / HTTP/1.1", b"Host: a", b"X: a\x7fb"),
    (b"GET / HTTP/1.1", b"Host: a", b"\x80: a"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: +5"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: -5"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 0x5"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 5_0"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 5, 5"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 05"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 00"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length:"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 99999999999999999999"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 5", b"Content-Length: 5"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 5", b"Content-Length: 6"),
    (b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    (b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    (b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: gzip, chunked"),
    (b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked, chunked"),
    (b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    (b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: identity"),
    (b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding:"),
    (b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: xchunked"),
    (b"POST / HTTP/1.0", b"Host: a", b"Transfer-Encoding: chunked"),
]


class RequestTests(SynchronousTestCase):
    def test_plain(self) -> None:
        """Method, target, authority and fields come out as they went in, Host apart."""
        head = request(b"GET /a?b=c HTTP/1.1", b"Host: API.example:8080", b"X-Case: Kept ")
        self.assertEqual((head.method, head.target, head.authority), (b"GET", b"/a?b=c", b"api.example:8080"))
        self.assertEqual(head.fields, ((b"x-case", b"X-Case", b"Kept"),))
        self.assertEqual((head.length, head.chunked, head.close, head.strip), (0, False, False, False))

    def test_refused(self) -> None:
        """What is ambiguous or malformed is refused, always."""
        for lines in REFUSED:
            with self.assertRaises(EdgeFault, msg=str(lines)):
                request(*lines)

    def test_control_character_in_the_path(self) -> None:
        """NUL or a control character in a path is bad-path, as its escape is; elsewhere in the line it is not."""
        for code in (0x00, 0x01, 0x09, 0x0B, 0x1F, 0x7F):
            for target, reason in ((b"/a%cb", "bad-path"), (b"/a?x=%c", "bad-request")):
                with self.assertRaises(EdgeFault) as caught:
                    request(b"GET " + target % code + b" HTTP/1.1", b"Host: a")
                self.assertEqual(caught.exception.reason.word, reason)
        with self.assertRaises(EdgeFault) as caught:
            request(b"GET /\x80 HTTP/1.1", b"Host: a")
        self.assertEqual(caught.exception.reason.word, "bad-request")

    def test_lengths(self) -> None:
        """A counted body and a chunked one are told apart."""
        self.assertEqual(request(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 7").length, 7)
        chunked = request(b"POST / HTTP/1.1", b"Host: a", b"Transfer-Encoding: Chunked")
        self.assertTrue(chunked.chunked)
        self.assertIsNone(chunked.length)

    def test_absolute_form_overrides_host(self) -> None:
        """RFC 9112 section 3.2.2: the authority of the request line takes the place of Host."""
        head = request(b"GET http://B.example?q HTTP/1.1", b"Host: a")
        self.assertEqual((head.authority, head.target), (b"b.example", b"/?q"))
        for target, meant in ((b"http://b", b"*"), (b"http://b/", b"/"), (b"http://b?q", b"/?q")):
            self.assertEqual(meant, request(b"OPTIONS " + target + b" HTTP/1.1", b"Host: a").target)
        self.assertEqual(b"/", request(b"GET http://b HTTP/1.1", b"Host: a").target)

    def test_connection(self) -> None:
        """`Connection` ends or keeps the connection and nominates fields."""
        self.assertTrue(request(b"GET / HTTP/1.1", b"Host: a", b"Connection: Close").close)
        self.assertTrue(request(b"GET / HTTP/1.0").close)
        self.assertFalse(request(b"GET / HTTP/1.0", b"Connection: keep-alive").close)
        self.assertEqual(request(b"GET / HTTP/1.1", b"Host: a", b"Connection: x-a, Y").connection, {b"x-a", b"y"})

    def test_unknown_method_is_a_token(self) -> None:
        """A method need not be known, only be a token."""
        self.assertEqual(request(b"PURGE / HTTP/1.1", b"Host: a").method, b"PURGE")

    def test_sizes_have_their_status(self) -> None:
        """A long target is 414; a long field or too many are 431. A long method is none."""
        for lines, status in (
            ((b"A" * 20000 + b" / HTTP/1.1", b"Host: a"), 400),
            ((b"GET /" + b"a" * 20000 + b" HTTP/1.1", b"Host: a"), 414),
            ((b"GET / HTTP/1.1", b"Host: a", b"X: " + b"a" * 20000), 431),
            ((b"GET / HTTP/1.1", b"Host: a", *[b"X: y"] * 300), 431),
        ):
            with self.assertRaises(EdgeFault) as caught:
                request(*lines)
            self.assertEqual(caught.exception.reason.status, status)

    def test_again_takes_only_plain_lines(self) -> None:
        """A second request line on remembered fields is as strict as the first."""
        head = request(b"GET /a HTTP/1.1", b"Host: a")
        self.assertTrue(parse_again(head, b"POST /b?c"))
        self.assertEqual((head.method, head.target), (b"POST", b"/b?c"))
        for line in (b"GET  /b", b"GET x", b"GET /a#b", b"G@T /", b"GET /\x80", b"GET /a b", b"GET", b"GET /a\r\nX: y"):
            self.assertFalse(parse_again(head, line), line)

    @given(st.binary(max_size=60), st.binary(max_size=60))
    @settings(max_examples=300, deadline=None)
    def test_whatever_comes(self, start: bytes, line: bytes) -> None:
        """Any bytes are a request or an EdgeFault, and nothing that is taken holds CR, LF or NUL."""
        try:
            head = parse_request(start + b"\r\n" + line, 16384, 200)
        except EdgeFault:
            return
        for piece in (head.method, head.target, head.authority, *[part for f in head.fields for part in f]):
            self.assertNotRegex(piece.decode("latin-1"), "[\r\n\0]")

    @given(
        st.sampled_from([b"GET", b"POST", b"DELETE", b"OPTIONS"]),
        st.text("abc/%2.-_~!$&'()*+,;=:@?", max_size=20),
        st.lists(
            st.tuples(st.text("abcXYZ-019_", min_size=1, max_size=8), st.text('aZ09 \t,;="\xe9', max_size=12)),
            max_size=6,
        ),
    )
    @settings(max_examples=300, deadline=None)
    def test_agrees_with_llhttp(self, method: bytes, path: str, pairs: list[tuple[str, str]]) -> None:
        """A well-formed head means the same here as to llhttp."""
        pairs = [(n, v) for n, v in pairs if n.lower() not in ("host", "te")]
        lines = [f"{name}: {value}".encode("latin-1") for name, value in pairs]
        raw = b"\r\n".join([b"%b /%b HTTP/1.1" % (method, path.encode()), b"Host: h", *lines])
        seen = Seen()
        parser = httptools.HttpRequestParser(seen)
        parser.feed_data(raw + b"\r\n\r\n")
        head = parse_request(raw, 16384, 200)
        self.assertEqual(head.target, seen.url)
        self.assertEqual([(n, v) for _, n, v in head.fields], seen.fields[1:])

    @given(st.lists(st.binary(min_size=1, max_size=24), min_size=1, max_size=4))
    @settings(max_examples=300, deadline=None)
    def test_takes_nothing_that_llhttp_refuses(self, lines: list[bytes]) -> None:
        """Strictness: a head that llhttp refuses is refused here too (unknown methods apart)."""
        raw = b"\r\n".join([b"GET / HTTP/1.1", b"Host: h", *lines])
        if b"\r\n\r\n" in raw:
            return
        try:
            parse_request(raw, 16384, 200)
        except EdgeFault:
            return
        try:
            httptools.HttpRequestParser(Seen()).feed_data(raw + b"\r\n\r\n")
        except httptools.HttpParserUpgrade:
            pass


class Seen:
    """What llhttp made of a head."""

    def __init__(self) -> None:
        self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.rstrip(b" \t")))


class ResponseTests(SynchronousTestCase):
    def test_length_and_date(self) -> None:
        """Framing is read, Content-Length and Date stay where they were."""
        head = parse_response(b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\nConnection: keep-alive", b"GET")
        self.assertEqual((head.status, head.length, head.body, head.close), (200, 5, True, False))
        self.assertTrue(head.dated and head.framed)
        self.assertEqual([name for _, name, _ in head.fields], [b"Date", b"Content-Length"])

    def test_no_body(self) -> None:
        """HEAD, 204 and 304 have none, whatever the fields say; a 204 has no length."""
        self.assertFalse(parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 5", b"HEAD").body)
        self.assertFalse(parse_response(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5", b"GET").body)
        none = parse_response(b"HTTP/1.1 204 No Content\r\nContent-Length: 0", b"GET")
        self.assertEqual((none.body, none.fields), (False, []))

    def test_endless(self) -> None:
        """Without a length the end of the connection is the end of the body."""
        self.assertTrue(parse_response(b"HTTP/1.1 200 OK", b"GET").close)
        self.assertTrue(parse_response(b"HTTP/1.0 200 OK\r\nContent-Length: 1", b"GET").close)
        self.assertFalse(
            parse_response(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive", b"GET").close
        )

    def test_hop_by_hop_fields_go(self) -> None:
        """Fields of the hop, and those that Connection names, are not handed on."""
        raw = b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 2\r\nUpgrade: h2c\r\nX: y"
        self.assertEqual(parse_response(raw, b"GET").fields, [(b"x", b"X", b"y")])

    def test_white_space_before_a_colon(self) -> None:
        """RFC 9112 section 5.1: a proxy removes it from answers; the field is then what its name says."""
        head = parse_response(b"HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length \t: 5", b"GET")
        self.assertEqual([(b"x-a", b"X-A", b"b"), (b"content-length", b"Content-Length", b"5")], head.fields)
        self.assertEqual(5, head.length)

    def test_garbage(self) -> None:
        """Whatever is not an HTTP/1.x answer, or is ambiguous, is an UpstreamFault."""
        for raw in (
            b"ICY 200 OK", b"HTTP/2.0 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"HTTP/1.1 099 OK", b"hello",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6", b"HTTP/1.1 200 OK\r\nContent-Length: x",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip", b"HTTP/1.1 200 OK\r\nX: a\nY: b", b"HTTP/1.1 200 O\x00K",
            b"HTTP/1.1 200 OK\r\n folded", b"HTTP/1.1 200 OK\r\nX y : z", b"HTTP/1.1 200 OK\r\n : y",
            b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\nContent-Length: 6",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding\t: chunked",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
        ):  # fmt: skip
            with self.assertRaises(UpstreamFault, msg=str(raw)):
                parse_response(raw, b"GET")


class EncodeTests(SynchronousTestCase):
    def test_request(self) -> None:
        """Host first, then the fields."""
        lines = encode_fields([(b"a", b"A", b"1")])
        self.assertEqual(encode_request(b"GET", b"/", b"h", lines), b"GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n")

    def test_response(self) -> None:
        """With and without fields."""
        self.assertEqual(encode_response(100, [], b""), b"HTTP/1.1 100 Continue\r\n\r\n")
        self.assertEqual(
            encode_response(299, [(b"a", b"A", b"1")], b"B: 2\r\n"), b"HTTP/1.1 299 \r\nA: 1\r\nB: 2\r\n\r\n"
        )
