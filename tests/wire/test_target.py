"""Promises of `hmsgw.wire.target`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire.faults import EdgeFault
from hmsgw.wire.target import AUTHORITY, checked_path, host_of, normalise_path


class HostTests(SynchronousTestCase):
    def test_host_of(self) -> None:
        """Without port, brackets and final dot."""
        for authority, expected in ((b"a.test:80", "a.test"), (b"[::1]:80", "::1"), (b"a.test.", "a.test"), (b"", "")):
            self.assertEqual(expected, host_of(authority))

    @given(st.from_regex(AUTHORITY, fullmatch=True))
    def test_any_authority(self, authority: bytes) -> None:
        """What may stand in Host has a host, and nothing of its port."""
        self.assertNotRegex(host_of(authority), r"[\[\]@/\s]")


class NormaliseTests(SynchronousTestCase):
    def test_one_spelling(self) -> None:
        """Equal paths have equal spellings."""
        for given_path, wanted in (
            (b"/", b"/"), (b"/a/b", b"/a/b"), (b"/a//b", b"/a/b"), (b"//a", b"/a"), (b"/a/./b", b"/a/b"),
            (b"/a/../b", b"/b"), (b"/a/..", b"/"), (b"/a/b/..", b"/a/"), (b"/a/.", b"/a/"), (b"/a/", b"/a/"),
            (b"/%61", b"/a"), (b"/%7Euser", b"/~user"), (b"/%c3%a9", b"/%C3%A9"), (b"/a%20b", b"/a%20b"),
            (b"/%2e%2e/a", None), (b"/a/%2e%2E/b", b"/b"), (b"/.well-known/x", b"/.well-known/x"), (b"/a;v=1",
            b"/a;v=1"),
            (b"/a/...", b"/a/..."), (b"/.a", b"/.a"), (b"/a//", b"/a/"),
        ):  # fmt: skip
            if wanted is None:
                self.assertRaises(EdgeFault, normalise_path, given_path)
            else:
                self.assertEqual(normalise_path(given_path), wanted, given_path)

    def test_refused(self) -> None:
        """Encoded slashes, backslashes, control characters, broken escapes and climbing above the root: bad-path."""
        for path in (
            b"/a%2fb", b"/a%2Fb", b"/a\\b", b"/a%5cb", b"/%00", b"/%0d%0a", b"/%7f", b"/%", b"/%4", b"/%zz", b"/%+1",
            b"/a/..;/b", b"/.;x", b"/..", b"/../a", b"/a/../../b", b"/%2e%2e", b"/./..",
        ):  # fmt: skip
            with self.assertRaises(EdgeFault, msg=str(path)) as caught:
                normalise_path(path)
            self.assertEqual(caught.exception.reason.word, "bad-path")

    def test_checked(self) -> None:
        """A path that no codec has seen is looked at byte for byte."""
        for path in (b"", b"a", b"/\r\n", b"/ ", b"/\x80"):
            self.assertRaises(EdgeFault, checked_path, path)
        self.assertEqual(checked_path(b"/a/../b"), b"/b")

    @given(st.text("ab/.%2eEfF5cC0~", max_size=16))
    @settings(max_examples=500, deadline=None)
    def test_stays_as_it_is(self, tail: str) -> None:
        """Normalising twice changes nothing, and no dot segment or empty segment is left."""
        try:
            once = normalise_path(b"/" + tail.encode())
        except EdgeFault:
            return
        self.assertEqual(normalise_path(once), once)
        self.assertNotIn(b"//", once)
        self.assertFalse({b".", b".."} & set(once.split(b"/")))
