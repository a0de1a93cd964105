"""Connections to backends, on whichever event loop: what is verified, how failures are called, what giving up does."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import deferLater
from twisted.web.client import ResponseNeverReceived

from hmsgw.identity.fetch import fetcher
from hmsgw.transport.connect import ConnectFailed
from hmsgw.transport.listen import open_socket
from hmsgw.transport.tls import ClientTls
from hmsgw.transport.verified import HttpsPolicy
from tests.integration.wire import Recorder, WireCase, read_all, tls_script
from tests.transport.minting import authority, leaf, mint

TRUSTING = ClientTls(ca=authority().pem)


def answer(sock: Any) -> None:
    """Says back what it was asked."""
    sock.sendall(b"you said " + sock.recv(100))


class ConnectTests(WireCase):
    async def connected(self, port: int, tls: ClientTls | None = None, host: str = "127.0.0.1") -> Any:
        protocol = await self.connector().connect(Recorder, host, port, tls, 5.0)
        self.addCleanup(self.ended, protocol)
        return protocol

    async def ended(self, protocol: Any) -> None:
        if protocol.why is None:
            protocol.transport.abortConnection()
            await protocol.lost

    async def test_first_words(self) -> None:
        """Bytes that are to go first do, before TLS too, by address and by name; then all is as ever."""
        pair = leaf("localhost", "127.0.0.1")
        seen: list[bytes] = []

        def after(script: Any) -> Any:
            def first(sock: Any) -> None:
                seen.append(sock.recv(5, socket.MSG_WAITALL))
                script(sock)

            return first

        for tls, script in ((None, answer), (TRUSTING, tls_script(pair, answer))):
            for host in ("127.0.0.1", "localhost"):
                port = self.backend(after(script)).port
                protocol = await self.connector().connect(Recorder, host, port, tls, 5.0, b"FIRST")
                self.addCleanup(self.ended, protocol)
                protocol.transport.write(b"hello")
                await protocol.lost
                self.assertEqual((b"FIRST", b"you said hello"), (seen.pop(), protocol.received))

    async def test_first_words_to_nobody(self) -> None:
        """Failures are called the same."""
        with open_socket("127.0.0.1", 0) as sock:
            port = sock.getsockname()[1]
        for tls in (None, TRUSTING):
            with self.assertRaises(ConnectFailed) as caught:
                await self.connector().connect(Recorder, "127.0.0.1", port, tls, 5.0, b"FIRST")
            self.assertEqual("refused", caught.exception.kind)
        silent = self.backend(lambda sock: read_all(sock) and None)
        with self.assertRaises(ConnectFailed) as caught:
            await self.connector().connect(Recorder, "127.0.0.1", silent.port, TRUSTING, 0.3, b"FIRST")
        self.assertEqual("timeout", caught.exception.kind)

    async def fails(
        self,
        kind: str,
        words: str,
        port: int,
        tls: ClientTls | None = None,
        host: str = "127.0.0.1",
        timeout_s: float = 5.0,
    ) -> None:
        """The attempt fails, as `kind`, with a sentence that holds `words`; the Protocol never hears of it."""
        made: list[Recorder] = []

        def make() -> Recorder:
            made.append(Recorder())
            return made[-1]

        with self.assertRaises(ConnectFailed) as caught:
            await self.connector().connect(make, host, port, tls, timeout_s)
        self.assertEqual(caught.exception.kind, kind, str(caught.exception))
        self.assertIn(words, str(caught.exception))
        self.assertIn(f"{host} port {port}", str(caught.exception))
        self.assertTrue(all(one.transport is None for one in made))
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_plain(self) -> None:
        """To an address, and to a name that has several, of which the first does not answer."""
        backend = self.backend(answer)
        for host in ("127.0.0.1", "localhost"):
            protocol = await self.connected(backend.port, host=host)
            self.assertEqual(protocol.transport.getPeer().port, backend.port)
            protocol.transport.write(b"hello")
            await protocol.lost
            self.assertEqual(protocol.received, b"you said hello")
            self.assertTrue(protocol.why.check(ConnectionDone))

    async def test_tls(self) -> None:
        """To a certificate that the CA vouches for: by the endpoint's address, its name, or the name that is set."""
        cases = {
            leaf("127.0.0.1"): ("127.0.0.1", TRUSTING),
            leaf("localhost"): ("localhost", TRUSTING),
            leaf("clinics.internal"): ("127.0.0.1", ClientTls(ca=authority().pem, name="clinics.internal")),
            leaf("*.wild.internal"): ("127.0.0.1", ClientTls(ca=authority().pem, name="a.wild.internal")),
        }
        for pair, (host, tls) in cases.items():
            backend = self.backend(tls_script(pair, answer))
            protocol = await self.connected(backend.port, tls, host)
            transport = protocol.transport
            told = (transport.negotiatedProtocol, transport.tls_version, transport.getPeerCertificate())
            self.assertEqual(told, (b"http/1.1", "TLSv1.3", pair.der))
            transport.write(b"hello")
            await protocol.lost
            self.assertEqual(protocol.received, b"you said hello")

    async def test_unverified(self) -> None:
        """No certificate is taken that is another's, expired, signed by nobody or by an authority that is not ours."""
        stranger = mint("another authority", ca=True)
        cases = {
            leaf("other.internal"): "certificate is refused",
            leaf("127.0.0.2"): "certificate is refused",
            leaf("127.0.0.1", days=-1): "certificate",
            mint("127.0.0.1", ["127.0.0.1"]): "certificate",
            mint("127.0.0.1", ["127.0.0.1"], stranger): "certificate",
            mint("127.0.0.1", [], authority()): "certificate is refused",
        }
        for pair, words in cases.items():
            backend = self.backend(tls_script(pair, answer))
            await self.fails("tls", words, backend.port, TRUSTING)
        await self.fails("tls", "certificate", backend.port, ClientTls())

    async def test_shown_certificate(self) -> None:
        """A backend that asks for a certificate is shown ours, and a backend that asks in vain does not serve us."""
        ours = leaf("gateway.internal")
        seen: list[Any] = []

        def look(sock: Any) -> None:
            seen.append(sock.getpeercert(True))
            answer(sock)

        backend = self.backend(tls_script(leaf("127.0.0.1"), look, authority().pem))
        showing = ClientTls(ca=authority().pem, certificate=ours.pem, key=ours.key_pem)
        protocol = await self.connected(backend.port, showing)
        protocol.transport.write(b"x")
        await protocol.lost
        self.assertEqual((seen, protocol.received), ([ours.der], b"you said x"))
        # In TLS 1.3 the backend refuses after our side of the handshake is done.
        protocol = await self.connected(backend.port, TRUSTING)
        await protocol.lost
        self.assertTrue(protocol.why.check(ConnectionLost), protocol.why)
        self.assertEqual((len(seen), protocol.received), (1, b""))

    async def test_old_backend(self) -> None:
        """A backend that has only TLS 1.1 is not spoken to."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def old(sock: Any) -> None:
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.wrap_socket(sock, server_side=True)

        await self.fails("tls", "", self.backend(old).port, TRUSTING)

    async def test_no_tls(self) -> None:
        """A backend that does not speak TLS, or that closes when spoken to, is a failure of TLS."""

        def rude(sock: Any) -> None:
            sock.recv(1000)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        def closing(sock: Any) -> None:
            sock.recv(1000)

        for script in (rude, closing):
            await self.fails("tls", "TLS with", self.backend(script).port, TRUSTING)

    async def test_cut_short(self) -> None:
        """A backend whose TLS ends without a goodbye may have been cut off: that is not ConnectionDone."""

        def cut(sock: Any) -> None:
            sock.sendall(b"half of")

        backend = self.backend(tls_script(leaf("127.0.0.1"), cut))
        protocol = await self.connected(backend.port, TRUSTING)
        await protocol.lost
        self.assertEqual(protocol.received, b"half of")
        self.assertTrue(protocol.why.check(ConnectionLost), protocol.why)

        def whole(sock: Any) -> None:
            sock.sendall(b"all of it")
            sock.unwrap()

        backend = self.backend(tls_script(leaf("127.0.0.1"), whole))
        protocol = await self.connected(backend.port, TRUSTING)
        await protocol.lost
        self.assertTrue(protocol.why.check(ConnectionDone), protocol.why)

    async def test_refused(self) -> None:
        """Nobody listens, by address and by name."""
        sock = open_socket("127.0.0.1", 0)
        port = sock.getsockname()[1]
        sock.close()
        await self.fails("refused", "refused", port)
        await self.fails("refused", "refused", port, host="localhost")
        await self.fails("refused", "refused", port, TRUSTING)

    async def test_bad_names(self) -> None:
        """A name that can't be one is a failure of the name, not of the gateway."""
        for host in ("x" * 64 + ".internal", "a..b", "no-such-host.invalid"):
            await self.fails("name", "looked up", 80, host=host)

    async def test_bad_ca(self) -> None:
        """Settings that can't be used fail the attempt in words."""
        await self.fails("tls", "the CA is not PEM", 80, ClientTls(ca=b"garbage"))

    async def test_timeout(self) -> None:
        """A backend that accepts and then says nothing: the attempt ends on time, and so does its connection."""
        ended = threading.Event()

        def silent(sock: Any) -> None:
            try:
                read_all(sock)
            finally:
                ended.set()

        backend = self.backend(silent)
        await self.fails("timeout", "did not answer within 0.3 s", backend.port, TRUSTING, timeout_s=0.3)
        await self.until(ended.is_set)

    async def test_cancelled(self) -> None:
        """Giving an attempt up closes its connection, and is not a failure of the backend."""
        begun, ended = threading.Event(), threading.Event()

        def silent(sock: Any) -> None:
            sock.recv(1)
            begun.set()
            try:
                read_all(sock)
            finally:
                ended.set()

        backend = self.backend(silent)
        attempt = self.connector().connect(Recorder, "127.0.0.1", backend.port, TRUSTING, 5.0)
        await self.until(begun.is_set)
        attempt.cancel()
        with self.assertRaises(CancelledError):
            await attempt
        await self.until(ended.is_set)

    async def test_cancelled_at_once(self) -> None:
        """Before anything has happened, too."""
        backend = self.backend(answer)
        for tls in (None, TRUSTING):
            made: list[Recorder] = []

            def make(made: list[Recorder] = made) -> Recorder:
                made.append(Recorder())
                return made[-1]

            attempt = self.connector().connect(make, "127.0.0.1", backend.port, tls, 5.0)
            attempt.cancel()
            with self.assertRaises(CancelledError):
                await attempt
            await deferLater(reactor, 0.05)  # type: ignore[arg-type]
            self.assertTrue(all(one.transport is None or one.why is not None for one in made))


class HttpsTests(WireCase):
    """The same care for what Twisted's HTTP client fetches: key sets."""

    async def fetched(self, pair: Any) -> bytes:
        def script(sock: Any) -> None:
            sock.recv(10000)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

        backend = self.backend(tls_script(pair, script))
        body, _ = await fetcher(reactor, HttpsPolicy(TRUSTING))(f"https://localhost:{backend.port}/jwks", 1000, 5.0)
        return body

    async def test_fetched(self) -> None:
        """From one whose certificate is for the name."""
        self.assertEqual(await self.fetched(leaf("localhost")), b"{}")

    async def test_not_fetched(self) -> None:
        """Not from one whose certificate is for another name, or for none."""
        for pair in (leaf("other.internal"), mint("localhost", [], authority()), mint("localhost", ["localhost"])):
            with self.assertRaises(ResponseNeverReceived):
                await self.fetched(pair)
        self.assertEqual(self.flushLoggedErrors(), [])
