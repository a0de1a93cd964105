"""TLS by pyOpenSSL: what is agreed on, and that a Protocol sees nothing before the handshake is done."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import NOWHERE
from hmsgw.transport.stock_tls import AfterHandshake, ServerConnections, hardened
from hmsgw.transport.tls import ServerTls
from tests.transport.minting import Pair, leaf
from tests.transport.recording import Recorder
from tests.transport.shaking import shake


class ServerTests(SynchronousTestCase):
    def shaken(self, pairs: tuple[Pair, ...], name: str | None, offered: list[bytes], context: Any = None) -> Any:
        tls = ServerTls(tuple(pair.both for pair in pairs), "1.2", (b"h2", b"http/1.1"), where=NOWHERE)
        context = context or SSL.Context(SSL.TLS_METHOD)
        if offered:
            context.set_alpn_protos(offered)
        client = SSL.Connection(context, None)
        if name is not None:
            client.set_tlsext_host_name(name.encode())
        shake(ServerConnections(tls).serverConnectionForTLS(None), client)
        return client

    def test_sni(self) -> None:
        """The certificate is that of the name asked for, else the first."""
        first, second = leaf("a.gov"), leaf("*.b.gov")
        for name, expected in (("a.gov", first), ("X.b.gov", second), ("c.gov", first), (None, first)):
            shown = self.shaken((first, second), name, []).get_peer_certificate(as_cryptography=True)
            self.assertEqual(shown, expected.certificate, name)

    def test_alpn(self) -> None:
        """The server's preference, under every certificate; none where nothing is shared."""
        pairs = (leaf("a.gov"), leaf("b.gov"))
        for offered, chosen in (
            ([b"http/1.1", b"h2"], b"h2"),
            ([b"http/1.1"], b"http/1.1"),
            ([b"spdy"], b""),
            ([], b""),
        ):
            for name in ("a.gov", "b.gov"):
                self.assertEqual(self.shaken(pairs, name, offered).get_alpn_proto_negotiated(), chosen)

    def test_refused(self) -> None:
        """Old versions and weak suites."""
        old = SSL.Context(SSL.TLS_METHOD)
        old.set_cipher_list(b"ALL:@SECLEVEL=0")
        old.set_max_proto_version(SSL.TLS1_1_VERSION)
        weak = SSL.Context(SSL.TLS_METHOD)
        weak.set_max_proto_version(SSL.TLS1_2_VERSION)
        weak.set_cipher_list(b"ECDHE+CHACHA20")
        odd = SSL.Context(SSL.TLS_METHOD)
        odd.set_min_proto_version(SSL.TLS1_3_VERSION)
        odd.set_tls13_ciphersuites(b"TLS_CHACHA20_POLY1305_SHA256")
        for context in (old, weak, odd):
            self.assertRaises(SSL.Error, self.shaken, (leaf("a.gov"),), "a.gov", [], context)
        good = self.shaken((leaf("a.gov"),), "a.gov", [], hardened("1.3"))
        self.assertEqual(good.get_protocol_version_name(), "TLSv1.3")


class AfterHandshakeTests(SynchronousTestCase):
    def begin(self, inner: Any = None) -> tuple[Any, Any, list[Any]]:
        told: list[Any] = []
        inner = inner or Recorder()
        after = AfterHandshake(inner, told.append)
        after.makeConnection(StringTransport())
        return inner, after, told

    def test_shown(self) -> None:
        """A Protocol lives from the handshake's end to the connection's."""
        inner, after, told = self.begin()
        self.assertEqual((inner.events, told), ([], []))
        after.handshakeCompleted()
        after.dataReceived(b"x")
        after.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((inner.events, told), (["made", b"x", ConnectionDone], [None]))

    def test_not_shown(self) -> None:
        """Of a handshake that failed it never hears."""
        inner, after, told = self.begin()
        after.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((inner.events, [why.type for why in told]), ([], [ConnectionDone]))

    def test_broken_later(self) -> None:
        """A fault of TLS after the handshake is a connection that is lost."""
        inner, after, _ = self.begin()
        after.handshakeCompleted()
        after.connectionLost(Failure(SSL.Error([("SSL routines", "", "bad record mac")])))
        self.assertEqual(inner.events, ["made", ConnectionLost])

    def test_fault(self) -> None:
        """What the Protocol raises at its beginning is logged once, and closes the connection."""

        class Failing(Recorder):
            def connectionMade(self) -> None:
                raise ZeroDivisionError

        _, after, told = self.begin(Failing())
        after.handshakeCompleted()
        self.assertTrue(after.transport.disconnecting)
        self.assertEqual(len(told), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
