"""Field lines as plugins see them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.headers import Headers, checked_field, octets, text


def _three() -> Headers:
    return Headers([(b"a", b"A", b"1"), (b"b", b"b", b"2"), (b"a", b"a", b"3")])


class HeadersTests(SynchronousTestCase):
    """`Headers` and `checked_field`."""

    def test_reading(self) -> None:
        """Names are found in any case; repeated ones are joined, or one by one."""
        headers = _three()
        self.assertEqual(
            ("1, 3", ["1", "3"], "2", None), (headers["A"], headers.get_all("a"), headers["B"], headers.get("c"))
        )
        self.assertEqual((["A", "b"], 2), (headers.keys(), len(headers)))
        self.assertIn("B", headers)
        self.assertNotIn(7, headers)
        self.assertRaises(KeyError, lambda: headers["c"])

    def test_setting(self) -> None:
        """Setting takes the place of all of that name, where the first stood."""
        headers = _three()
        headers["a"] = "9"
        self.assertEqual([("a", "9"), ("b", "2")], headers.items())
        headers.update({"C": "x"})
        self.assertEqual("x", headers.setdefault("c", "y"))
        self.assertEqual("z", headers.setdefault("d", "z"))

    def test_removing(self) -> None:
        """Removing takes every one of that name; what is not there can't be deleted."""
        headers = _three()
        self.assertEqual("1, 3", headers.pop("a"))
        self.assertEqual("none", headers.pop("a", "none"))
        del headers["B"]
        self.assertEqual([], headers.items())
        self.assertRaises(KeyError, headers.__delitem__, "b")

    @given(
        st.one_of(st.text(max_size=20), st.binary(max_size=20)), st.one_of(st.text(max_size=30), st.binary(max_size=30))
    )
    def test_nothing_breaks_a_line(self, name: str | bytes, value: str | bytes) -> None:
        """Whatever a plugin writes, a field that is taken can't end its line, or hold a NUL, or have an odd name."""
        try:
            lower, raw, content = checked_field(name, value)
        except (ValueError, UnicodeEncodeError):
            return
        self.assertEqual(lower, raw.lower())
        self.assertRegex(raw, rb"\A[!-~]+\Z")
        self.assertNotIn(b":", raw)
        for byte in (b"\r", b"\n", b"\0"):
            self.assertNotIn(byte, content)

    def test_refused(self) -> None:
        """Splitting, empty names and names with white space are refused with a sentence that says which."""
        for name, value in (("X-A", "b\r\nX-B: c"), ("X-A", "\0"), ("", "b"), ("X A", "b"), ("X:A", "b"), ("é", "b")):
            self.assertRaises(ValueError, Headers().add, name, value)

    @given(st.binary(max_size=40))
    def test_bytes_survive(self, value: bytes) -> None:
        """Every byte that came in goes out as it was."""
        self.assertEqual(value, octets(text(value)))
