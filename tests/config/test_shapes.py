"""Shapes by themselves: files that are named, paths that become absolute, faulty items left out."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.faults import Fault
from hmsgw.config.kinds import FilePath, Word
from hmsgw.config.reading import FAILED, Reading
from hmsgw.config.records import record_of
from hmsgw.config.shapes import Leaf, ListOf, TableOf, shown
from tests.config.arrange import value
from tests.config.test_records import Inner


class FileTests(SynchronousTestCase):
    def test_named(self) -> None:
        """A file that belongs to the configuration is remembered with its place and whether signatures cover it."""
        reading = Reading([], "/srv/gateway")
        source = value("a: tls/a.key")
        Leaf(FilePath(secret=True)).read(source.entries[0].value, "tls.key", reading)  # type: ignore[union-attr]
        (named,) = reading.files
        self.assertEqual(
            (named.path, named.where.column, named.key, named.governed), ("tls/a.key", 4, "tls.key", False)
        )

    def test_beside_the_bundle(self) -> None:
        """A file that changes on its own is not read now, and its path means the same from everywhere."""
        leaf = Leaf(FilePath(bundled=False))
        for root, path in {"/srv/gateway": "/srv/services.yaml", None: "../services.yaml"}.items():
            reading = Reading([], root)
            self.assertEqual(leaf.read(value("../services.yaml"), "path", reading), path)
            self.assertEqual(reading.files, [])


class ManyTests(SynchronousTestCase):
    def test_faulty_records_are_left_out(self) -> None:
        """In a list of records the sound ones stay, so that they can be checked against each other."""
        faults: list[Fault] = []
        found = ListOf(record_of(Inner), filled=False).read(value("[{name: a}, {}, 5]"), "k", Reading(faults))
        self.assertEqual(([item.name for item in found], len(faults)), (["a"], 2))

    def test_faulty_words_fail_the_list(self) -> None:
        """A list of words with a faulty one is none: the rest of it would mean something else."""
        self.assertIs(ListOf(Leaf(Word()), filled=False).read(value("[a, '?']"), "k", Reading([])), FAILED)

    def test_table(self) -> None:
        """Names of a table are names; its faulty items are left out."""
        faults: list[Fault] = []
        found = TableOf(record_of(Inner)).read(value("{a: {name: x}, 'b c': {name: y}, d: {}}"), "t", Reading(faults))
        self.assertEqual((list(found), [fault.where.column for fault in faults]), (["a"], [16, 37]))
        self.assertIs(TableOf(record_of(Inner)).read(value("[]"), "t", Reading(faults)), FAILED)

    def test_shown(self) -> None:
        """What a message calls a value."""
        self.assertEqual([shown(value(source)) for source in ("a", "~", "[]", "{}")],
                         ["`a`", "an empty value", "a list", "a mapping"])  # fmt: skip
