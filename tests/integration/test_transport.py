"""What a Protocol may rely on, on whichever event loop: bytes, bounds, ends and faults of a served connection."""

from __future__ import annotations

import hashlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from zope.interface import implementer

from hmsgw.transport.tls import ServerTls
from tests.integration.wire import Echo, Recorder, WireCase, dial, read_all, server_tls, trusting
from tests.transport.minting import leaf

CHUNK = bytes(range(256)) * 256
TOTAL = 64 * 1024 * 1024


@implementer(IPushProducer)
class Source(Recorder):
    """Sends TOTAL bytes as fast as it may, then closes."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0
        self.sent_at_first_pause = 0
        self.may = True

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self.may = False
        self.sent_at_first_pause = self.sent_at_first_pause or self.sent

    def resumeProducing(self) -> None:
        self.may = True
        while self.may and self.sent < TOTAL:
            self.sent += len(CHUNK)
            self.transport.write(CHUNK)
        if self.may:
            self.may = False
            self.transport.unregisterProducer()
            self.transport.loseConnection()

    def stopProducing(self) -> None:
        self.may = False


class Shy(Recorder):
    """Does not read until it is told to."""

    def connectionMade(self) -> None:
        self.transport.pauseProducing()
        self.transport.pauseProducing()


class Farewell(Recorder):
    """Answers the first bytes with a lot, and closes at once."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.writeSequence([CHUNK] * 64)
        self.transport.loseConnection()


@implementer(IHalfCloseableProtocol)
class Listener(Recorder):
    """Answers when the other side has said all."""

    def readConnectionLost(self) -> None:
        self.transport.write(b"you said " + self.received)
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Of no interest."""


class HalfClosing(Recorder):
    """Ends its own side first, and goes on listening."""

    def connectionMade(self) -> None:
        self.transport.write(b"over to you")
        self.transport.loseWriteConnection()


def raising(error: Exception, method: str) -> Callable[[], Recorder]:
    def fail(self: Any, *_: Any) -> None:
        raise error

    return type("Raising", (Recorder,), {method: fail})


class Promises:
    """What holds with TLS and without."""

    def tls(self) -> ServerTls | None:
        raise NotImplementedError

    def context(self) -> ssl.SSLContext | None:
        raise NotImplementedError

    def dial(self: Any, serving: Any, receive_bytes: int = 0) -> Any:
        return dial(serving.address[1], self.context(), receive_bytes=receive_bytes)

    async def test_echo(self: Any) -> None:
        """Bytes come back, both addresses are known, and small writes are not held back."""
        serving = self.serve(Echo, self.tls())

        def talk() -> Any:
            with self.dial(serving) as sock:
                sock.sendall(b"hello")
                return sock.recv(100)

        answer = await self.apart(talk)
        self.assertEqual(answer, b"hello")
        (made,) = self.made
        await made.lost
        self.assertEqual(serving.handshaking, 0)

        def stay() -> Any:
            sock = self.dial(serving)
            sock.sendall(b"x")
            sock.recv(1)
            return sock

        sock = await self.apart(stay)
        transport = self.made[1].transport
        self.assertEqual((transport.getPeer().host, transport.getPeer().port), sock.getsockname())
        self.assertEqual((transport.getHost().host, transport.getHost().port), serving.address)
        sock.close()

    async def test_slow_reader(self: Any) -> None:
        """A reader that is slow gets all of a large answer, and little of it is held for it at any time."""
        serving = self.serve(Source, self.tls())
        sock = await self.apart(lambda: self.dial(serving, receive_bytes=65536))
        await self.until(lambda: bool(self.made) and self.made[0].sent_at_first_pause > 0)
        (made,) = self.made
        # The kernel holds some megabytes of its own.
        self.assertLess(made.sent_at_first_pause, 12 * 1024 * 1024)

        def read() -> tuple[int, str]:
            digest, count = hashlib.sha256(), 0
            with sock:
                while data := sock.recv(262144):
                    digest.update(data)
                    count += len(data)
            return count, digest.hexdigest()

        count, digest = await self.apart(read)
        self.assertEqual((count, digest), (TOTAL, hashlib.sha256(CHUNK * (TOTAL // len(CHUNK))).hexdigest()))
        await made.lost

    async def test_shy_server(self: Any) -> None:
        """While a Protocol does not read, what the other side sends waits with the other side; then all comes."""
        size = 24 * 1024 * 1024
        serving = self.serve(Shy, self.tls())
        sock = await self.apart(lambda: self.dial(serving))
        sending = Deferred.fromCoroutine(self.apart(sock.sendall, b"s" * size))
        await self.until(lambda: bool(self.made) and self.made[0].transport is not None)
        for _ in range(20):
            await self.until(lambda: True)
        (made,) = self.made
        self.assertLess(len(made.received), 1024 * 1024)
        self.assertFalse(sending.called)
        made.transport.resumeProducing()
        made.transport.resumeProducing()
        await sending
        await self.until(lambda: len(made.received) == size)
        sock.close()
        await made.lost
        self.assertEqual(len(made.received), size)

    async def test_flush(self: Any) -> None:
        """loseConnection sends everything written before it."""
        serving = self.serve(Farewell, self.tls())

        def talk() -> bytes:
            with self.dial(serving, receive_bytes=65536) as sock:
                sock.sendall(b"x")
                return read_all(sock)

        self.assertEqual(await self.apart(talk), CHUNK * 64)
        await self.made[0].lost

    async def test_reset(self: Any) -> None:
        """A reset by the other side is ConnectionLost; writes after it are dropped."""
        serving = self.serve(Echo, self.tls())

        def reset() -> None:
            sock = self.dial(serving)
            sock.sendall(b"x")
            sock.recv(1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if self.tls() is None:
                sock.close()
            else:
                socket.socket(fileno=sock.detach()).close()

        await self.apart(reset)
        (made,) = self.made
        transport = made.transport
        await made.lost
        self.assertTrue(made.why.check(ConnectionLost), made.why)
        transport.write(b"late")
        transport.writeSequence([b"later"])
        transport.pauseProducing()
        transport.resumeProducing()
        transport.loseConnection()
        transport.abortConnection()

    async def test_abort(self: Any) -> None:
        """abortConnection ends a connection at once; writes between it and the end are dropped."""
        serving = self.serve(Farewell, self.tls())

        def talk() -> bytes:
            with self.dial(serving) as sock:
                try:
                    return read_all(sock)
                except OSError:
                    return b""

        ended = Deferred.fromCoroutine(self.apart(talk))
        await self.until(lambda: bool(self.made) and self.made[0].transport is not None)
        made = self.made[0]
        made.transport.abortConnection()
        made.transport.write(b"dropped")
        await made.lost
        self.assertEqual(await ended, b"")

    async def test_fault_in_data_received(self: Any) -> None:
        """What a Protocol raises closes its connection and is logged once; others live on."""
        for error in (ZeroDivisionError("a bug"), OSError("a bug that looks like the network"), KeyError("a bug")):
            serving = self.serve(raising(error, "dataReceived"), self.tls())

            def talk(serving: Any = serving) -> bytes:
                with self.dial(serving) as sock:
                    try:
                        sock.sendall(b"x")
                        return read_all(sock)
                    except OSError:
                        return b""

            self.assertEqual(await self.apart(talk), b"")
            await self.made[0].lost
            self.assertEqual(len(self.flushLoggedErrors(type(error))), 1, error)
            serving.stop_accepting()

    async def test_fault_in_connection_made(self: Any) -> None:
        """So does what it raises at the beginning."""
        serving = self.serve(raising(ZeroDivisionError("a bug"), "connectionMade"), self.tls())

        def talk() -> bytes:
            try:
                with self.dial(serving) as sock:
                    return read_all(sock)
            except OSError:
                return b""

        self.assertEqual(await self.apart(talk), b"")
        await self.until(lambda: serving.handshaking == 0 and self.made[0].why is not None)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    async def test_stop_accepting(self: Any) -> None:
        """Connections outlive the listening socket."""
        serving = self.serve(Echo, self.tls())

        def talk(sock: Any, data: bytes) -> Any:
            sock.sendall(data)
            return sock.recv(100)

        sock = await self.apart(lambda: self.dial(serving))
        self.assertEqual(await self.apart(talk, sock, b"before"), b"before")
        address = serving.address
        serving.stop_accepting()
        await self.until(lambda: True)
        self.assertEqual(await self.apart(talk, sock, b"after"), b"after")
        with self.assertRaises(ConnectionRefusedError):
            await self.apart(dial, address[1])
        sock.close()


    async def test_take_waiting(self: Any) -> None:
        """Whoever is connected when the socket is closed is served, though the loop had no time to accept it."""
        serving = self.serve(Echo, self.tls(), max_pending=1000)

        def connected() -> list[socket.socket]:
            return [socket.create_connection(serving.address) for _ in range(150)]

        waiting = connected()
        serving.take_waiting()
        serving.stop_accepting()
        await self.until(lambda: len(self.made) + serving.handshaking >= 150)
        for sock in waiting:
            sock.close()
        await self.until(lambda: serving.handshaking == 0)


class PlainTests(Promises, WireCase):
    """Without TLS."""

    def tls(self) -> ServerTls | None:
        return None

    def context(self) -> ssl.SSLContext | None:
        return None

    async def test_half_close(self) -> None:
        """A client that ends its side first still gets its answer, from a Protocol that wants to know."""
        serving = self.serve(Listener)

        def talk() -> bytes:
            with self.dial(serving) as sock:
                sock.sendall(b"all")
                sock.shutdown(socket.SHUT_WR)
                return read_all(sock)

        self.assertEqual(await self.apart(talk), b"you said all")

    async def test_end_is_end(self) -> None:
        """To any other Protocol the end of what the client sends is the end of the connection."""
        serving = self.serve(Recorder)

        def talk() -> bytes:
            with self.dial(serving) as sock:
                sock.sendall(b"all")
                sock.shutdown(socket.SHUT_WR)
                return read_all(sock)

        self.assertEqual(await self.apart(talk), b"")
        self.assertEqual(self.made[0].received, b"all")
        self.assertTrue(self.made[0].why.check(ConnectionDone))

    async def test_own_half_close(self) -> None:
        """A Protocol that ends its side first goes on receiving."""
        serving = self.serve(HalfClosing)

        def talk() -> bytes:
            with self.dial(serving) as sock:
                said = read_all(sock)
                sock.sendall(b"my turn")
                return said

        self.assertEqual(await self.apart(talk), b"over to you")
        await self.made[0].lost
        self.assertEqual(self.made[0].received, b"my turn")

    async def test_no_delay(self) -> None:
        """Small writes go out at once: Nagle's algorithm is off."""
        serving = self.serve(Echo)
        sock = await self.apart(lambda: self.dial(serving))
        await self.until(lambda: bool(self.made) and self.made[0].transport is not None)
        transport = self.made[0].transport
        raw = transport.getHandle() if hasattr(transport, "getHandle") else transport._uv.get_extra_info("socket")
        self.assertTrue(raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        sock.close()


class TlsTests(Promises, WireCase):
    """With TLS."""

    def tls(self) -> ServerTls | None:
        return server_tls(leaf("localhost"))

    def context(self) -> ssl.SSLContext | None:
        return trusting()

    async def test_clean_end(self) -> None:
        """A client that says goodbye has ended the connection; one that does not may have been cut off."""
        for clean in (True, False):
            serving = self.serve(Recorder, self.tls())

            def talk(serving: Any = serving, clean: bool = clean) -> None:
                sock = self.dial(serving)
                sock.sendall(b"x")
                if clean:
                    sock = sock.unwrap()
                sock.close()

            await self.apart(talk)
            await self.until(lambda: bool(self.made) and self.made[0].why is not None)
            expected = ConnectionDone if clean else ConnectionLost
            self.assertTrue(self.made[0].why.check(expected), (clean, self.made[0].why))
