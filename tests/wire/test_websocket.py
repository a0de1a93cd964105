"""Promises of `hmsgw.wire.websocket`, and of the heads that ask for one."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.reasons import BAD_REQUEST, WEBSOCKET_VERSION
from hmsgw.wire.faults import EdgeFault, UpstreamFault
from hmsgw.wire.heads import RequestHead
from hmsgw.wire.http1 import parse_request
from hmsgw.wire.websocket import (
    GOING_AWAY,
    Direction,
    Switch,
    accept_of,
    close_frame,
    for_http1,
    for_http2,
    new_key,
    opening_fault,
    read_switch,
    sent_key,
)

KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3
UPGRADE = (b"Host: a", b"Connection: Upgrade", b"Upgrade: websocket")
VERSION, KEYED = b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: " + KEY
OPENING = (b"GET /a HTTP/1.1", *UPGRADE, VERSION, KEYED)
GOOD_101 = (
    b"HTTP/1.1 101 Switching Protocols", b"Upgrade: WebSocket", b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Accept: " + ACCEPT,
)  # fmt: skip


def request(*lines: bytes) -> RequestHead:
    return parse_request(b"\r\n".join(lines), 16384, 200)


def switch(*lines: bytes) -> Switch:
    return read_switch(b"\r\n".join(lines), ACCEPT)


def frame(size: int, *, masked: bool, first: int = 0x82) -> bytes:
    """A frame with a payload of so many bytes, which look like frame headers."""
    mask = 0x80 if masked else 0
    if size < 126:
        start = bytes((first, mask | size))
    elif size < 65536:
        start = bytes((first, mask | 126)) + struct.pack("!H", size)
    else:
        start = bytes((first, mask | 127)) + struct.pack("!Q", size)
    return start + (b"\x88\xff\x00\x01" if masked else b"") + b"\x88\x02" * (size // 2) + b"\xff" * (size % 2)


class OpeningTests(SynchronousTestCase):
    """What a client has to say."""

    def test_asks(self) -> None:
        """Upgrade and Connection in any form that RFC 9110 allows; no body, whose length is not known."""
        for lines in (
            UPGRADE,
            (b"Host: a", b"upgrade: h2c, WEBSOCKET", b"connection: keep-alive, UPGRADE"),
            (b"Host: a", b"Upgrade: h2c", b"Upgrade: websocket", b"Connection: upgrade", b"Connection: close"),
            (*UPGRADE, b"Content-Length: 0"),
        ):
            head = request(b"GET /a HTTP/1.1", *lines)
            self.assertEqual((True, None, False), (head.websocket, head.length, head.chunked), lines)

    def test_does_not_ask(self) -> None:
        """Other protocols, Upgrade without Connection, Connection without Upgrade, and HTTP/1.0: passed over."""
        for lines in (
            (b"GET /a HTTP/1.0", *UPGRADE),
            (b"GET /a HTTP/1.1", b"Host: a", b"Upgrade: websocket"),
            (b"GET /a HTTP/1.1", b"Host: a", b"Connection: upgrade"),
            (b"GET /a HTTP/1.1", b"Host: a", b"Connection: upgrade", b"Upgrade: h2c"),
            (b"GET /a HTTP/1.1", b"Host: a", b"Connection: upgrade", b"Upgrade: websocket2, x-websocket"),
            (b"GET /a HTTP/1.1", b"Host: a", b"Connection: x-upgrade", b"Upgrade: websocket"),
        ):
            head = request(*lines)
            self.assertEqual((False, 0), (head.websocket, head.length), lines)

    def test_not_a_get(self) -> None:
        """Another method, or a body: nobody can tell where it would end and the WebSocket begin."""
        for lines in (
            (b"POST /a HTTP/1.1", *UPGRADE),
            (b"HEAD /a HTTP/1.1", *UPGRADE),
            (b"GET /a HTTP/1.1", *UPGRADE, b"Content-Length: 5"),
            (b"GET /a HTTP/1.1", b"Transfer-Encoding: chunked", *UPGRADE),
        ):
            with self.assertRaises(EdgeFault) as caught:
                request(*lines)
            self.assertEqual(400, caught.exception.reason.status)

    def test_handshake(self) -> None:
        """Version 13 and one key of 16 bytes."""
        self.assertIsNone(opening_fault(request(*OPENING)))
        for key in (b"", b"x", KEY[:-1], KEY + b"=", KEY[:-4], b"dGhlIHNhbXBsZSBub25jZR=="):
            fault = opening_fault(request(b"GET / HTTP/1.1", *UPGRADE, VERSION, b"Sec-WebSocket-Key: " + key))
            assert fault is not None
            self.assertEqual((BAD_REQUEST, []), (fault[0], fault[2]), key)
        for lines in ((VERSION,), (VERSION, KEYED, KEYED)):
            fault = opening_fault(request(b"GET / HTTP/1.1", *UPGRADE, *lines))
            assert fault is not None
            self.assertEqual(BAD_REQUEST, fault[0])

    def test_version(self) -> None:
        """Another version is 426 and says which it has to be, and in Upgrade what; none or two are 400."""
        for lines, reason in (
            ((b"Sec-WebSocket-Version: 8",), WEBSOCKET_VERSION),
            ((b"Sec-WebSocket-Version: 13, 8",), WEBSOCKET_VERSION),
            ((), BAD_REQUEST),
            ((VERSION, VERSION), BAD_REQUEST),
        ):
            fault = opening_fault(request(b"GET / HTTP/1.1", *UPGRADE, KEYED, *lines))
            assert fault is not None
            self.assertEqual(reason, fault[0], lines)
            self.assertIn((b"sec-websocket-version", b"Sec-WebSocket-Version", b"13"), fault[2])
            self.assertEqual(reason is WEBSOCKET_VERSION, any(field[0] == b"upgrade" for field in fault[2]))

    def test_keys(self) -> None:
        """RFC 6455's own example; a key of ours is one that we would take; the key of an encoded head."""
        self.assertEqual(ACCEPT, accept_of(KEY))
        self.assertNotEqual(new_key(), new_key())
        made = new_key()
        self.assertIsNone(opening_fault(request(*OPENING[:-1], b"Sec-WebSocket-Key: " + made)))
        self.assertEqual(made, sent_key(b"GET / HTTP/1.1\r\nHost: a\r\nsec-websocket-key: " + made + b"\r\n\r\n"))
        self.assertEqual(b"", sent_key(b"GET / HTTP/1.1\r\nHost: a\r\nX: Sec-WebSocket-Key: x\r\n\r\n"))


class SwitchTests(SynchronousTestCase):
    """What an upstream has to answer."""

    def test_good(self) -> None:
        """What is of the hop goes, the rest stays; to each client in its own form."""
        head = switch(*GOOD_101, b"Sec-WebSocket-Protocol: chat", b"Connection: X-Hop", b"X-Hop: 1", b"Content-Length: 0")
        self.assertEqual((101, None, True), (head.code, head.length, head.switch))
        self.assertEqual(
            [b"Sec-WebSocket-Accept", b"Sec-WebSocket-Protocol", b"Upgrade", b"Connection"],
            [field[1] for field in for_http1(head)],
        )
        for_http2(head)
        self.assertEqual((200, [b"sec-websocket-protocol"]), (head.code, [field[0] for field in head.fields]))

    def test_bad(self) -> None:
        """A wrong or missing Accept, another protocol, no Connection, a body."""
        start, upgrade, connection, accept = GOOD_101
        for lines in (
            (start, upgrade, connection),
            (start, upgrade, connection, b"Sec-WebSocket-Accept: " + accept_of(b"x")),
            (start, upgrade, connection, b"Sec-WebSocket-Accept: " + ACCEPT.lower()),
            (*GOOD_101, accept),
            (start, b"Upgrade: h2c", connection, accept),
            (start, b"Upgrade: websocket, h2c", connection, accept),
            (start, connection, accept),
            (start, upgrade, accept),
            (start, upgrade, b"Connection: close", accept),
            (*GOOD_101, b"Content-Length: 5"),
            (*GOOD_101, b"Transfer-Encoding: chunked"),
            (*GOOD_101, b"bad line"),
        ):
            with self.assertRaises(UpstreamFault):
                switch(*lines)

    def test_status_stays(self) -> None:
        """A response step may not make anything else of it."""
        head = switch(*GOOD_101)
        head.status = 101
        with self.assertRaises(ValueError):
            head.status = 403
        self.assertEqual(101, head.status)
        head.headers["X-A"] = "1"
        head.settle()
        self.assertEqual((True, 101), (any(field[0] == b"x-a" for field in head.fields), head.code))


frames = st.lists(
    st.builds(
        frame, st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65535, 65536, 70000]), masked=st.booleans(),
        first=st.sampled_from([0x81, 0x82, 0x02, 0x00, 0x80, 0x89, 0x88, 0xC1]),
    ),
    max_size=5,
)  # fmt: skip
cuts = st.lists(st.integers(0, 400_000), max_size=8)


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    """`data` cut there; as many single bytes as there are cuts follow each."""
    ends = sorted({min(cut + more, len(data)) for cut in at for more in range(4)} | {len(data)})
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False) if b > a]


class DirectionTests(SynchronousTestCase):
    """`Direction`."""

    def test_close(self) -> None:
        """A Close frame, unmasked and masked; the mask is new each time."""
        for reason in (b"", b"bye", bytes(123)):
            size, payload = 2 + len(reason), struct.pack("!H", 1001) + reason
            self.assertEqual(bytes((0x88, size)) + payload, close_frame(GOING_AWAY, reason, masked=False))
            masked = close_frame(GOING_AWAY, reason, masked=True)
            self.assertEqual((bytes((0x88, 0x80 | size)), 6 + size), (masked[:2], len(masked)))
            self.assertEqual(payload, bytes(byte ^ masked[2 + n % 4] for n, byte in enumerate(masked[6:])))
        self.assertGreater(len({close_frame(GOING_AWAY, b"", masked=True)[2:6] for _ in range(5)}), 1)

    @given(frames, cuts)
    def test_passes(self, sent: list[bytes], at: list[int]) -> None:
        """However it is cut: the same bytes, and where frames begin is known."""
        data = b"".join(sent)
        boundaries = {0}
        for one in sent:
            boundaries.add(max(boundaries) + len(one))
        direction, passed = Direction(), b""
        for piece in pieces(data, at):
            passed += direction.pass_on(piece)
            self.assertEqual(len(passed) in boundaries, direction.is_between_frames)
        self.assertEqual(data, passed)

    @given(frames, cuts, st.integers(0, 30))
    def test_last_word(self, sent: list[bytes], at: list[int], when: int) -> None:
        """However it is cut, and whenever it is asked for: the last word stands after a whole frame, once, at the first
        end of one, and nothing follows."""
        ends = [0]
        for one in sent:
            ends.append(ends[-1] + len(one))
        cut = pieces(b"".join(sent), at)
        before = b"".join(cut[:when])
        direction, passed = Direction(), b""
        for n, piece in enumerate(cut):
            if n == when:
                passed += direction.end_with(b"BYE")
            passed += direction.pass_on(piece)
        if when >= len(cut):
            passed += direction.end_with(b"BYE")
        end = next(end for end in ends if end >= len(before))
        self.assertEqual(b"".join(sent)[:end] + b"BYE", passed)
        self.assertEqual((b"", b""), (direction.end_with(b"BYE"), direction.pass_on(b"x")))

    @given(frames, cuts)
    def test_closed(self, sent: list[bytes], at: list[int]) -> None:
        """Whether the last frame that is whole was a Close frame, with nothing begun behind it."""
        direction = Direction()
        for piece in pieces(b"".join(sent), at):
            direction.pass_on(piece)
        self.assertEqual(bool(sent) and sent[-1][0] == 0x88, direction.is_closed)
        direction.pass_on(b"\x81")
        self.assertFalse(direction.is_closed)

    def test_huge(self) -> None:
        """A length of 2^63 and more is a number like any other; nothing waits."""
        direction = Direction()
        for n in range(10):
            self.assertEqual(b"\xff", direction.pass_on(b"\xff"), n)
        self.assertEqual(b"x" * 999, direction.pass_on(b"x" * 999))
        self.assertEqual((False, b""), (direction.is_between_frames, direction.end_with(b"BYE")))
