"""Server names of ClientHellos: OpenSSL's own in any pieces, and those that are made to be read in two ways."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.client_hello import MAX_BYTES, BadClientHello, NotTls, ServerNameReader


def openssl_hello(name: str | None) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.create_default_context()
    context.check_hostname = False
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def vector(size: int, content: bytes) -> bytes:
    return len(content).to_bytes(size, "big") + content


def extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">H", kind) + vector(2, content)


def sni(*names: bytes, kind: int = 0) -> bytes:
    return extension(0, vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names)))


def message(extensions: bytes | None, session: bytes = b"", suites: bytes = b"\x13\x01", compressions: bytes = b"\0") -> bytes:
    body = b"\x03\x03" + bytes(32) + vector(1, session) + vector(2, suites) + vector(1, compressions)
    if extensions is not None:
        body += vector(2, extensions)
    return b"\x01" + vector(3, body)


def records(content: bytes, size: int = 16384) -> bytes:
    parts = [content[at : at + size] for at in range(0, len(content), size)]
    return b"".join(b"\x16\x03\x01" + vector(2, part) for part in parts)


def fed(pieces: Iterator[bytes] | list[bytes]) -> str | None:
    reader = ServerNameReader()
    name = None
    for piece in pieces:
        name = reader.feed(piece)
        if name is not None:
            return name
    return name


GREASE = extension(0x0A0A, b"\0") + extension(0xDADA, b"") + extension(0xFE0D, b"\0" * 200)


class GoodTests(SynchronousTestCase):
    def test_openssl(self) -> None:
        """Whole, byte by byte, cut anywhere; and split over records of any size."""
        for name, found in (("Legacy.mainframe.gov", "legacy.mainframe.gov"), (None, "")):
            hello = openssl_hello(name)
            self.assertEqual(found, fed([hello]))
            self.assertEqual(found, fed([bytes([byte]) for byte in hello]))
            for cut in range(len(hello)):
                self.assertEqual(found, fed([hello[:cut], hello[cut:]]))
                self.assertIsNone(fed([hello[:cut]]))
            for size in (1, 2, 3, 5, 100):
                self.assertEqual(found, fed([records(hello[5:], size)]))
                self.assertEqual(found, fed([bytes([byte]) for byte in records(hello[5:], size)]))

    def test_passed_over(self) -> None:
        """GREASE, ECH, what follows the ClientHello; no extensions at all."""
        self.assertEqual("a.gov", fed([records(message(GREASE + sni(b"a.gov")))]))
        self.assertEqual("a.gov", fed([records(message(sni(b"a.gov"))) + b"\x14\x03\x03\0\x01\x01 and more" * 100]))
        self.assertEqual("", fed([records(message(None))]))
        self.assertEqual("", fed([records(message(b""))]))
        self.assertEqual("a_b.x-y.gov", fed([records(message(sni(b"a_b.x-y.gov")))]))


class BadTests(SynchronousTestCase):
    def test_not_tls(self) -> None:
        """What never was TLS is told apart at its first byte or two."""
        for data in (b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\x80\x2e\x01\x03\x01", b"\x16\x02", b"\x00"):
            self.assertRaises(NotTls, fed, [data])
            self.assertRaises(NotTls, fed, [bytes([byte]) for byte in data])

    def test_refused(self) -> None:
        """Lengths that lie, things that stand there twice, names that are none: nobody guesses."""
        good = sni(b"a.gov")
        plain = message(good)
        for data in (
            records(message(good + good)), records(message(GREASE + GREASE)), records(message(sni(b"a.gov", b"b.gov"))),
            records(message(sni())), records(message(sni(b""))), records(message(sni(b"a.gov", kind=1))),
            records(message(extension(0, b""))), records(message(extension(0, b"\0\x09\0\0\x05a.gov"))),
            records(message(extension(0, vector(2, b"\0" + vector(2, b"a.gov")) + b"\0"))),
            records(message(extension(0, b"\0\xff\0\0\x05a.gov"))),
            *(records(message(sni(name))) for name in (
                b"a.gov\0.evil", b"a gov", b"a.gov.", b".gov", b"a..gov", b"*.gov", b"a\n.gov", b"\xc3\xa9.gov", b"a" * 254,
                b"[::1]", b"a/b", b'a"b',
            )),
            records(message(good, session=b"x" * 33)), records(message(good, suites=b"")), records(message(good, suites=b"\x13\x01\0")),
            records(message(good, compressions=b"")), records(message(good[:-1])), records(message(good + b"\0")),
            records(plain[:4] + plain[4:] + b""[:0])[:-5] + b"\0" * 5,
            records(b"\x01" + vector(3, plain[4:] + b"\0")), records(b"\x01" + vector(3, plain[4:-1])),
            records(b"\x02" + plain[1:]), records(b"\x01\xff\xff\xff" + bytes(100)), records(b"\x01\x00\x40\x01"),
            b"\x16\x03\x01\0\0" + records(plain), b"\x16\x03\x01\xff\xff", b"\x16\x03\x01\x40\x01",
            records(plain, 20)[:25] + b"\x17\x03\x03\0\x01\0", records(plain, 20)[:25] + b"\x16\x02\x01\0\x01\0",
            records(message(extension(0x15, bytes(MAX_BYTES)) + good)),
        ):  # fmt: skip
            self.assertRaises(BadClientHello, fed, [data])

    def test_endless(self) -> None:
        """What never ends is not waited for past a bound, in records of one byte as in one that is never whole."""
        long = message(extension(0x15, bytes(15_000)))
        for data in (records(long, 1), b"\x16\x03\x01\x40\x00\x01\x00\x3f\x00" + bytes(20_000)):
            reader = ServerNameReader()
            with self.assertRaises(BadClientHello):
                for at in range(0, len(data), 1000):
                    if reader.feed(data[at : at + 1000]) is not None:
                        self.fail(str(at))
                    self.assertLessEqual(at, MAX_BYTES)

    @given(st.binary(max_size=400), st.sampled_from((b"", b"\x16\x03\x01", records(message(sni(b"a.gov")))[:60])))
    def test_anything(self, data: bytes, start: bytes) -> None:
        """Whatever comes: a name, more, or one of two refusals; in one piece as in many."""
        outcomes = []
        for pieces in ([start + data], [bytes([byte]) for byte in start + data]):
            try:
                outcomes.append(fed(pieces))
            except (NotTls, BadClientHello) as error:
                outcomes.append(type(error).__name__)
        self.assertEqual(*outcomes)

    @given(st.data())
    def test_mutated(self, data: st.DataObject) -> None:
        """One byte changed: never another error, and never a name that is none."""
        hello = bytearray(records(message(GREASE + sni(b"a.gov"))))
        hello[data.draw(st.integers(0, len(hello) - 1))] = data.draw(st.integers(0, 255))
        try:
            name = fed([bytes(hello)])
        except (NotTls, BadClientHello):
            return
        self.assertTrue(name is None or name == "" or set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_."))
