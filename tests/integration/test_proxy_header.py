"""PROXY headers over sockets, on whichever event loop: in any pieces, before TLS, and from whom."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any

from hmsgw.transport.proxy_header import Sources
from hmsgw.transport.tls import ClientAuth
from hmsgw.wire.proxy_protocol import proxy_header
from tests.integration.wire import PATIENCE_S, Recorder, WireCase, dial, read_all, server_tls, trusting
from tests.transport.minting import authority, leaf

V1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\n"
V2 = proxy_header(("2001:db8::7", 50000), ("::1", 443))


class Teller(Recorder):
    """Says who is there, then sends back what comes."""

    def connectionMade(self) -> None:
        peer = self.transport.getPeer()
        self.transport.write(f"{peer.host} {peer.port}\n".encode())

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.transport.write(data)


class ProxyHeaderTests(WireCase):
    def proxied(self, tls: Any = None, *, sources: tuple[str, ...] = ("127.0.0.0/8",), **how: Any) -> Any:
        serving = self.serve(Teller, tls, **how)
        serving.set_sources(Sources(sources))
        return serving

    async def asked(self, serving: Any, pieces: list[bytes], tls: ssl.SSLContext | None = None) -> bytes:
        """What comes back after these pieces, each its own segment; then TLS, if any, and `hello`."""

        def ask() -> bytes:
            sock = dial(serving.address[1])
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock:
                try:
                    for n, piece in enumerate(pieces):
                        time.sleep(0.001 if n else 0)
                        sock.sendall(piece)
                    if tls is not None:
                        sock = tls.wrap_socket(sock, server_hostname="localhost")
                        sock.sendall(b"hello")
                    answer = b""
                    while not answer.endswith(b"hello"):
                        data = sock.recv(1000)
                        if not data:
                            break
                        answer += data
                    return answer
                except (ConnectionError, ssl.SSLError):
                    return b""
                finally:
                    sock.close()

        return bytes(await self.apart(ask))

    async def test_plain(self) -> None:
        """Whole, with what follows in one segment, and byte by byte."""
        serving = self.proxied()
        for header, who in ((V1, b"192.0.2.7 50000\n"), (V2, b"2001:db8::7 50000\n")):
            for pieces in ([header + b"hello"], [header, b"hello"], [bytes([byte]) for byte in header + b"hello"]):
                self.assertEqual(who + b"hello", await self.asked(serving, pieces))
        self.assertEqual([], self.refusals)

    async def test_before_tls(self) -> None:
        """TLS begins behind the last byte of the header, also where its ClientHello came with it."""
        serving = self.proxied(server_tls(leaf("localhost")))
        for header, who in ((V1, b"192.0.2.7 50000\n"), (V2, b"2001:db8::7 50000\n")):
            for pieces in ([header], [header[:9], header[9:]], [bytes([byte]) for byte in header]):
                self.assertEqual(who + b"hello", await self.asked(serving, pieces, trusting()))

    async def test_in_one_segment(self) -> None:
        """Header and ClientHello in one segment."""
        serving = self.proxied(server_tls(leaf("localhost")))

        def ask() -> bytes:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            shaking = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
            with dial(serving.address[1]) as sock:
                first = V2
                while True:
                    try:
                        shaking.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        sock.sendall(first + outgoing.read())
                        first = b""
                        incoming.write(sock.recv(65536))
                sock.sendall(outgoing.read())
                while True:
                    try:
                        return bytes(shaking.read(100))
                    except ssl.SSLWantReadError:
                        incoming.write(sock.recv(65536))

        self.assertEqual(b"2001:db8::7 50000\n", await self.apart(ask))

    async def test_own_address(self) -> None:
        """LOCAL and UNKNOWN keep the socket's own."""
        serving = self.proxied()
        local = proxy_header(("", 0), ("", 0))
        for header in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 192.0.2.7 what 1 2\r\n", local):
            self.assertTrue((await self.asked(serving, [header + b"hello"])).startswith(b"127.0.0.1 "), header)

    async def refused(self, serving: Any, pieces: list[bytes], reason: str, words: str) -> None:
        before = len(self.refusals)
        self.assertEqual(b"", await self.asked(serving, pieces))
        await self.until(lambda: len(self.refusals) > before and serving.handshaking == 0)
        client, found, why = self.refusals[-1]
        self.assertEqual((before + 1, "127.0.0.1", reason), (len(self.refusals), client, found))
        self.assertIn(words, why)
        self.assertTrue(all(one.transport is None for one in self.made))

    async def test_none(self) -> None:
        """Required is required: without a header, or with one that is not quite one, nothing is served."""
        for tls in (None, server_tls(leaf("localhost"))):
            serving = self.proxied(tls)
            for data in (b"GET / HTTP/1.1\r\n\r\nhello", b"\x16\x03\x01\x00\x05hello", b"PROXY TCP4 1.2.3.4\r\nhello"):
                await self.refused(serving, [data], "proxy-header", "PROXY")
            await self.refused(serving, [V2[:14] + b"\xff\xff" + b"x" * 60_000], "proxy-header", "longer than")

    async def test_elsewhere(self) -> None:
        """From outside `proxy_from` nobody comes in, with a good header or without."""
        serving = self.proxied(sources=("192.0.2.0/24", "::1"))
        for data in (V1 + b"hello", V2 + b"hello", b"hello"):
            await self.refused(serving, [data], "proxy-source", "`proxy_from` does not hold this address")

    async def test_late(self) -> None:
        """A header that comes too slowly is not waited for, and holds only so many places."""
        serving = self.proxied(handshake_timeout_s=0.3, max_pending=2)

        def wait() -> bytes:
            with dial(serving.address[1]) as slow, dial(serving.address[1]) as slower, dial(serving.address[1]) as third:
                slow.sendall(V1[:20])
                try:
                    return read_all(third) + read_all(slow) + read_all(slower)
                except ConnectionError:
                    return b""

        self.assertEqual(b"", await self.apart(wait))
        await self.until(lambda: serving.handshaking == 0 and len(self.refusals) == 2)
        self.assertEqual(1, serving.refused)
        self.assertIn("did not come within 0.3 s", self.refusals[0][2])
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_gone(self) -> None:
        """A probe that says nothing is nobody's fault; a header that is cut is told."""
        serving = self.proxied()
        await self.apart(lambda: [dial(serving.address[1]).close() for _ in range(5)])

        def cut() -> None:
            with dial(serving.address[1]) as sock:
                sock.sendall(V2[:20])
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(PATIENCE_S)
                try:
                    read_all(sock)
                except ConnectionError:
                    pass

        await self.apart(cut)
        await self.until(lambda: serving.handshaking == 0 and len(self.refusals) == 1)
        self.assertIn("ended within its PROXY header", self.refusals[0][2])

    async def test_exchanged(self) -> None:
        """A reload may switch it on and off; who is connected does not notice."""
        serving = self.proxied()
        sock = await self.apart(dial, serving.address[1])
        await self.apart(sock.sendall, V1)
        self.assertEqual(b"192.0.2.7 50000\n", await self.apart(sock.recv, 100))
        serving.set_sources(None)
        await self.apart(sock.sendall, b"still here")
        self.assertEqual(b"still here", await self.apart(sock.recv, 100))
        sock.close()
        self.assertIn(V1, await self.asked(serving, [V1 + b"hello"]))

    async def test_certificates(self) -> None:
        """Client certificates behind it; who shows none is told by the announced address."""
        serving = self.proxied(server_tls(leaf("localhost"), clients=ClientAuth(authority().pem, True)))
        self.assertEqual(b"", await self.asked(serving, [V1], trusting()))
        await self.until(lambda: len(self.refusals) == 1)
        self.assertEqual(("192.0.2.7", "client-certificate"), self.refusals[0][:2])
