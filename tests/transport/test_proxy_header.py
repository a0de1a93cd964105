"""Who may send a PROXY header, and the Protocol that reads it where uvloop can't be had."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.proxy_header import HeaderFirst, Sources
from tests.transport.recording import Recorder


class SourcesTests(SynchronousTestCase):
    def test_networks(self) -> None:
        """Of either family, mapped or not, with a zone or not; what is no address is in none."""
        sources = Sources(("10.0.0.0/8", "fe80::/10", "::ffff:192.0.2.0/120"))
        for host in ("10.1.2.3", "::ffff:10.1.2.3", "fe80::1%eth0", "192.0.2.7", "::ffff:192.0.2.7"):
            self.assertIn(host, sources)
        for host in ("11.0.0.1", "::1", "192.0.3.1", "", "unix", "10.0.0.0/8"):
            self.assertNotIn(host, sources)


class Transport(StringTransport):
    """One that knows its Protocol."""

    protocol: Any = None


class HeaderFirstTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.inner = Recorder()
        self.over = 0
        self.told: list[Any] = []
        self.transport = Transport()
        first = HeaderFirst(self.clock, 10.0, lambda: self.inner, self._over, lambda *said: self.told.append(said))
        self.transport.protocol = first
        first.makeConnection(self.transport)

    def tearDown(self) -> None:
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(1, self.over)

    def _over(self) -> None:
        self.over += 1

    def send(self, data: bytes) -> None:
        self.transport.protocol.dataReceived(data)

    def refused(self, words: str) -> None:
        ((client, reason, why),) = self.told
        self.assertEqual(("192.168.1.1", "proxy-header"), (client, reason))
        self.assertIn(words, why)
        self.assertTrue(self.transport.disconnecting or self.transport.disconnected)
        self.assertEqual([], self.inner.events)

    def test_in_pieces(self) -> None:
        """The Protocol behind it sees a connection from the announced client, from its first own byte on."""
        for byte in b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 443\r\nGE":
            self.send(bytes([byte]))
        self.send(b"T /")
        self.assertEqual(["made", *(bytes([byte]) for byte in b"GE"), b"T /"], self.inner.events)
        self.assertEqual("192.0.2.7", self.transport.getPeer().host)

    def test_local(self) -> None:
        """A proxy that speaks for itself keeps its own address."""
        self.send(b"PROXY UNKNOWN\r\nx")
        self.assertEqual("192.168.1.1", self.transport.getPeer().host)

    def test_bad(self) -> None:
        """No header: one refusal; what comes behind it is not looked at."""
        self.send(b"GET / HTTP/1.1\r\n")
        self.send(b"PROXY UNKNOWN\r\n")
        self.refused("does not begin with a PROXY header")

    def test_late(self) -> None:
        """A header that does not come in time."""
        self.send(b"PROXY TCP4 ")
        self.clock.advance(10.0)
        self.refused("did not come within 10 s")
        self.transport.protocol.connectionLost(Failure(ConnectionDone()))

    def test_cut(self) -> None:
        """One that is cut off is told; a connection that said nothing was a probe."""
        self.send(b"PROXY")
        self.transport.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertIn("ended within", self.told[0][2])

    def test_probe(self) -> None:
        """A connection that ends before it has said anything is nobody's fault."""
        self.transport.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual([], self.told)
