"""Whose certificate is taken, and whose is not, by handshakes in memory."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.model import NOWHERE
from hmsgw.transport.pem import BadCertificate
from hmsgw.transport.stock_tls import ServerConnections
from hmsgw.transport.tls import ClientTls, ServerTls
from hmsgw.transport.verified import HttpsPolicy, VerifiedConnections, client_context
from tests.transport.minting import Pair, authority, leaf, mint
from tests.transport.shaking import Told, shake

TRUSTING = ClientTls(ca=authority().pem)


def against(pair: Pair, name: str, tls: ClientTls = TRUSTING) -> tuple[Told, SSL.Connection, SSL.Connection]:
    """Shake hands with one who has `pair`, whom we take for `name`. Raises SSL.Error."""
    told = Told()
    edge = ServerConnections(ServerTls((pair.both,), "1.2", (b"http/1.1",), where=NOWHERE)).serverConnectionForTLS(None)
    client = VerifiedConnections(client_context(tls), name).clientConnectionForTLS(told)
    try:
        shake(edge, client)
    except SSL.Error:
        client.set_app_data(told)
        raise
    return told, edge, client


class NameTests(SynchronousTestCase):
    def test_taken(self) -> None:
        """A certificate that an authority of ours has signed for the name or the address."""
        for pair, name in (
            (leaf("a.gov"), "a.gov"), (leaf("*.b.gov"), "a.b.gov"), (leaf("127.0.0.1"), "127.0.0.1"),
            (leaf("::1"), "::1"), (leaf("xn--bcher-kva.example"), "bücher.example"),
        ):  # fmt: skip
            told, edge, client = against(pair, name)
            self.assertIsNone(told.why)
            self.assertEqual(client.get_alpn_proto_negotiated(), b"http/1.1")
            expected = None if name in ("127.0.0.1", "::1") else name.encode("idna")
            self.assertEqual(edge.get_servername(), expected)

    def test_not_taken(self) -> None:
        """Another name, an address for a name, no name at all, expired, of another authority, of none."""
        cases = (
            (leaf("b.gov"), "a.gov"), (leaf("*.b.gov"), "x.a.b.gov"), (leaf("*.b.gov"), "b.gov"),
            (leaf("127.0.0.1"), "127.0.0.2"), (leaf("127.0.0.1"), "localhost"),
            (mint("a.gov", [], authority()), "a.gov"), (mint("127.0.0.1", [], authority()), "127.0.0.1"),
            (leaf("a.gov", days=-1), "a.gov"),
            (mint("a.gov", ["a.gov"], mint("other", ca=True)), "a.gov"), (mint("a.gov", ["a.gov"]), "a.gov"),
        )  # fmt: skip
        for pair, name in cases:
            with self.assertRaises(SSL.Error, msg=name):
                against(pair, name)

    def test_untrusted(self) -> None:
        """Without a CA of its own a service is trusted by the host's store, which does not know ours."""
        with self.assertRaises(SSL.Error):
            against(leaf("a.gov"), "a.gov", ClientTls())


class SettingsTests(SynchronousTestCase):
    def test_faults(self) -> None:
        """Settings that can't be used are told as on uvloop."""
        self.assertRaises(BadCertificate, client_context, ClientTls(ca=b"garbage"))

    def test_policy(self) -> None:
        """Twisted's HTTP client gets the same care."""
        creator = HttpsPolicy(TRUSTING).creatorForNetloc(b"a.gov", 443)
        for pair, good in ((leaf("a.gov"), True), (mint("a.gov", [], authority()), False)):
            tls = ServerTls((pair.both,), "1.2", (b"http/1.1",), where=NOWHERE)
            edge = ServerConnections(tls).serverConnectionForTLS(None)
            client = creator.clientConnectionForTLS(Told())
            if good:
                shake(edge, client)
            else:
                self.assertRaises(SSL.Error, shake, edge, client)
