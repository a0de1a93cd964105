"""The certificate of a listener that names none."""

from __future__ import annotations

import ipaddress
import os
import ssl
import stat

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.transport.pem import read_pair
from hmsgw.transport.selfsigned import self_signed
from tests.transport.minting import Pair, leaf, mint


class SelfSignedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)

    def keep(self, pair: Pair, key: bytes | None = None) -> None:
        for name, content in (("self-signed.pem", pair.pem), ("self-signed.key", key or pair.key_pem)):
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(content)

    def test_made_once(self) -> None:
        """The second start finds what the first has made; nobody else can read the key."""
        made = self_signed(self.folder)
        self.assertEqual(self_signed(self.folder), made)
        mode = os.stat(os.path.join(self.folder, "self-signed.key")).st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.assertEqual(sorted(os.listdir(self.folder)), ["self-signed.key", "self-signed.pem"])

    def test_names(self) -> None:
        """It is for this host under the names that one tries first, and its own authority for `curl --cacert`."""
        certificate, key = self_signed(self.folder)
        self.assertIn("localhost", read_pair(certificate, key).names)
        read = x509.load_pem_x509_certificate(certificate)
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        addresses = names.get_values_for_type(x509.IPAddress)
        self.assertEqual(addresses, [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=certificate.decode())
        self.assertEqual(len(context.get_ca_certs()), 1)

    def test_made_again(self) -> None:
        """One that has expired, can't be read, or does not fit its key is made again."""
        cases = ((mint("x", days=-1), None), (leaf("x"), leaf("y").key_pem), (leaf("x"), b"garbage"))
        for pair, key in cases:
            self.keep(pair, key)
            made = self_signed(self.folder)
            self.assertNotEqual(made[0], pair.pem)
            self.assertEqual(self_signed(self.folder), made)

    def test_left_over(self) -> None:
        """A file that a crash has left, readable by all, does not make the key readable."""
        path = os.path.join(self.folder, "self-signed.key.new")
        with open(path, "wb"):
            os.chmod(path, 0o644)
        self_signed(self.folder)
        mode = os.stat(os.path.join(self.folder, "self-signed.key")).st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)
