"""The last good endpoints on disk."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.endpoint import Endpoint
from hmsgw.registry.last_good import LastGood

SERVICES = {
    "clinics": (Endpoint("http", "10.0.5.9", 8080, 10), Endpoint("https", "2001:db8::1", 443)),
    "empty": (),
}


class LastGoodTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        self.kept = LastGood(self.path, "http://localhost:8500")

    def put(self, content: bytes) -> None:
        with open(self.path, "wb") as file:
            file.write(content)

    def test_round_trip(self) -> None:
        """What was saved is loaded, weights included."""
        self.kept.save(SERVICES)
        self.assertEqual(self.kept.load(), SERVICES)

    def test_private_and_whole(self) -> None:
        """Only the owner reads it, also when it was there with other rights; no half of it is left beside it."""
        self.put(b"old")
        os.chmod(self.path, 0o644)
        self.kept.save(SERVICES)
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        self.assertEqual(os.listdir(os.path.dirname(self.path) or "."), [os.path.basename(self.path)])

    def test_another_registry(self) -> None:
        """Endpoints of another registry are not used."""
        self.kept.save(SERVICES)
        self.assertEqual(LastGood(self.path, "http://elsewhere:8500").load(), {})

    def test_damaged(self) -> None:
        """No file, half a file, or something else: as if there were none."""
        self.assertEqual(self.kept.load(), {})
        self.kept.save(SERVICES)
        with open(self.path, "rb") as file:
            good = file.read()
        for content in (
            b"", b"[]", b"null", good[: len(good) // 2], good.replace(b"8080", b'"8080/x"'),
            good.replace(b"8080", b"0"),
            good.replace(b"    10\n", b"    0\n"), good.replace(b"http\"", b"ftp\""),
            good.replace(b"services", b"serbices"),
            good.replace(b"10.0.5.9", b"10.0.5.9/x"), b'{"format":"hmsgw-registry/1","source":"http://localhost:8500"}',
        ):  # fmt: skip
            self.assertNotEqual(content, good)
            self.put(content)
            self.assertEqual(self.kept.load(), {}, content)

    def test_no_link_is_followed(self) -> None:
        """A link put where the new file is written is not written through."""
        os.symlink("/dev/null", self.path + ".new")
        self.assertRaises(OSError, self.kept.save, SERVICES)

    @given(st.binary())
    def test_any_file(self, content: bytes) -> None:
        """Whatever the file holds, loading it does not fail."""
        self.put(content)
        self.assertEqual(self.kept.load(), {})
