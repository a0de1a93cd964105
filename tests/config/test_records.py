"""Dataclasses read from values: keys, defaults, nesting, `Off`, `Later`, places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from twisted.trial.unittest import SynchronousTestCase

from hmsgw.config.faults import Fault
from hmsgw.config.kinds import Choice, Count, Duration, FieldName, Filled, Later, Off, PlainDict, Text
from hmsgw.config.places import NOWHERE, Where
from hmsgw.config.reading import FAILED, Reading
from hmsgw.config.records import record_of, shape_of
from tests.config.arrange import value


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    name: str
    size: Annotated[int, Count(1)] = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    inner: Inner = Inner(name="x")
    maybe: Annotated[Inner | None, Off()] = None
    wait: Annotated[float | None, Duration(), Off()] = 3.0
    flag: bool = False
    words: Annotated[tuple[str, ...], Filled(), Choice("a", "b")] = ("a",)
    many: tuple[Inner, ...] = ()
    table: dict[str, Inner] = field(default_factory=dict)
    fields: Annotated[dict[str, str], FieldName(lower=True)] = field(default_factory=dict)
    data: Annotated[dict[str, Any], PlainDict()] = field(default_factory=dict)
    soon: Annotated[str, Later("none", Choice("none", "much"))] = "none"
    sooner: Annotated[tuple[str, ...], Later((), Text())] = ()
    soonest: Annotated[dict[str, Any] | None, Later(None, PlainDict())] = None
    where: Where = NOWHERE
    inner_where: Where = NOWHERE


def outer(source: str) -> tuple[Any, list[str]]:
    faults: list[Fault] = []
    found = record_of(Outer).read(value(source), "", Reading(faults))
    return found, [f"{fault.where.line}:{fault.where.column}: {fault.message}" for fault in faults]


class RecordTests(SynchronousTestCase):
    def taken(self, source: str) -> Outer:
        found, faults = outer(source)
        self.assertEqual(faults, [])
        assert isinstance(found, Outer)
        return found

    def refused(self, source: str, *starts: str) -> None:
        _, faults = outer(source)
        self.assertEqual(len(faults), len(starts), faults)
        for fault, start in zip(faults, starts, strict=True):
            self.assertTrue(fault.startswith(start), fault)

    def test_defaults(self) -> None:
        """What is left out has its default."""
        self.assertEqual(self.taken("{}"), Outer(where=Where("f.yaml", 1, 1), inner_where=Where("f.yaml", 1, 1)))

    def test_nested(self) -> None:
        """Records in records, lists and tables."""
        found = self.taken("inner: {name: a}\nmany: [{name: b}, {name: c, size: 2}]\ntable: {k: {name: d}}")
        self.assertEqual(
            (found.inner.name, [item.size for item in found.many], found.table["k"].name), ("a", [5, 2], "d")
        )

    def test_places(self) -> None:
        """`where` is the place of the record, `KEY_where` that of the key's value."""
        found = self.taken("flag: true\ninner:\n  name: a")
        self.assertEqual((found.where.line, found.inner_where), (1, Where("f.yaml", 3, 3)))

    def test_off(self) -> None:
        """off and false give None; a value gives the value."""
        for word in ("off", "false", "'off'"):
            found = self.taken(f"{{maybe: {word}, wait: {word}}}")
            self.assertEqual((found.maybe, found.wait), (None, None))
        self.assertEqual(self.taken("{maybe: {name: a}, wait: 2s}").wait, 2.0)
        for word in ("no", "No", "OFF", "none", "'disabled'"):
            bare = word.strip("'")
            for key in ("maybe", "wait"):
                self.refused(f"{key}: {word}", f"1:{len(key) + 3}: {key}: `{bare}` is text in YAML 1.2; write `off`")

    def test_flag(self) -> None:
        """true and false, and no word for them."""
        self.assertTrue(self.taken("flag: true").flag)
        for word in ("yes", "'true'", "1", "[]", "~"):
            self.refused(f"flag: {word}", "1:7: flag: ")

    def test_one_for_a_list(self) -> None:
        """A single word may stand for a list of one; a single record may not, and nothing stands for no list."""
        self.assertEqual(self.taken("words: b").words, ("b",))
        self.refused("many: {name: a}", "1:7: many: a mapping is not a list")
        self.refused("words:", "1:7: words: an empty value is not a list")

    def test_filled(self) -> None:
        """A list that must have an item is refused empty, with what to do."""
        self.refused("words: []", "1:8: words: this list is empty")
        self.assertEqual(self.taken("many: []").many, ())

    def test_unknown_keys(self) -> None:
        """An unknown key is told with the nearest known one, or with all of them."""
        self.refused("flga: true", "1:1: there is no key `flga`; did you mean `flag`?")
        self.refused("inner: {name: a, zzz: 1}", "1:18: inner: there is no key `zzz`; there are name, size")

    def test_missing(self) -> None:
        """A key that is needed is missing in the record's place."""
        self.refused("many:\n  - {size: 1}\n  - {name: a}", "2:5: many[0]: `name` is missing")

    def test_all_faults(self) -> None:
        """Everything wrong is told at once, each with its key."""
        _, faults = outer(
            "inner: {size: 0, nme: x}\nwait: 5\nwords: [a, c, d]\nfields: {'a b': x, c: [y]}\ntable: {'a b': {}}"
        )
        self.assertEqual([fault.partition(": ")[0] for fault in faults],
                         ["1:15", "1:18", "1:8", "2:7", "3:12", "3:15", "4:10", "4:23", "5:9"])  # fmt: skip

    def test_not_a_mapping(self) -> None:
        """A record is a mapping."""
        for source in ("[]", "a", "~"):
            self.assertIs(outer(source)[0], FAILED)
        self.refused("inner: 5", "1:8: inner: `5` is not a mapping")

    def test_fields(self) -> None:
        """Header fields: values as written, names once whatever their case."""
        self.assertEqual(self.taken("fields: {X-A: 1.10, x-b: true}").fields, {"x-a": "1.10", "x-b": "true"})
        self.refused("fields: {X-A: 1, x-a: 2}", "1:18: fields: `x-a` stands here twice")
        self.refused('fields: {a: "x\\ny"}', "1:13: fields.a: ")
        self.refused("fields: [a]", "1:9: fields: a list is not a mapping")

    def test_later(self) -> None:
        """A name that a later version delivers is never accepted and ignored; its default is accepted."""
        self.taken("{soon: none, sooner: []}")
        self.refused("soon: much", "1:7: soon: `soon: much` is not in this version; leave it out")
        self.refused("soon: most", "1:7: soon: `most` is not known here")
        self.refused("sooner: [a]", "1:9: sooner: `sooner` is not in this version")
        self.refused("soonest: {a: b}", "1:10: soonest: `soonest` is not in this version")
        self.refused("inner: {name: a}\nsoonest: 5", "2:10: soonest: `soonest: 5` is not in this version")

    def test_plain(self) -> None:
        """Data is data."""
        self.assertEqual(self.taken("data: {a: [1, {b: off}]}").data, {"a": [1, {"b": "off"}]})


class ShapeTests(SynchronousTestCase):
    def test_unreadable_annotations(self) -> None:
        """An annotation that nothing here reads is found when the program starts, not when a user writes the key."""
        for annotation in (int, Any, int | str, tuple[int, int]):
            self.assertRaises(TypeError, shape_of, annotation)
