"""Certificates and keys from bytes."""

from __future__ import annotations

import os
import ssl

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport import pem
from hmsgw.transport.pem import BadCertificate, load_chain, read_authorities, read_pair
from tests.transport.minting import authority, leaf, mint


class ReadTests(SynchronousTestCase):
    def test_names(self) -> None:
        """DNS names in lower case, addresses left out; none where there are none."""
        pair = leaf("API.cdc.gov", "*.example.gov", "127.0.0.1")
        read = read_pair(*pair.both)
        self.assertEqual(read.names, ("api.cdc.gov", "*.example.gov"))
        self.assertEqual(read.expires, pair.certificate.not_valid_after_utc)
        self.assertEqual(read_pair(*mint("x").both).names, ())

    def test_chain(self) -> None:
        """The first certificate of a chain is the one that counts."""
        pair = leaf("a.gov")
        self.assertEqual(read_pair(pair.pem + authority().pem, pair.key_pem).names, ("a.gov",))
        with self.assertRaises(BadCertificate):
            read_pair(authority().pem + pair.pem, pair.key_pem)

    def test_faults(self) -> None:
        """Each fault is one sentence that says what to do or what is wrong."""
        pair, other = leaf("a.gov"), leaf("b.gov")
        cases = (
            (b"garbage", pair.key_pem, "the certificate is not PEM"),
            (b"", pair.key_pem, "the certificate is not PEM"),
            (pair.pem, b"garbage", "the key is not PEM"),
            (pair.pem, pair.pem, "the key's file holds a certificate"),
            (pair.key_pem, pair.pem, "the certificate's file holds a private key"),
            (pair.pem, pair.encrypted_key_pem, "the key is encrypted; store it without a passphrase"),
            (pair.pem, other.key_pem, "the key does not belong to the certificate"),
        )
        for chain, key, words in cases:
            with self.assertRaises(BadCertificate) as caught:
                read_pair(chain, key)
            self.assertIn(words, str(caught.exception))


class AuthorityTests(SynchronousTestCase):
    """`read_authorities`."""

    def test_who_may_vouch(self) -> None:
        """CAs, among whatever else; and a certificate that vouches for itself, as small sites have it."""
        ca, own = authority(), mint("own")
        self.assertEqual(2, len(read_authorities(b"# ours\n" + ca.pem + leaf("a.gov").pem)))
        self.assertEqual(1, len(read_authorities(own.pem)))

    def test_faults(self) -> None:
        """What is no CA's certificate would let nobody in, without a word."""
        for content, words in (
            (leaf("a.gov").pem, "no certificate in it is a CA's"), (b"", "not PEM"), (b"garbage", "not PEM"),
            (leaf("a.gov").key_pem, "it holds a private key"),
        ):  # fmt: skip
            with self.assertRaises(BadCertificate) as caught:
                read_authorities(content)
            self.assertIn(words, str(caught.exception))


class LoadTests(SynchronousTestCase):
    def load(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_chain(context, *leaf("a.gov").both)
        with self.assertRaises(BadCertificate):
            load_chain(context, leaf("a.gov").pem, leaf("b.gov").key_pem)

    def test_memory(self) -> None:
        """A chain is loaded from memory, and no descriptor stays open."""
        self.load()
        before = len(os.listdir("/proc/self/fd"))
        self.load()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_file(self) -> None:
        """Where there is no /proc, from a private file that is gone afterwards."""
        folder = self.mktemp()
        os.mkdir(folder)
        self.patch(pem.tempfile, "tempdir", folder)
        self.patch(pem.os.path, "isdir", lambda _: False)
        self.load()
        self.assertEqual(os.listdir(folder), [])
