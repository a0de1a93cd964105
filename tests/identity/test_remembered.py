"""The memory of tokens is bounded, in number and in bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.identity.remembered import Remembered, Verified

GOOD = Verified({}, (), None, [], 0.0)


class RememberedTests(SynchronousTestCase):
    def test_the_oldest_goes_first(self) -> None:
        """One token more than there is room for makes the first one forgotten."""
        memory = Remembered(2)
        for token in (b"a", b"b", b"c"):
            memory.keep(token, GOOD)
        self.assertEqual(list(memory.known), [b"b", b"c"])

    def test_nothing_is_kept_of_nothing(self) -> None:
        """No room, or a token longer than all room, keeps nothing."""
        for memory in (Remembered(0), Remembered(10, max_bytes=3)):
            memory.keep(b"long", GOOD)
            self.assertEqual(memory.known, {})

    def test_new_keys(self) -> None:
        """With new keys everything is forgotten, for those too who hold the table."""
        memory = Remembered(5)
        known = memory.known
        memory.keep(b"a", GOOD)
        memory.start_anew(2)
        self.assertEqual((known, memory.version), ({}, 2))
        memory.keep(b"a", GOOD)
        self.assertIs(memory.known, known)

    @given(st.lists(st.binary(max_size=12), max_size=60))
    def test_bounds(self, tokens: list[bytes]) -> None:
        """Whatever comes, neither bound is passed, and the last token that fits is there."""
        memory = Remembered(5, max_bytes=30)
        for token in tokens:
            memory.keep(token, GOOD)
            self.assertIn(token, memory.known)
            self.assertLessEqual(len(memory.known), 5)
            self.assertLessEqual(sum(map(len, memory.known)), 30)
