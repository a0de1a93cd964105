"""PROXY headers: every split reads alike, and what is not exactly one is refused."""

from __future__ import annotations

import struct
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.proxy_protocol import (
    MAX_V2_BYTES,
    SIGNATURE,
    Announced,
    BadProxyHeader,
    crc32c,
    proxy_header,
    read_proxy_header,
)

#: Python 3.13 spells it otherwise than those before.
MAPPED = str(ip_address("::ffff:192.0.2.7"))
V4 = bytes((192, 0, 2, 7, 10, 0, 0, 1)) + struct.pack(">HH", 50000, 443)
V6 = bytes.fromhex("20010db8000000000000000000000007") + bytes(16) + struct.pack(">HH", 50000, 443)


def v2(body: bytes, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack(">BBH", command, family, len(body) if length is None else length) + body


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack(">BH", kind, len(value)) + value


def summed(body: bytes, tlvs: bytes = b"") -> bytes:
    """A header with the right checksum."""
    blank = v2(body + tlvs + tlv(3, bytes(4)))
    return blank[:-4] + crc32c(blank).to_bytes(4, "big")


GOOD = {
    b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\n": ("192.0.2.7", 50000),
    b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n": ("255.255.255.255", 65535),
    b"PROXY TCP4 192.0.2.7 10.0.0.1 0 0\r\n": ("192.0.2.7", 0),
    b"PROXY TCP6 2001:DB8::7 ::1 50000 443\r\n": ("2001:db8::7", 50000),
    b"PROXY TCP6 ::ffff:192.0.2.7 ::1 50000 443\r\n": (MAPPED, 50000),
    b"PROXY UNKNOWN\r\n": None,
    b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n": None,
    v2(V4): ("192.0.2.7", 50000),
    v2(V6, family=0x21): ("2001:db8::7", 50000),
    v2(V4 + tlv(4, b"") + tlv(1, b"h2") + tlv(2, b"a.gov") + tlv(5, b"x" * 128) + tlv(0xEA, b"y")): ("192.0.2.7", 50000),
    summed(V4): ("192.0.2.7", 50000),
    summed(V4, tlv(0x20, bytes(5) + tlv(0x22, b"cn"))): ("192.0.2.7", 50000),
    v2(b"", command=0x20, family=0): None,
    v2(V4, command=0x20): None,
    v2(b"not to be read", command=0x20, family=0xFF): None,
    v2(b"", family=0): None,
    v2(tlv(4, b"abc"), family=0): None,
    v2(V4, family=0x12): None,
    v2(bytes(216), family=0x31): None,
}

BAD = (
    b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01", b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", b" PROXY", b"\n", b"\x00",
    b"PROXY\tTCP4 ", b"PROXY  TCP4 192.0.2.7 10.0.0.1 50000 443\r\n", b"PROXY TCP4  192.0.2.7 10.0.0.1 50000 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\n", b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443 \r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 50000\r\n", b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 65536\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 99999 443\r\n", b"PROXY TCP4 192.0.2.7 10.0.0.1 -1 443\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.1 050 443\r\n", b"PROXY TCP4 192.0.2.007 10.0.0.1 50 443\r\n",
    b"PROXY TCP4 192.0.2 10.0.0.1 50 443\r\n", b"PROXY TCP4 ::1 ::1 50 443\r\n", b"PROXY TCP6 1.2.3.4 1.2.3.4 50 443\r\n",
    b"PROXY TCP6 fe80::1%lo ::1 50 443\r\n", b"PROXY TCP6 1:2:3 ::1 50 443\r\n", b"PROXY UDP4 1.2.3.4 1.2.3.4 5 6\r\n",
    b"PROXY TCP4 192.0.2.7 10.0.0.300 50000 443\r\n", b"PROXY UNKNOWNX\r\n", b"PROXY \r\n", b"PROXY UNKNOWN a\rb\r\n",
    b"PROXY UNKNOWN " + b"x" * 100, b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    v2(V4, command=0x11), v2(V4, command=0x22), v2(V4, command=0x2F), v2(V4, family=0x13), v2(V4, family=0x41),
    v2(V4[:-1]), v2(V4, family=0x21), v2(V6[:-1], family=0x21), v2(bytes(215), family=0x31), v2(b""),
    v2(V4 + b"\x04"), v2(V4 + b"\x04\x00"), v2(V4 + b"\x04\x00\x01"), v2(V4 + b"\x04\xff\xff" + bytes(100)),
    v2(V4 + tlv(3, b"\x00\x00\x00\x01")), v2(V4 + tlv(3, b"")), v2(V4 + tlv(3, b"abc")), v2(V4 + tlv(3, bytes(8))),
    v2(V4, length=MAX_V2_BYTES), v2(V4, length=65535), summed(V4)[:-1] + b"\x00" + bytes(0),
    SIGNATURE[:-1] + b"\r",
)  # fmt: skip


class ReadTests(SynchronousTestCase):
    """`read_proxy_header`."""

    def test_good(self) -> None:
        """Each is read at its end and not before, whatever follows in the same piece."""
        for header, source in GOOD.items():
            for cut in range(len(header)):
                self.assertIsNone(read_proxy_header(header[:cut]), (header, cut))
            for after in (b"", b"GET / HTTP/1.1\r\n", b"PROXY UNKNOWN\r\n", b"\x16\x03", SIGNATURE):
                self.assertEqual(Announced(len(header), source), read_proxy_header(header + after), header)

    def test_bad(self) -> None:
        """Each is refused, in one piece and in any other."""
        for header in BAD:
            self.assertRaises(BadProxyHeader, read_proxy_header, header)
            for cut in range(len(header)):
                try:
                    self.assertIsNone(read_proxy_header(header[:cut]), header[:cut])
                except BadProxyHeader:
                    break

    def test_at_once(self) -> None:
        """What can't become a header is refused at its first wrong byte, not at a deadline."""
        for start in (b"G", b"PROXX", b"\r\n\r\n\r", SIGNATURE + b"\x31\x11\x00\x0c", v2(b"", length=9000)):
            self.assertRaises(BadProxyHeader, read_proxy_header, start)

    @given(st.binary(max_size=300), st.sampled_from((b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11")))
    def test_anything(self, data: bytes, start: bytes) -> None:
        """Bytes are a header, become one, or are refused; nothing else is raised, and no header is longer than both."""
        try:
            found = read_proxy_header(start + data)
        except BadProxyHeader:
            return
        if found is not None:
            self.assertLessEqual(found.length, len(start + data))

    def test_checksum(self) -> None:
        """CRC32c, as RFC 3720 appendix B.4 has it for 32 zeroes."""
        self.assertEqual(0x8A9136AA, crc32c(bytes(32)))


class WriteTests(SynchronousTestCase):
    """`proxy_header`."""

    def test_read_again(self) -> None:
        """What is written reads as what was meant."""
        for source, target in (
            (("192.0.2.7", 50000), ("10.0.0.1", 443)), (("2001:db8::7", 1), ("::1", 2)),
            (("192.0.2.7", 50000), ("2001:db8::1", 443)), (("2001:db8::7", 1), ("10.0.0.1", 2)),
        ):  # fmt: skip
            header = proxy_header(source, target)
            found = read_proxy_header(header)
            assert found is not None and found.source is not None
            self.assertEqual((len(header), source[1]), (found.length, found.source[1]))
            self.assertIn(found.source[0], (source[0], MAPPED))
        self.assertEqual(Announced(16, None), read_proxy_header(proxy_header(("unix", 0), ("10.0.0.1", 1))))

    def test_dual_stack(self) -> None:
        """On a socket for both families our own end is IPv4-mapped; that makes an IPv4 client no other."""
        header = proxy_header(("192.0.2.7", 50000), ("::ffff:10.0.0.1", 443))
        self.assertEqual((Announced(28, ("192.0.2.7", 50000)), 0x11), (read_proxy_header(header), header[13]))
