"""HTTP/2 heads to records and back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.reasons import BAD_PATH, BAD_REQUEST, HEAD_TOO_LARGE, TARGET_TOO_LONG, UNKNOWN_PROTOCOL
from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.heads import RequestHead, ResponseHead
from hmsgw.wire.http1 import parse_request
from hmsgw.wire.http2_heads import HeadReader, field_pairs, informational_pairs, request_head, response_pairs

START = {b":method": b"GET", b":scheme": b"https", b":authority": b"api.example", b":path": b"/a?b"}
WEBSOCKET = {**START, b":method": b"CONNECT", b":protocol": b"websocket", b"sec-websocket-version": b"13"}


def read(*more: tuple[bytes, bytes], ended: bool = True, **start: bytes | None) -> RequestHead:
    """A head with these pseudo-header fields changed (None: left out) and these fields behind them."""
    changed = {**START, **{b":" + name.encode(): value for name, value in start.items()}}
    pairs = [(name, value) for name, value in changed.items() if value is not None]
    return request_head((*pairs, *more), ended, 4000, 1000, 20)


class RequestHeadTests(SynchronousTestCase):
    """`request_head`."""

    def refused(self, reason: Any, *more: tuple[bytes, bytes], **how: Any) -> str:
        with self.assertRaises(EdgeFault) as caught:
            read(*more, **how)
        self.assertIs(reason, caught.exception.reason)
        return caught.exception.detail

    def test_plain(self) -> None:
        """Method, target and authority; nothing to strip, no body."""
        head = read((b"accept", b"*/*"), (b"user-agent", b"curl"))
        self.assertEqual((b"GET", b"/a?b", b"api.example"), (head.method, head.target, head.authority))
        self.assertEqual(("h2", 0, False, False), (head.protocol, head.length, head.chunked, head.strip))
        self.assertEqual(((b"accept", b"accept", b"*/*"), (b"user-agent", b"user-agent", b"curl")), head.fields)

    def test_bodies(self) -> None:
        """A body has a length, or goes on in chunks; one that is promised has to come."""
        head = read(ended=False)
        self.assertEqual((None, True, True), (head.length, head.chunked, head.strip))
        head = read((b"content-length", b"5"), ended=False)
        self.assertEqual((5, True, False), (head.length, head.has_length, head.chunked))
        self.assertEqual(0, read((b"content-length", b"0")).length)
        self.refused(BAD_REQUEST, (b"content-length", b"5"))
        for bad in (b"+5", b"5, 5", b"", b"0x5", b"9" * 19):
            self.refused(BAD_REQUEST, (b"content-length", bad), ended=False)
        self.refused(BAD_REQUEST, (b"content-length", b"5"), (b"content-length", b"5"), ended=False)

    def test_host(self) -> None:
        """Either names the host; both may, if they say the same. Nobody after this sees a Host field."""
        head = read((b"host", b"API.example"))
        self.assertEqual((b"api.example", ()), (head.authority, head.fields))
        self.assertEqual(b"b.example", read((b"host", b"b.example"), authority=None).authority)
        self.refused(BAD_REQUEST, (b"host", b"b.example"))
        self.refused(BAD_REQUEST, (b"host", b"b"), (b"host", b"b"), authority=None)
        self.refused(BAD_REQUEST, authority=None)
        for bad in (b"", b"a b", b"a/b", b"u@a", b"a:x"):
            self.refused(BAD_REQUEST, authority=bad)

    def test_cookies(self) -> None:
        """Crumbs become one field, where the first stood."""
        head = read((b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"), (b"cookie", b"c=3"))
        self.assertEqual([(b"cookie", b"a=1; b=2; c=3"), (b"x", b"y")], [(name, value) for name, _, value in head.fields])
        self.assertEqual(b"a=1", read((b"cookie", b"a=1")).fields[0][2])

    def test_connection_fields(self) -> None:
        """RFC 9113 section 8.2.2: malformed."""
        for name in (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"):
            self.refused(BAD_REQUEST, (name, b"chunked"))
        head = read((b"te", b"trailers"))
        self.assertEqual((True, True), (head.te_trailers, head.strip))

    def test_marks(self) -> None:
        """What may not go on as it is, and who waits for 100."""
        for name in (b"x-forwarded-for", b"traceparent", b"via", b"x_y", b"trailer", b"proxy-authorization"):
            self.assertTrue(read((name, b"v")).strip, name)
        self.assertTrue(read((b"expect", b"100-continue"), ended=False).expect_continue)

    def test_targets(self) -> None:
        """A path, or `*` for OPTIONS; what HTTP/1.1 could take for something else is refused."""
        for bad in (b"", b"a", b"http://evil/", b"*", b"/a b", b"/a#b", b"/\xff"):
            self.refused(BAD_REQUEST, path=bad)
        for bad in (b"/a\r\nX: 1", b"/a\x00"):
            self.refused(BAD_PATH, path=bad)
        self.assertEqual(b"*", read(method=b"OPTIONS", path=b"*").target)
        self.refused(BAD_REQUEST, path=None)
        self.refused(BAD_REQUEST, scheme=None)
        self.refused(BAD_REQUEST, scheme=b"ftp")

    def test_methods(self) -> None:
        """A token; CONNECT stands alone with its authority."""
        for bad in (b"GET /x HTTP/1.1", b"", b"G\r\nX"):
            self.refused(BAD_REQUEST, method=bad)
        self.refused(BAD_REQUEST, method=None)
        head = read(method=b"CONNECT", scheme=None, path=None)
        self.assertEqual((b"CONNECT", b"api.example"), (head.method, head.target))

    def test_pseudo_fields(self) -> None:
        """Known ones, once each, before all others."""
        self.refused(BAD_REQUEST, (b":status", b"200"))
        self.refused(BAD_REQUEST, (b":path", b"/b"))
        self.refused(BAD_REQUEST, (b"a", b"1"), (b":protocol", b"websocket"))
        self.refused(BAD_REQUEST, protocol=b"websocket", method=b"CONNECT")

    def test_extended_connect(self) -> None:
        """RFC 8441: a WebSocket's opening is a GET to whoever reads on, without the key of HTTP/1.1's handshake."""
        version = (b"sec-websocket-version", b"13")
        head = read(
            version, (b"sec-websocket-key", b"x"), (b"sec-websocket-accept", b"x"), protocol=b"WebSocket",
            method=b"CONNECT", ended=False,
        )  # fmt: skip
        self.assertEqual((b"GET", b"/a?b", True, None, False), (head.method, head.target, head.websocket, head.length, head.chunked))
        self.assertEqual([b"sec-websocket-version"], [field[0] for field in head.fields])
        self.assertFalse(read().websocket)
        for reason, more, how in (
            (UNKNOWN_PROTOCOL, (), {"protocol": b"connect-udp"}),
            (UNKNOWN_PROTOCOL, (), {"protocol": b""}),
            (BAD_REQUEST, (), {"protocol": b"websocket", "method": b"GET"}),
            (BAD_REQUEST, (), {"protocol": b"websocket", "ended": True}),
            (BAD_REQUEST, (), {"protocol": b"websocket", "path": None}),
            (BAD_REQUEST, (), {"protocol": b"websocket", "scheme": None}),
            (BAD_REQUEST, (), {"protocol": b"websocket", "authority": None}),
            (BAD_REQUEST, ((b"content-length", b"0"),), {"protocol": b"websocket"}),
            (BAD_REQUEST, ((b"upgrade", b"websocket"),), {"protocol": b"websocket"}),
        ):
            self.refused(reason, *more, **{"method": b"CONNECT", "ended": False, **how})

    def test_bad_fields(self) -> None:
        """What would be another field, or another request, in HTTP/1.1."""
        for name, value in (
            (b"X-A", b"1"), (b"a b", b"1"), (b"", b"1"), (b"a:b", b"1"), (b"a", b"1\r\nb: 2"), (b"a", b"1\n2"),
            (b"a", b"1\x002"), (b"a", b" 1"), (b"a", b"1 "), (b"a\r\nb", b"1"), (b"a", b"\x7f"),
        ):  # fmt: skip
            self.refused(BAD_REQUEST, (name, value))

    def test_sizes(self) -> None:
        """431 for fields that are too many, too long, or too much together; 414 for the path."""
        self.refused(HEAD_TOO_LARGE, *((b"a", b"1") for _ in range(21)))
        self.refused(HEAD_TOO_LARGE, (b"a", b"1" * 1001))
        self.refused(HEAD_TOO_LARGE, *((b"a", b"1" * 900) for _ in range(5)))
        self.refused(TARGET_TOO_LONG, path=b"/" + b"a" * 1000)
        self.assertEqual(4, len(read(*((b"a", b"1" * 900) for _ in range(4))).fields))

    @given(st.lists(st.tuples(st.sampled_from([b"a", b"x-b", b"accept"]), st.binary(max_size=12)), max_size=4))
    def test_as_strict_as_http1(self, pairs: list[tuple[bytes, bytes]]) -> None:
        """What is taken, HTTP/1.1 reads as the same fields."""
        try:
            head = read(*pairs)
        except EdgeFault:
            return
        lines = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
        again = parse_request(b"GET /a HTTP/1.1\r\nHost: a\r\n" + lines[:-2] if pairs else b"GET /a HTTP/1.1\r\nHost: a", 4000, 20)
        self.assertEqual([(n, v) for n, _, v in head.fields], [(n, v) for n, _, v in again.fields])


class HeadReaderTests(SynchronousTestCase):
    """`HeadReader`."""

    def test_again(self) -> None:
        """The second record says what the first did, with its own target, and is not the same object."""
        reader = HeadReader(4000, 1000, 20)
        more = ((b"te", b"trailers"), (b"cookie", b"a=1"), (b"cookie", b"b=2"))
        first = reader.read((*START.items(), *more), True)
        again = reader.read((*{**START, b":path": b"/c"}.items(), *more), True)
        self.assertIsNot(first, again)
        self.assertEqual((b"/a?b", b"/c"), (first.target, again.target))
        self.assertEqual({**first.__dict__, "target": b"/c"}, again.__dict__)

    def test_as_if_read_anew(self) -> None:
        """Whatever is sent after whatever: the same record, or the same refusal, as a new reader's."""
        heads = [
            ((*START.items(),), True), ((*{**START, b":path": b"/b#c"}.items(),), True),
            ((*{**START, b":path": b"no"}.items(),), True), ((*{**START, b":method": b"POST"}.items(),), True),
            ((*START.items(), (b"x", b"1")), True), ((*START.items(), (b"x", b"2")), True), ((*START.items(),), False),
            ((*START.items(), (b":path", b"/b")), True), ((*{**START, b":path": b"/" + b"a" * 1200}.items(),), True),
            (tuple(reversed(START.items())), True), ((*{**START, b":authority": b"b"}.items(),), True),
            ((*{**START, b":path": b"/b"}.items(),), False), ((*START.items(), (b"content-length", b"3")), False),
            ((*START.items(), (b"content-length", b"3")), True), ((*WEBSOCKET.items(),), False),
            ((*{**WEBSOCKET, b":path": b"/c"}.items(),), False), ((*{**WEBSOCKET, b":path": b"/c"}.items(),), True),
        ]  # fmt: skip

        def outcome(reader: HeadReader, head: Any) -> Any:
            try:
                return reader.read(*head).__dict__
            except EdgeFault as fault:
                return fault.detail

        for first in heads:
            for second in heads:
                reader = HeadReader(4000, 1000, 20)
                outcome(reader, first)
                self.assertEqual(outcome(HeadReader(4000, 1000, 20), second), outcome(reader, second), (first, second))


class AnswerTests(SynchronousTestCase):
    """The way back."""

    def test_response(self) -> None:
        """Lower-case names; a length and a date where none is among the fields."""
        head = ResponseHead(200, [(b"x-a", b"X-A", b"1")], 5)
        self.assertEqual(
            [
                (b":status", b"200"), (b"x-a", b"1"), (b"content-length", b"5"),
                (b"date", b"Thu, 01 Jan 1970 00:00:00 GMT"),
            ],
            response_pairs(head, 0),
        )  # fmt: skip
        head = ResponseHead(200, [(b"date", b"Date", b"d"), (b"content-length", b"Content-Length", b"5")], 5)
        head.dated = head.framed = True
        self.assertEqual([(b":status", b"200"), (b"date", b"d"), (b"content-length", b"5")], response_pairs(head, 0))

    def test_no_length(self) -> None:
        """None where none is known, and none where none may be."""
        for head in (ResponseHead(200, [], None), ResponseHead(204, [], 0), ResponseHead(304, [], 0)):
            self.assertNotIn(b"content-length", dict(response_pairs(head, 0)))

    def test_others(self) -> None:
        """1xx and trailers."""
        fields = [(b"link", b"Link", b"</a>")]
        self.assertEqual([(b":status", b"103"), (b"link", b"</a>")], informational_pairs(103, fields))
        self.assertEqual([(b"link", b"</a>")], field_pairs(fields))
