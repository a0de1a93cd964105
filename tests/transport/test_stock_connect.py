"""Connecting on Twisted's own endpoints, on a reactor in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.stock_connect import connect_stock, stock_client_tls
from hmsgw.transport.tls import ClientTls
from tests.transport.minting import authority


class Transport(StringTransport):
    delayed = True

    def setTcpNoDelay(self, wanted: bool) -> None:
        self.delayed = not wanted


class ConnectTests(SynchronousTestCase):
    def begin(self, ready: Any = None) -> tuple[Any, Any, Any]:
        """The attempt, the factory that the reactor was given, and the transport it would have."""
        reactor = MemoryReactorClock()
        attempt = connect_stock(reactor, Protocol, "127.0.0.1", 80, ready)
        (_, _, factory, *_) = reactor.tcpClients[0]
        return attempt, factory, Transport()

    def test_plain(self) -> None:
        """The Protocol, once it has its transport; small writes are not held back."""
        attempt, factory, transport = self.begin()
        self.assertNoResult(attempt)
        factory.buildProtocol(None).makeConnection(transport)
        self.assertIs(self.successResultOf(attempt).transport, transport)
        self.assertFalse(transport.delayed)

    def test_cancelled(self) -> None:
        """Who gives up before there is a connection hears that, and not that there is no such name."""
        attempt, _, _ = self.begin()
        attempt.cancel()
        self.failureResultOf(attempt, CancelledError)

    def test_handshake(self) -> None:
        """With TLS there is no Protocol to be had before the handshake is done; giving up closes the connection."""
        ready = stock_client_tls(ClientTls(ca=authority().pem), "127.0.0.1")
        attempt, factory, transport = self.begin(ready)
        factory.buildProtocol(None).makeConnection(transport)
        self.assertNoResult(attempt)
        self.assertEqual(transport.value()[:1], b"\x16")
        attempt.cancel()
        self.failureResultOf(attempt, CancelledError)
        self.assertTrue(transport.disconnecting)

    def test_handshake_fails(self) -> None:
        """Why there was none is what the attempt fails with."""
        ready = stock_client_tls(ClientTls(ca=authority().pem), "127.0.0.1")
        attempt, factory, transport = self.begin(ready)
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(transport)
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(self.failureResultOf(attempt))
