"""Promises of `hmsgw.wire.fieldlines`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.wire import fieldlines
from hmsgw.wire.fieldlines import BadLine, FieldLines, ResponseLines, parse_line


class FieldLinesTests(SynchronousTestCase):
    def test_remembers(self) -> None:
        """The second look at a line is the same object."""
        lines = FieldLines()
        self.assertIs(lines[b"A: b"], lines[b"A: b"])
        self.assertEqual(lines[b"A: b"], (b"a", b"A", b"b"))

    def test_memory_is_bounded(self) -> None:
        """A flood of new lines leaves a bounded number behind, and a line in use stays known."""
        lines = FieldLines()
        for n in range(10 * fieldlines._MAX_LINES):
            lines[b"X: %d" % n]
            lines[b"Host: used"]
        self.assertLessEqual(len(lines) + len(lines._older), 2 * fieldlines._MAX_LINES)

    def test_long_lines_are_not_kept(self) -> None:
        """A line of many bytes is checked each time instead of kept."""
        lines = FieldLines()
        lines[b"X: " + b"a" * 2000]
        self.assertEqual(len(lines), 0)

    def test_answers(self) -> None:
        """White space before a colon goes; what else is wrong with a line stays so."""
        lines = ResponseLines()
        self.assertEqual((b"a", b"A", b"b"), lines[b"A \t: b"])
        for line in (b" a : b", b"a b : c", b" : b", b"a : \x00"):
            self.assertRaises(BadLine, lines.__getitem__, line)

    def test_faults_are_named(self) -> None:
        """Each kind of fault has its sentence."""
        for line, word in (
            (b" a: b", "folded"), (b"a", "colon"), (b"a : b", "white space"), (b"\x80: b", "token"),
            (b"a: \x00", "control"), (b"a: b\n", "bare"),
        ):  # fmt: skip
            with self.assertRaises(BadLine) as caught:
                parse_line(line)
            self.assertIn(word, str(caught.exception))

    @given(st.binary(max_size=40))
    def test_never_a_control_character(self, line: bytes) -> None:
        """What is taken holds no CR, LF or NUL and no white space at the ends of its value."""
        try:
            _, name, value = parse_line(line)
        except BadLine:
            return
        self.assertNotRegex((name + value).decode("latin-1"), "[\r\n\0]")
        self.assertEqual(value, value.strip(b" \t"))
