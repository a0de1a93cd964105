"""How a dataclass that is annotated with kinds is read: the engine under every configuration key and plugin option.

Knows: which shape an annotation stands for; unknown and missing keys. Refuses to know: what any key means. Strategy: a
tree of shapes is made once from the annotations of a class, and kept.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from hmsgw.config.faults import quoted
from hmsgw.config.kinds import FieldName, Filled, Kind, Later, Off, PlainDict, Text
from hmsgw.config.model import PluginUse
from hmsgw.config.places import Where
from hmsgw.config.plugin_uses import SetUps, Use
from hmsgw.config.reading import FAILED, At, Reading
from hmsgw.config.shapes import FieldTable, Flag, Leaf, ListOf, NotYet, OrOff, Shape, TableOf, shown
from hmsgw.config.values import Mapped, Value


class Record(Shape):
    """A dataclass. Its fields of type Where are filled: `where` with its place, `KEY_where` with that of KEY."""

    drops_faulty = True

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.keys: dict[str, Shape] = {}
        self.required: list[str] = []
        self._where_fields: dict[str, str] = {}
        hints = get_type_hints(cls, include_extras=True)
        for field in fields(cls):
            if hints[field.name] is Where:
                self._where_fields[field.name] = field.name.removesuffix("where").rstrip("_")
                continue
            self.keys[field.name] = shape_of(hints[field.name])
            if field.default is MISSING and field.default_factory is MISSING:
                self.required.append(field.name)

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if not isinstance(value, Mapped):
            return reading.fault(value.where, key, f"{shown(value)} is not a mapping (`key: value` lines)")
        given, places = self.given(value, key, reading)
        is_clean = not any(item is FAILED for item in given.values())
        for name in self.required:
            if name not in places:
                reading.fault(value.where, key, f"`{name}` is missing")
                is_clean = False
        return self.made(given, places, value.where, key, reading) if is_clean else FAILED

    def given(self, value: Mapped, key: str, reading: Reading) -> tuple[dict[str, Any], dict[str, Where]]:
        """(key -> what it holds, possibly FAILED; key -> its place)."""
        given: dict[str, Any] = {}
        places: dict[str, Where] = {}
        for name, where, inner in value.entries:
            shape = self.keys.get(name)
            if shape is None:
                given[name] = reading.fault(where, key, self._unknown(name, reading))
                continue
            dotted = f"{key}.{name}" if key else name
            if isinstance(shape, NotYet):
                given[name] = shape.read(inner, dotted, reading, where)
            else:
                given[name] = shape.read(inner, dotted, reading)
            places[name] = inner.where
        return given, places

    def made(self, given: dict[str, Any], places: dict[str, Where], where: Where, key: str, reading: Reading) -> Any:
        """The value of the class, checked."""
        for name, of in self._where_fields.items():
            given[name] = places.get(of, where) if of else where
        made = self.cls(**given)
        check = reading.checks.get(self.cls)
        return made if check is None else check(made, At(reading, key, where, places))

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return ref(self.cls)

    def _unknown(self, name: str, reading: Reading) -> str:
        close = get_close_matches(name[:64], self.keys, 1) if len(reading.faults) < 100 else []
        if close:
            return f"there is no key {quoted(name)}; did you mean `{close[0]}`?"
        there = f"there are {', '.join(self.keys)}" if self.keys else "there is none to set here"
        return f"there is no key {quoted(name)}; {there}"


_MADE: dict[Any, Record] = {}


def record_of(cls: Any) -> Record:
    """The shape of a dataclass, made once."""
    made = _MADE.get(cls)
    if made is None:
        made = _MADE[cls] = Record(cls)
    return made


def shape_of(annotation: Any) -> Shape:
    """The shape that an annotation stands for. Raises TypeError for one that nothing here reads."""
    marks: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        marks = tuple(rest)
    later = next((mark for mark in marks if isinstance(mark, Later)), None)
    kind = later.kind if later is not None else next((mark for mark in marks if isinstance(mark, Kind)), None)
    bare = _without_none(annotation)
    shape = _bare_shape(bare, kind, filled=any(isinstance(mark, Filled) for mark in marks))
    if any(isinstance(mark, Off) for mark in marks):
        shape = OrOff(shape)
    return shape if later is None else NotYet(later.default, shape)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) not in (types.UnionType, Union):
        return annotation
    members = [member for member in get_args(annotation) if member is not type(None)]
    if len(members) != 1:
        raise TypeError(f"{annotation} is more than one thing")
    return members[0]


def _bare_shape(bare: Any, kind: Kind | None, *, filled: bool) -> Shape:
    origin, args = get_origin(bare), get_args(bare)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return ListOf(Leaf(kind) if kind is not None else shape_of(args[0]), filled=filled)
    if isinstance(kind, FieldName) and origin is dict:
        return FieldTable(kind)
    if kind is not None:
        return Leaf(kind)
    if bare is PluginUse:
        return Use()
    if origin is dict and args[1] is PluginUse:
        return SetUps()
    if origin is dict:
        return Leaf(PlainDict()) if args[1] is Any else TableOf(shape_of(args[1]))
    if is_dataclass(bare) and isinstance(bare, type):
        return record_of(bare)
    if bare is bool:
        return Flag()
    if bare is str:
        return Leaf(Text())
    raise TypeError(f"{bare} needs a kind (hmsgw.config.kinds)")
