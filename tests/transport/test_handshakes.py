"""Why a client's TLS handshake failed."""

from __future__ import annotations

import ssl

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.handshakes import handshake_fault, handshake_late


def of_ssl(reason: str) -> ssl.SSLError:
    """As the standard library has it."""
    error = ssl.SSLError(1, "x")
    error.reason = reason
    return error


class HandshakeFaultTests(SynchronousTestCase):
    def test_certificates(self) -> None:
        """The want of a certificate has its own word."""
        for error in (
            of_ssl("PEER_DID_NOT_RETURN_A_CERTIFICATE"),
            SSL.Error([("SSL routines", "", "peer did not return a certificate")]),
        ):
            word, why = handshake_fault(error) or ("", "")
            self.assertEqual("client-certificate", word)
            self.assertIn("shows no certificate", why)
        word, why = handshake_fault(SSL.Error([("x", "", "certificate verify failed")])) or ("", "")
        self.assertEqual(("client-certificate", True), (word, "does not hold" in why))

    def test_what_a_client_did(self) -> None:
        """In words where we have some, in OpenSSL's otherwise; both libraries alike."""
        for reason, words in (
            ("HTTP_REQUEST", "plain HTTP"),
            ("WRONG_VERSION_NUMBER", "no TLS"),
            ("UNSUPPORTED_PROTOCOL", "tls.minimum"),
            ("TLSV1_ALERT_UNKNOWN_CA", "does not trust"),
            ("BAD_RECORD_TYPE", "agreed on: bad record type"),
        ):
            for error in (of_ssl(reason), SSL.Error([("SSL routines", "", reason.lower().replace("_", " "))])):
                word, why = handshake_fault(error) or ("", "")
                self.assertEqual("tls-handshake", word)
                self.assertIn(words, why)

    def test_gone(self) -> None:
        """Who just went away did nothing that is worth a line."""
        for error in (
            ssl.SSLError(1, "x"), SSL.Error(), SSL.Error([()]), OSError("gone"), SSL.Error("text"),
            SSL.Error([("SSL routines", "", "unexpected eof while reading")]),
        ):  # fmt: skip
            self.assertIsNone(handshake_fault(error))

    def test_late(self) -> None:
        """Which bound it was."""
        self.assertEqual(
            ("tls-handshake", "the TLS handshake was not done within 10 s (`deadlines.tls`)"), handshake_late(10.0)
        )
