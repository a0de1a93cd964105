"""What a plugin may write into a request line."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.target import normalise_path
from hmsgw.wire.written import written_method, written_path, written_query


class WrittenTests(SynchronousTestCase):
    """`written_method`, `written_path`, `written_query`."""

    def test_taken(self) -> None:
        """What can be sent comes back in the spelling in which it is sent."""
        self.assertEqual(("PATCH", "x-own"), (written_method("PATCH"), written_method("x-own")))
        self.assertEqual(("/a/~b", "/%C3%A4"), (written_path("/./a//%7Eb"), written_path("/%c3%a4")))
        self.assertEqual(("", "a=b&c=%20?/"), (written_query(""), written_query("a=b&c=%20?/")))

    def test_wrong_type(self) -> None:
        """Nothing but str, and the sentence says which part it was."""
        wrong: list[Any] = [None, 5, b"/a", ["/a"]]
        for value in wrong:
            for call, name in ((written_method, "method"), (written_path, "path"), (written_query, "query")):
                self.assertIn(f"req.{name} is a str", str(self.assertRaises(TypeError, call, value)))

    def test_connect(self) -> None:
        """No request becomes a CONNECT: what followed its answer would be a tunnel."""
        self.assertRaises(ValueError, written_method, "CONNECT")

    @given(st.text(max_size=12) | st.text("/.%?#2fF\\a;", max_size=12))
    def test_safe(self, text: str) -> None:
        """Whatever is written, what comes back stays in its part of the request line, and is what a client may send."""
        for call, forbidden in ((written_method, "/?"), (written_path, "?#"), (written_query, "#")):
            try:
                taken = call(text)
            except ValueError:
                continue
            self.assertTrue(taken.isascii() and taken.isprintable() and " " not in taken)
            self.assertEqual(set(), set(forbidden) & set(taken))
            if call is written_path:
                self.assertEqual(taken.encode(), normalise_path(taken.encode()))
