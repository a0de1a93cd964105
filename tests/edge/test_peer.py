"""Who is at the other end of a client's connection."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.edge.peer import Caller, Peer


class PeerTests(SynchronousTestCase):
    """`Peer`."""

    def test_its_client(self) -> None:
        """Without a trusted proxy the client is the one that is connected."""
        peer = Peer(Caller("192.0.2.7", 50000, None), "public", "https", "TLSv1.3")
        self.assertEqual(("192.0.2.7", 50000), (peer.host, peer.client.port))
        self.assertEqual(("public", "https", "TLSv1.3"), (peer.listener, peer.scheme, peer.tls))

    def test_behind_a_proxy(self) -> None:
        """Of who stands behind a trusted proxy the address is known, but neither port nor certificate."""
        behind = Caller("10.0.0.1", 50000, object()).behind_proxy("192.0.2.7")
        self.assertEqual((behind.host, behind.port, behind.certificate), ("192.0.2.7", 0, None))

    def test_nothing_kept_yet(self) -> None:
        """A new connection remembers no request: its first one is forwarded by its own fields."""
        self.assertIsNone(Peer(Caller("::1", 1, None), "public", "http", None).managed_for)
