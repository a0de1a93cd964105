"""Claims as fields."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.identity.claimed import as_fields, field_names
from hmsgw.identity.tokens import BadToken


class ClaimedTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Names that a proxy or the gateway itself speaks by, or that are none, are refused."""
        self.assertEqual(field_names({"sub": "X-User-Id"}), {"sub": b"X-User-Id"})
        for name in ("Host", "connection", "X-Forwarded-For", "Authorization", "a b", "", "X_User", "Content-Length"):
            self.assertRaises(ValueError, field_names, {"sub": name})
        self.assertRaises(ValueError, field_names, {"sub": 5})
        self.assertRaises(ValueError, field_names, {"sub": "X-A", "iss": "x-a"})

    def test_values(self) -> None:
        """Text as it is, lists of text with commas, everything else as JSON; what is absent is left out."""
        names = field_names({"sub": "X-Sub", "roles": "X-Roles", "age": "X-Age", "o": "X-O", "none": "X-None"})
        fields = as_fields(names, {"sub": "Zo\u00eb", "roles": ["a", "b"], "age": 7, "o": {"k": [True]}, "none": None})
        self.assertEqual([(name, value) for _, name, value in fields], [
            (b"X-Sub", "Zo\u00eb".encode()), (b"X-Roles", b"a,b"), (b"X-Age", b"7"), (b"X-O", b'{"k":[true]}'),
        ])  # fmt: skip

    def test_no_two_readings(self) -> None:
        """A member with a comma can't pass for two, and a line break ends no field."""
        (field,) = as_fields(field_names({"roles": "X-Roles"}), {"roles": ["a,admin"]})
        self.assertEqual(field[2], b'["a,admin"]')
        for roles, written in (([" a", "b"], b'[" a","b"]'), ([""], b'[""]'), ([], b"")):
            (field,) = as_fields(field_names({"roles": "X-Roles"}), {"roles": roles})
            self.assertEqual(field[2], written)
        for value in ("a\r\nX-Admin: 1", "a\0", ["a\0"], " admin", "admin\t", "", " ", "\u00a0admin"):
            self.assertRaises(BadToken, as_fields, field_names({"sub": "X-Sub"}), {"sub": value})
