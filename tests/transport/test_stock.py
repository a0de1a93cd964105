"""Accepting on Twisted's own transports: bounds and times of handshakes, on a reactor in memory."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import NOWHERE
from hmsgw.transport.stock import StockServing, connection_waits
from hmsgw.transport.tls import ServerTls
from tests.transport.minting import leaf

TLS = ServerTls((leaf("a.gov").both,), "1.2", (b"http/1.1",), where=NOWHERE)


class Socket:
    family = 2

    def __init__(self) -> None:
        self.number = 7

    def fileno(self) -> int:
        return self.number

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", 8080)

    def close(self) -> None:
        self.number = -1


class Port:
    stopped = 0

    def stopListening(self) -> None:
        self.stopped += 1


class Reactor(MemoryReactorClock):
    def adoptStreamPort(self, number: int, family: int, factory: Any) -> Any:
        self.adopted = (number, family, factory)
        self.port = Port()
        return self.port


class StockTests(SynchronousTestCase):
    def serve(self, tls: ServerTls | None, max_pending: int = 10) -> tuple[Any, Any, Any]:
        reactor, sock = Reactor(), Socket()
        serving: Any = StockServing(reactor, sock, Protocol, tls, max_pending, 10.0, print)  # type: ignore[arg-type]
        self.assertEqual(reactor.adopted, (7, 2, serving))
        return serving, reactor, sock

    def dial(self, serving: Any) -> Any:
        protocol, transport = serving.buildProtocol(None), StringTransport()
        if protocol is not None:
            protocol.makeConnection(transport)
        return protocol

    def test_plain(self) -> None:
        """A connection is its Protocol's at once, and there is no handshake."""
        serving, _, _ = self.serve(None)
        self.assertTrue(self.dial(serving).connected)
        self.assertEqual((serving.handshaking, serving.address), (0, ("127.0.0.1", 8080)))

    def test_bounded(self) -> None:
        """What is more than may shake hands at once is refused and counted; one that ends makes room."""
        serving, reactor, _ = self.serve(TLS, max_pending=2)
        first, second = self.dial(serving), self.dial(serving)
        self.assertIsNone(self.dial(serving))
        self.assertEqual((serving.refused, serving.handshaking), (1, 2))
        first.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(serving.handshaking, 1)
        self.assertIsNotNone(self.dial(serving))
        second.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(reactor.getDelayedCalls()), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_deadline(self) -> None:
        """A handshake that does not end is given up."""
        serving, reactor, _ = self.serve(TLS)
        pending = self.dial(serving)
        reactor.advance(9.9)
        self.assertFalse(pending.transport.disconnecting)
        reactor.advance(0.2)
        self.assertTrue(pending.transport.disconnecting)

    def test_exchanged(self) -> None:
        """A listener's TLS can be replaced, and so can its having any."""
        serving, _, _ = self.serve(TLS)
        before = self.dial(serving)
        serving.set_tls(None)
        self.assertIsNot(type(self.dial(serving)), type(before))
        self.assertEqual(serving.handshaking, 1)

    def test_connection_waits(self) -> None:
        """A listening socket tells whether somebody waits to be accepted."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.assertFalse(connection_waits(listening))
            with socket.create_connection(listening.getsockname()):
                self.assertTrue(connection_waits(listening))

    def test_stop(self) -> None:
        """Stopping closes both the port and the socket that it was made from, once."""
        serving, reactor, sock = self.serve(None)
        serving.stop_accepting()
        serving.stop_accepting()
        self.assertEqual((reactor.port.stopped, sock.number), (1, -1))
