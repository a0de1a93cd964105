"""A client's certificate as plugins see it, and the gate that reads it."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.client_certificate import CertificateGate, read_client_certificate
from hmsgw.transport.pem import BadCertificate
from tests.transport.minting import authority, leaf, mint

UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


class ReadTests(SynchronousTestCase):
    """`read_client_certificate`."""

    def test_parts(self) -> None:
        """Names, serial, fingerprint and end, as OpenSSL shows them too."""
        sans = [
            x509.RFC822Name("a@example.gov"), x509.UniformResourceIdentifier("spiffe://gov/a"),
            x509.OtherName(UPN, b"\x0c\x03a@b"), x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x0c\x01x"),
        ]  # fmt: skip
        pair = mint("clerk", ["Desk.example.gov", "192.0.2.7"], authority(), sans=sans)
        found = read_client_certificate(pair.der)
        self.assertEqual(("CN=clerk", "CN=test authority"), (found.subject, found.issuer))
        self.assertEqual(
            ("DNS:desk.example.gov", "IP:192.0.2.7", "email:a@example.gov", "URI:spiffe://gov/a", "UPN:a@b"), found.sans
        )
        self.assertEqual(int(found.serial, 16), pair.certificate.serial_number)
        self.assertEqual(found.not_after, pair.certificate.not_valid_after_utc)
        self.assertEqual((64, pair.der, pair.pem.decode()), (len(found.fingerprint), found.der, found.pem))

    def test_no_names(self) -> None:
        """A certificate without other names has none."""
        self.assertEqual((), read_client_certificate(mint("clerk", (), authority()).der).sans)

    def test_unreadable(self) -> None:
        """A UPN that is not what it says it is, or no certificate at all: refused in a sentence."""
        for upn in (b"\x04\x02ab", b"\x0c\x02\xff\xfe", b"\x0c\x81\x80" + b"a" * 128):
            pair = mint("clerk", (), authority(), sans=[x509.OtherName(UPN, upn)])
            with self.assertRaises(BadCertificate):
                read_client_certificate(pair.der)
        with self.assertRaisesRegex(BadCertificate, "can't be read"):
            read_client_certificate(b"no DER")


class Transport(StringTransport):
    """One over which the client has shown a certificate."""

    client_certificate: Any = None
    der: bytes | None = None

    def getPeerCertificate(self) -> bytes | None:
        return self.der


class GateTests(SynchronousTestCase):
    """`CertificateGate`."""

    def passed(self, der: bytes | None) -> tuple[Transport, list[Any], list[Any]]:
        made: list[Any] = []
        told: list[Any] = []

        def new_protocol() -> Protocol:
            made.append(Protocol())
            return made[-1]  # type: ignore[no-any-return]

        transport = Transport()
        transport.der = der
        CertificateGate(new_protocol, lambda *said: told.append(said)).makeConnection(transport)
        return transport, made, told

    def test_none(self) -> None:
        """Without a certificate nothing is added to the connection."""
        transport, made, told = self.passed(None)
        self.assertEqual((None, 1, []), (transport.client_certificate, len(made), told))
        self.assertIs(transport, made[0].transport)

    def test_good(self) -> None:
        """The connection carries it when its Protocol is made."""
        transport, made, told = self.passed(leaf("clerk").der)
        self.assertEqual(("CN=clerk", 1, []), (transport.client_certificate.subject, len(made), told))

    def test_refused(self) -> None:
        """One that can't be read, or that a resumed session has kept past its end, lets nobody in."""
        for der, words in ((b"no DER", "can't be read"), (leaf("clerk", days=0).der, "has expired")):
            transport, made, told = self.passed(der)
            self.assertEqual(([], True), (made, transport.disconnecting or transport.disconnected))
            ((client, reason, why),) = told
            self.assertEqual((client, reason), (transport.getPeer().host, "client-certificate"))
            self.assertIn(words, why)
