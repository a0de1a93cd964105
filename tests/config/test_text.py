"""YAML text: what is read, what is refused, where; and that nothing whatever raises or takes long."""

from __future__ import annotations

import re
from unittest.mock import patch

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config import text
from hmsgw.config.faults import Fault
from hmsgw.config.values import Listed, Mapped, Scalar, Value
from tests.config.arrange import value

#: Pieces that YAML is made of, so that random texts get past the first character.
_PIECES = st.lists(st.sampled_from([
    "a", "b", ": ", ":", "- ", "\n", "\n  ", "\n\t", "[", "]", "{", "}", ", ", "&x ", "*x", "!!str ", "!t ", "'", '"',
    "|\n", "> ", "# c", "---\n", "...\n", "? ", "<<: ", "${A}", "${", "$${", "%YAML 1.2\n", "\x00", "\ufeff", "é", "1",
    "null",     "routes", "path", "/x",
]), max_size=40).map("".join)  # fmt: skip


def faults_in(content: bytes | str, **environ: str) -> list[tuple[int, int, str]]:
    faults: list[Fault] = []
    octets = content.encode() if isinstance(content, str) else content
    text.read(octets, "f.yaml", environ, faults)
    return [(fault.where.line, fault.where.column, fault.message) for fault in faults]


def as_words(found: Value) -> object:
    if isinstance(found, Mapped):
        return {entry.key: as_words(entry.value) for entry in found.entries}
    return [as_words(item) for item in found.items] if isinstance(found, Listed) else found.text


class PlacesTests(SynchronousTestCase):
    def test_places(self) -> None:
        """Lines and columns count characters from 1, keys and values apart."""
        found = value("é: [1, 🚦, x]\nb:\n  c: 'd'")
        assert isinstance(found, Mapped)
        first, second = found.entries
        self.assertEqual((first.where.line, first.where.column), (1, 1))
        assert isinstance(first.value, Listed) and isinstance(second.value, Mapped)
        self.assertEqual([item.where.column for item in first.value.items], [5, 8, 11])
        inner = second.value.entries[0]
        self.assertEqual((inner.where.line, inner.where.column, inner.value.where.column), (3, 3, 6))

    def test_byte_order_mark(self) -> None:
        """A UTF-8 byte order mark is no part of the first key."""
        self.assertEqual(as_words(value("\ufeffa: b")), {"a": "b"})


class RefusedTests(SynchronousTestCase):
    def one(self, content: bytes | str, line: int, column: int, words: str) -> None:
        found = faults_in(content)
        self.assertEqual([(at, col) for at, col, _ in found], [(line, column)], found)
        self.assertIn(words, found[0][2])

    def test_not_a_text(self) -> None:
        """Bytes that are no UTF-8, and characters that no text holds, at their place."""
        self.one(b"a: b\nc: \xff", 2, 4, "not UTF-8")
        self.one("a: é".encode("utf-16"), 1, 1, "not UTF-8")
        self.one("a: é\n  \x00", 2, 3, "U+0000")
        self.one("a: \x1b[0m", 1, 4, "U+001B")

    def test_too_large(self) -> None:
        """8 MiB are read, one byte more is not."""
        self.assertEqual(faults_in(b"a: b #" + b"x" * (text.MAX_BYTES - 6)), [])
        self.one(b"a: b #" + b"x" * (text.MAX_BYTES - 5), 1, 1, "larger than 8 MiB")

    def test_empty(self) -> None:
        """An empty file, as a full disk leaves one, is no configuration."""
        for content in ("", "\n\n", "# only a comment\n"):
            self.one(content, 1, 1, "empty")

    def test_syntax(self) -> None:
        """What is not YAML is told at its line, with the usual reason."""
        self.one("a: b\n\tc: d", 2, 1, "with spaces, not with tabs")
        self.one("a: [1, 2\nb: c", 2, 1 + 1, "not YAML")
        self.one("routes:\n  - {path: /a/{id}, service: b}", 2, 15, "quote a path that holds `{name}`")
        self.one("a: 'b", 1, 6, "not YAML")
        self.one("a: @b", 1, 4, "not YAML")

    def test_long_lines(self) -> None:
        """What is said about a line of millions of characters is said at once."""
        for source in (": " * 1_000_000, "a: [" + ", /" * 1_000_000 + "{", " \t" * 1_000_000 + "@"):
            self.assertEqual(len(faults_in(source)), 1)

    def test_one_document(self) -> None:
        """A second document is not silently left out."""
        self.one("a: b\n---\na: c", 2, 1, "second document")

    def test_duplicate_keys(self) -> None:
        """Each second key is told with the line of the first, and the first one counts."""
        self.assertEqual([(line, col) for line, col, _ in faults_in("a: 1\nb: 2\na: 3\n'a': 4")], [(3, 1), (4, 1)])

    def test_tags(self) -> None:
        """Custom tags are faults; !!str is the same as quotes."""
        self.one("a: !!python/object/apply:os.system [x]", 1, 4, "tag")
        self.one("a: !secret x", 1, 4, "`!secret`")
        self.one("!!omap [a]", 1, 1, "tag")
        found = value("a: !!str 5")
        assert isinstance(found, Mapped) and isinstance(found.entries[0].value, Scalar)
        self.assertFalse(found.entries[0].value.plain)

    def test_merge_keys(self) -> None:
        """A merge key is YAML 1.1; here it would be a key that nobody reads."""
        self.one("a: {b: 1, <<: {c: 2}}", 1, 11, "merge key")

    def test_odd_keys(self) -> None:
        """A key is a word: no list, no alias, no anchor."""
        self.one("? [a]\n: b", 1, 3, "a key is one word")
        self.one("a: &x b\n*x : c", 2, 1, "can't be an alias")
        self.one("&x a: b", 1, 1, "can't have an anchor")

    def test_depth(self) -> None:
        """64 levels are read, and a million are refused as quickly as 65."""
        self.assertEqual(faults_in("[" * 64 + "]" * 64), [])
        self.one("[" * 65 + "]" * 65, 1, 65, "nested")
        self.one("[" * 1_000_000, 1, 65, "nested")
        self.one("a:\n" + "".join(" " * n + "a:\n" for n in range(1, 90)), 65, 65, "nested")

    def test_depth_by_aliases(self) -> None:
        """Aliases of aliases don't get past the bound either."""
        deep = "a0: &a0 " + "[" * 30 + "]" * 30 + "\n"
        deep += "".join(f"a{n}: &a{n} " + "[" * 10 + f"*a{n - 1}" + "]" * 10 + "\n" for n in range(1, 6))
        found = faults_in(deep)
        self.assertEqual([line for line, _, _ in found], [5])
        self.assertIn("nested", found[0][2])


class AliasTests(SynchronousTestCase):
    def test_small_use(self) -> None:
        """An anchor may save some typing."""
        self.assertEqual(as_words(value("a: &p [jwt, x]\nb: *p")), {"a": ["jwt", "x"], "b": ["jwt", "x"]})

    def test_many(self) -> None:
        """64 anchors and aliases together, not one more."""
        self.assertEqual(faults_in("- &a x\n" + "- *a\n" * 63), [])
        for source in ("- &a x\n" + "- *a\n" * 64, "".join(f"- &a{n} x\n" for n in range(65))):
            ((line, _, message),) = faults_in(source)
            self.assertEqual(line, 65)
            self.assertIn("more than 64 anchors", message)

    def test_bomb(self) -> None:
        """A billion laughs are refused before they are laughed."""
        lines = ["a0: &a0 [" + ", ".join(["lol"] * 9) + "]"]
        lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 10)]
        found = faults_in("\n".join(lines))
        self.assertEqual(len(found), 1)
        self.assertRegex(found[0][2], "more than (64 anchors|1000000 values)")

    def test_wide_bomb(self) -> None:
        """Few anchors of much content count as what they stand for."""
        source = "a: &a [" + "x, " * 60_000 + "]\nb: [" + "*a, " * 40 + "]"
        self.assertIn("more than 1000000 values", faults_in(source)[0][2])

    def test_unknown_and_circular(self) -> None:
        """An alias needs an anchor that is complete before it."""
        for source in ("a: *x", "a: &x [*x]", "a: &x {b: *x}"):
            (found,) = faults_in(source)
            self.assertIn("there is no anchor `&x`", found[2])


class EnvironmentTests(SynchronousTestCase):
    def test_filled(self) -> None:
        """${NAME} anywhere in a value, quoted or not; what comes in is never read as YAML."""
        found = value("a: ${A}\nb: 'x-${A}-${B}'\nc: [\"${A}\"]", A="1: [", B="")
        self.assertEqual(as_words(found), {"a": "1: [", "b": "x-1: [-", "c": ["1: ["]})

    def test_once(self) -> None:
        """What a variable holds is not filled in again."""
        self.assertEqual(as_words(value("a: ${A}", A="${B}")), {"a": "${B}"})

    def test_number(self) -> None:
        """Without quotes, a number from the environment is a number."""
        found = value("a: ${A}", A="5")
        assert isinstance(found, Mapped) and isinstance(found.entries[0].value, Scalar)
        self.assertEqual((found.entries[0].value.plain, found.entries[0].value.shown), (True, "${A}"))

    def test_escape(self) -> None:
        """$${ is ${ itself; a dollar alone is a dollar."""
        self.assertEqual(as_words(value("a: '$${A} $A $$ $'")), {"a": "${A} $A $$ $"})

    def test_missing(self) -> None:
        """Each missing variable is a fault at its value, and so is ${ without a name."""
        found = faults_in("a: ${A} ${B}\nb: '${'\nc: '${1}'\nd: '${A'")
        self.assertEqual([(line, col) for line, col, _ in found], [(1, 4), (1, 4), (2, 4), (3, 4), (4, 4)])
        self.assertIn("no variable A", found[0][2])

    def test_bounded(self) -> None:
        """A small file can't take the memory of the host by naming a large variable often."""
        found = faults_in("a: " + "${A}" * 500_000, A="x" * 1_000_000)
        self.assertIn("more than 8 MiB come from the environment", found[0][2])

    def test_keys_and_comments(self) -> None:
        """Only values are filled in."""
        self.assertEqual(as_words(value("'${A}': b # ${A}")), {"${A}": "b"})


class AnythingTests(SynchronousTestCase):
    @settings(max_examples=300, deadline=None)
    @given(st.binary(max_size=200) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "replace")) |
           _PIECES.map(lambda t: t.encode()))  # fmt: skip
    def test_never_raises(self, content: bytes) -> None:
        """Any bytes are a value or faults, each with a place in the file."""
        faults: list[Fault] = []
        found = text.read(content, "f.yaml", {"A": "x"}, faults)
        self.assertTrue(found is not None or faults)
        for fault in faults:
            self.assertGreaterEqual(min(fault.where.line, fault.where.column), 1)
            breaks = sum(content.decode("utf-8", "replace").count(one) for one in "\n\r\x85\u2028\u2029")
            self.assertLessEqual(fault.where.line, breaks + 2)
            self.assertNotIn("\n", fault.message)

    def test_what_the_library_refuses(self) -> None:
        """A character that only the YAML library objects to is a fault as well."""
        with patch.object(text, "_UNPRINTABLE", re.compile("(?!)")):
            ((line, _, message),) = faults_in("a: \x01")
        self.assertEqual(line, 1)
        self.assertIn("not YAML", message)

    def test_without_the_c_library(self) -> None:
        """Where PyYAML has no libyaml, the same text is the same value."""
        source = "a: &p [1, 'b', {c: d}]\nb: *p\nc: |\n  x\n  y\nd: ${A}\n"
        with patch.object(text, "_LOADER", yaml.SafeLoader):
            slow = value(source, A="1")
            self.assertEqual([(1, 65)], [found[:2] for found in faults_in("[" * 100_000)])
        self.assertEqual(as_words(slow), as_words(value(source, A="1")))
