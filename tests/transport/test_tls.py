"""TLS settings: what is agreed to, which certificate answers, what is refused before anything is served."""

from __future__ import annotations

import ssl

from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.faults import Refused
from hmsgw.config.model import NOWHERE, Where
from hmsgw.transport.pem import BadCertificate
from hmsgw.transport.tls import ClientAuth, ClientTls, ServerTls, certificate_for
from tests.transport.minting import Pair, authority, leaf

WHERE = Where("routes.yaml", 3, 5)
ALPN = (b"h2", b"http/1.1")


def server(*pairs: Pair, minimum: str = "1.2") -> ServerTls:
    return ServerTls(tuple(pair.both for pair in pairs), minimum, ALPN, where=WHERE)


class NameTests(SynchronousTestCase):
    def test_certificate_for(self) -> None:
        """A name itself, else the wildcard of one label; nothing else."""
        by_name = {"a.gov": 1, "*.gov": 2, "*.b.gov": 3}
        cases = {
            "a.gov": 1, "A.GOV": 1, "x.gov": 2, "x.b.gov": 3, "b.gov": 2, "x.y.b.gov": None, "gov": None, "": None,
            "*.gov": 2, ".gov": 2,
        }  # fmt: skip
        for name, expected in cases.items():
            self.assertEqual(certificate_for(name, by_name), expected, name)


class ServerTests(SynchronousTestCase):
    def test_hardened(self) -> None:
        """TLS 1.2 with AES-GCM and forward secrecy at least, no compression, no renegotiation."""
        context = server(leaf("a.gov")).context
        self.assertEqual(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        for option in (ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION, ssl.OP_CIPHER_SERVER_PREFERENCE):
            self.assertTrue(context.options & option)
        names = {cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"}
        curves = {f"ECDHE-{key}-AES{bits}" for key in ("ECDSA", "RSA") for bits in ("128-GCM-SHA256", "256-GCM-SHA384")}
        self.assertEqual(names, curves)
        self.assertEqual(server(leaf("a.gov"), minimum="1.3").context.minimum_version, ssl.TLSVersion.TLSv1_3)

    def test_all_faults(self) -> None:
        """Every certificate that can't be used is told at once, by its number, at the listener's line."""
        good, other = leaf("a.gov"), leaf("b.gov")
        with self.assertRaises(Refused) as caught:
            ServerTls(((b"x", b"y"), good.both, (good.pem, other.key_pem)), "1.2", ALPN, where=WHERE)
        first, third = (str(fault) for fault in caught.exception.faults)
        self.assertTrue(
            first.startswith("routes.yaml:3:5: certificate 1 of this listener: the certificate is not"), first
        )
        self.assertIn("certificate 3 of this listener: the key does not belong", third)

    def test_expired(self) -> None:
        """A certificate that has expired, or soon will, is served, and the log says so."""
        told: list[str] = []

        def watch(event: dict[str, object]) -> None:
            if event["log_level"] is LogLevel.warn:
                told.append(str(event["log_format"]).format(**event))

        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        server(leaf("a.gov", days=60), leaf("b.gov", days=-1), leaf("c.gov", days=2))
        expired, expires = told
        self.assertIn("certificate 2 of this listener expired on 2", expired)
        self.assertIn("certificate 3 of this listener expires on 2", expires)

    def test_clients_authorities(self) -> None:
        """A CA file that holds no certificate is told at its own line."""
        for content in (b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"):
            clients = ClientAuth(content, True, Where("routes.yaml", 7, 9))
            with self.assertRaises(Refused) as caught:
                ServerTls((leaf("a.gov").both,), "1.2", (), where=NOWHERE, clients=clients)
            (fault,) = caught.exception.faults
            self.assertIn("routes.yaml:7:9: client_ca: the CA is not PEM", str(fault))

    def test_same_as(self) -> None:
        """Equal bytes are the same to a client; anything else is not."""
        pair = leaf("a.gov")
        self.assertTrue(server(pair).same_as(server(pair)))
        for other in (None, server(leaf("b.gov")), server(pair, minimum="1.3")):
            self.assertFalse(server(pair).same_as(other))


class ClientTests(SynchronousTestCase):
    def test_always_verified(self) -> None:
        """Whatever is set, the chain and the name are verified, and TLS 1.2 is the least."""
        pair = leaf("gw.internal")
        for tls in (
            ClientTls(), ClientTls(ca=authority().pem), ClientTls(name="x.internal"),
            ClientTls(certificate=pair.pem, key=pair.key_pem),
        ):  # fmt: skip
            context = tls.context()
            self.assertEqual((context.verify_mode, context.check_hostname), (ssl.CERT_REQUIRED, True))
            self.assertEqual(context.minimum_version, ssl.TLSVersion.TLSv1_2)

    def test_only_its_ca(self) -> None:
        """A CA that is given is the only one trusted."""
        self.assertEqual(len(ClientTls(ca=authority().pem).context().get_ca_certs()), 1)

    def test_faults(self) -> None:
        """What can't be used is told in a sentence."""
        pair = leaf("gw.internal")
        cases = (
            (ClientTls(ca=b"garbage"), "the CA is not PEM"),
            (ClientTls(ca=b""), "the CA is not PEM"),
            (ClientTls(ca=leaf("a.gov").key_pem), "it holds a private key"),
            (ClientTls(ca="Ł".encode()), "the CA is not PEM"),
            (ClientTls(certificate=pair.pem), "needs its key"),
            (ClientTls(key=pair.key_pem), "needs its key"),
            (ClientTls(certificate=pair.pem, key=leaf("x.internal").key_pem), "does not belong"),
        )
        for tls, words in cases:
            with self.assertRaises(BadCertificate) as caught:
                tls.context()
            self.assertIn(words, str(caught.exception))
