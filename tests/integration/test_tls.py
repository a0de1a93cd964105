"""Handshakes, on whichever event loop: what is agreed on, what is refused, and what hostile clients can hold."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from tests.integration.wire import Echo, WireCase, dial, read_all, server_tls, trusting
from tests.transport.minting import leaf


class HandshakeTests(WireCase):
    async def shaken(self, serving: Any, context: ssl.SSLContext, name: str = "localhost") -> Any:
        """A finished handshake, as the client sees it."""

        def shake() -> Any:
            with dial(serving.address[1], context, name) as sock:
                sock.sendall(b"x")
                sock.recv(1)
                return sock.getpeercert(True), sock.selected_alpn_protocol(), sock.version(), sock.cipher()

        return await self.apart(shake)

    async def refused(self, serving: Any, context: ssl.SSLContext) -> None:
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            await self.shaken(serving, context)
        await self.until(lambda: serving.handshaking == 0)
        self.assertTrue(all(one.transport is None for one in self.made))
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_sni(self) -> None:
        """The certificate is that of the name asked for; the first where no other fits, or none is asked for."""
        first, second, third = leaf("first.gov", "localhost"), leaf("second.gov"), leaf("*.wild.gov")
        serving = self.serve(Echo, server_tls(first, second, third))
        expected = {
            "first.gov": first, "second.gov": second, "SECOND.gov": second, "a.wild.gov": third,
            "a.b.wild.gov": first, "wild.gov": first, "unknown.gov": first,
        }  # fmt: skip
        context = trusting()
        context.check_hostname = False
        for name, pair in expected.items():
            shown, *_ = await self.shaken(serving, context, name)
            self.assertEqual(shown, pair.der, name)
        shown, *_ = await self.shaken(serving, context, "")
        self.assertEqual(shown, first.der)

    async def test_alpn(self) -> None:
        """The server's first protocol that the client has too; none is agreed on where they share none."""
        serving = self.serve(Echo, server_tls(leaf("localhost"), leaf("other.gov")))
        offers = {("http/1.1", "h2"): "h2", ("http/1.1",): "http/1.1", (): None}
        for offered, chosen in offers.items():
            context = trusting()
            if offered:
                context.set_alpn_protocols(list(offered))
            _, agreed, version, _ = await self.shaken(serving, context)
            self.assertEqual((agreed, version), (chosen, "TLSv1.3"))
        context.set_alpn_protocols(["h2"])

        def stay() -> Any:
            sock = dial(serving.address[1], context)
            sock.sendall(b"x")
            sock.recv(1)
            return sock

        sock = await self.apart(stay)
        transport = self.made[-1].transport
        self.assertEqual((transport.negotiatedProtocol, transport.tls_version), (b"h2", "TLSv1.3"))
        self.assertIsNone(transport.getPeerCertificate())
        sock.close()

    async def test_versions(self) -> None:
        """TLS 1.2 is the least, or 1.3 where the listener says so."""
        serving = self.serve(Echo, server_tls(leaf("localhost")))
        old = trusting()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        await self.refused(serving, old)
        new = trusting()
        new.maximum_version = ssl.TLSVersion.TLSv1_2
        self.assertEqual((await self.shaken(serving, new))[2], "TLSv1.2")
        await self.refused(self.serve(Echo, server_tls(leaf("localhost"), minimum="1.3")), new)

    async def test_ciphers(self) -> None:
        """AES-GCM with forward secrecy, whatever a client prefers; nothing where it has none."""
        serving = self.serve(Echo, server_tls(leaf("localhost")))
        for ciphers in ("ECDHE+CHACHA20", "ECDHE-ECDSA-AES128-SHA256", "AES128-GCM-SHA256"):
            context = trusting()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
            await self.refused(serving, context)
        context.set_ciphers("ECDHE+CHACHA20:ECDHE+AESGCM")
        self.assertIn("GCM", (await self.shaken(serving, context))[3][0])
        self.assertIn("AES", (await self.shaken(serving, trusting()))[3][0])

    async def test_new_certificate(self) -> None:
        """A certificate that is replaced serves new connections; open ones do not notice."""
        before, after = leaf("localhost"), leaf("localhost", "other.gov")
        serving = self.serve(Echo, server_tls(before))

        def talk(sock: Any) -> Any:
            sock.sendall(b"still here")
            return sock.recv(100)

        sock = await self.apart(dial, serving.address[1], trusting())
        self.assertEqual(await self.apart(talk, sock), b"still here")
        serving.set_tls(server_tls(after))
        self.assertEqual(await self.apart(talk, sock), b"still here")
        self.assertEqual((await self.shaken(serving, trusting()))[0], after.der)
        sock.close()

    async def test_resumption(self) -> None:
        """A client may resume its session, which spares both sides the signature."""
        serving = self.serve(Echo, server_tls(leaf("localhost")))
        context = trusting()

        def twice() -> bool:
            session = None
            for _ in range(2):
                sock = socket.create_connection(("127.0.0.1", serving.address[1]), 5)
                with context.wrap_socket(sock, server_hostname="localhost", session=session) as secured:
                    secured.sendall(b"x")
                    secured.recv(1)
                    session, reused = secured.session, secured.session_reused
            return bool(reused)

        self.assertTrue(await self.apart(twice))


class HostileTests(WireCase):
    """Clients that never get through a handshake cost little, for a short time; why they did not is told."""

    async def test_garbage(self) -> None:
        """What is not TLS ends the connection with a reason, and the Protocol never hears of it."""
        serving = self.serve(Echo, server_tls(leaf("localhost")))

        def talk(garbage: bytes) -> None:
            with dial(serving.address[1]) as sock:
                try:
                    sock.sendall(garbage)
                    read_all(sock)
                except ConnectionError:
                    pass

        for garbage in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x00\x05hello", b"\x00" * 100_000):
            await self.apart(talk, garbage)
        await self.until(lambda: serving.handshaking == 0)
        self.assertEqual([("127.0.0.1", "tls-handshake")] * 3, [said[:2] for said in self.refusals])
        self.assertIn("plain HTTP", self.refusals[0][2])
        self.assertTrue(all(one.transport is None for one in self.made))
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_goes_away(self) -> None:
        """So does a client that goes before it has said anything, without a line."""
        serving = self.serve(Echo, server_tls(leaf("localhost")))
        await self.apart(lambda: [dial(serving.address[1]).close() for _ in range(20)])
        await self.until(lambda: len(self.made) == 20 and serving.handshaking == 0)
        self.assertTrue(all(one.transport is None for one in self.made))
        self.assertEqual([], self.refusals)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_stall(self) -> None:
        """A handshake that does not go on is given up after its time."""
        serving = self.serve(Echo, server_tls(leaf("localhost")), handshake_timeout_s=0.2)

        def wait() -> None:
            with dial(serving.address[1]) as sock:
                sock.sendall(b"\x16\x03\x01")
                try:
                    read_all(sock)
                except ConnectionError:
                    pass

        await self.apart(wait)
        await self.until(lambda: serving.handshaking == 0)
        self.assertIsNone(self.made[0].transport)
        self.assertIn("not done within 0.2 s", self.refusals[0][2])
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_distrust(self) -> None:
        """A client that does not trust the certificate, or knows only versions that are too old."""
        serving = self.serve(Echo, server_tls(leaf("localhost"), minimum="1.3"))
        old = trusting()
        old.maximum_version = ssl.TLSVersion.TLSv1_2

        def fail(context: ssl.SSLContext) -> None:
            with self.assertRaises(ssl.SSLError):
                dial(serving.address[1], context)

        await self.apart(fail, ssl.create_default_context())
        await self.apart(fail, old)
        await self.until(lambda: serving.handshaking == 0 and len(self.refusals) == 2)
        self.assertIn("does not trust", self.refusals[0][2])
        self.assertIn("tls.minimum", self.refusals[1][2])

    async def test_many_stalls(self) -> None:
        """No more handshakes run at once than are allowed; the next client is refused, and comes in when one ends."""
        serving = self.serve(Echo, server_tls(leaf("localhost")), max_pending=2)
        held = await self.apart(lambda: [dial(serving.address[1]) for _ in range(2)])
        await self.until(lambda: serving.handshaking == 2)

        def refused() -> bytes:
            with dial(serving.address[1]) as sock:
                try:
                    return read_all(sock)
                except ConnectionError:
                    return b""

        self.assertEqual(await self.apart(refused), b"")
        self.assertEqual((serving.refused, serving.handshaking), (1, 2))
        held.pop().close()
        await self.until(lambda: serving.handshaking == 1)

        def served() -> Any:
            with dial(serving.address[1], trusting()) as sock:
                sock.sendall(b"x")
                return sock.recv(1)

        self.assertEqual(await self.apart(served), b"x")
        held.pop().close()
