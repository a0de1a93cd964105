"""The forms that values have: single ones, lists, tables; each reads a value and can say its JSON Schema.

Knows: what a kind is wrapped in (`Off`, `Later`, a list). Refuses to know: classes (`hmsgw.config.records`) and the
meaning of keys. Strategy: each shape tells every fault in a value and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os.path import join, normpath
from typing import Any, ClassVar

from hmsgw.config.faults import quoted
from hmsgw.config.kinds import FieldName, FieldValue, FilePath, Kind, Unfit, Word
from hmsgw.config.places import Where
from hmsgw.config.reading import FAILED, NamedFile, Reading
from hmsgw.config.values import Listed, Mapped, Scalar, Value

_FIELD_VALUE = FieldValue()
#: Words for `off`, if YAML had them, or were it spelt otherwise.
_NO = frozenset({"off", "no", "n", "none", "never", "disabled"})
_NOT_YET = "is not in this version; leave it out"


class Shape:
    """Reads a value of one form."""

    drops_faulty: ClassVar[bool] = False
    """In a list or table of these a faulty item is left out, so that the others can still be checked."""
    stands_alone: ClassVar[bool] = False
    """A single one of these may stand where a list is wanted."""

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        """The value, or FAILED with at least one fault told. key: dotted, for messages."""
        raise NotImplementedError

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        """JSON Schema. ref: a reference to the schema of a dataclass."""
        raise NotImplementedError


class Leaf(Shape):
    stands_alone = True

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        try:
            found = self.kind.parse(value)
        except Unfit as unfit:
            return reading.fault(unfit.where or value.where, key, str(unfit))
        if isinstance(self.kind, FilePath):
            if self.kind.bundled:
                reading.files.append(NamedFile(found, value.where, key, self.kind.governed))
            elif reading.root_dir is not None:
                return normpath(join(reading.root_dir, found))
        return found

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return self.kind.schema()


class Flag(Shape):
    """true or false."""

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if isinstance(value, Scalar) and (value.is_true or value.is_false):
            return value.is_true
        return reading.fault(value.where, key, f"{shown(value)} is neither true nor false")

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return {"type": "boolean"}


class OrOff(Shape):
    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if isinstance(value, Scalar):
            if value.is_off:
                return None
            if value.text.lower() in _NO:
                return reading.fault(value.where, key, f"{shown(value)} is text in YAML 1.2; write `off`")
        return self._shape.read(value, key, reading)

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return {"anyOf": [{"enum": ["off", False]}, self._shape.schema(ref)]}


class NotYet(Shape):
    """Only the default is accepted. inner: what another version will read."""

    def __init__(self, default: Any, inner: Shape) -> None:
        self._default = default
        self._inner = inner

    def read(self, value: Value, key: str, reading: Reading, at: Where | None = None) -> Any:
        """at: the place of the key, told when the value stands in lines below it."""
        aside = Reading([], None)
        if self._default is not None and self._inner.read(value, key, aside) == self._default:
            return self._default
        if not aside.is_clean and not isinstance(value, (Mapped, Listed)):
            return self._inner.read(value, key, reading)
        name = key.rpartition(".")[2]
        if isinstance(value, Scalar):
            return reading.fault(value.where, key, f"{quoted(f'{name}: {value.shown}')} {_NOT_YET}")
        where = at if at is not None and at.line != value.where.line else value.where
        return reading.fault(where, key, f"{quoted(name)} {_NOT_YET}")

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        if self._default is None:
            return {"not": {}, "description": "Not in this version."}
        default = list(self._default) if isinstance(self._default, tuple) else self._default
        accepted = [default, False] if default == "off" else [default]
        return {"enum": accepted, "description": "Anything else is not in this version."}


class ListOf(Shape):
    """A tuple. A single value may stand for a list of one."""

    def __init__(self, item: Shape, *, filled: bool) -> None:
        self._item = item
        self._alone = item.stands_alone
        self._filled = filled

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if isinstance(value, Listed):
            if self._filled and not value.items:
                return reading.fault(value.where, key, "this list is empty; name an item, or leave the key out")
            found = [self._item.read(item, f"{key}[{n}]", reading) for n, item in enumerate(value.items)]
            if self._item.drops_faulty:
                return tuple(item for item in found if item is not FAILED)
            return FAILED if any(item is FAILED for item in found) else tuple(found)
        if self._alone and isinstance(value, Scalar) and not value.is_null:
            only = self._item.read(value, key, reading)
            return FAILED if only is FAILED else (only,)
        return reading.fault(value.where, key, f"{shown(value)} is not a list (`- item` lines, or [a, b])")

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        item = self._item.schema(ref)
        array = {"type": "array", "items": item} | ({"minItems": 1} if self._filled else {})
        return {"anyOf": [array, item]} if self._alone else array


class FieldTable(Shape):
    """Header fields: name -> value. A value is taken as it is written."""

    def __init__(self, kind: FieldName) -> None:
        self._kind = kind

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if not isinstance(value, Mapped):
            return reading.fault(value.where, key, f"{shown(value)} is not a mapping (`name: value`)")
        table: dict[str, str] = {}
        seen: set[str] = set()
        before = len(reading.faults)
        for name, where, inner in value.entries:
            try:
                spelled = self._kind.of_text(name)
            except Unfit as unfit:
                reading.fault(where, key, f"{quoted(name)} {unfit}")
                continue
            if spelled.lower() in seen:
                reading.fault(where, key, f"{quoted(name)} stands here twice")
            seen.add(spelled.lower())
            try:
                table[spelled] = _FIELD_VALUE.parse(inner)
            except Unfit as unfit:
                reading.fault(inner.where, f"{key}.{name}", str(unfit))
        return table if len(reading.faults) == before else FAILED

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return {"type": "object", "propertyNames": self._kind.schema(), "additionalProperties": _FIELD_VALUE.schema()}


class TableOf(Shape):
    """Name -> item. A faulty item is left out."""

    def __init__(self, item: Shape) -> None:
        self._item = item

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if not isinstance(value, Mapped):
            return reading.fault(value.where, key, f"{shown(value)} is not a mapping (`name: ...`)")
        table = {}
        for name, _, inner in named_entries(value, key, reading):
            item = self._item.read(inner, f"{key}.{name}", reading)
            if item is not FAILED:
                table[name] = item
        return table

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return {"type": "object", "propertyNames": Word().schema(), "additionalProperties": self._item.schema(ref)}


def named_entries(value: Mapped, key: str, reading: Reading) -> Iterator[tuple[str, Where, Value]]:
    """(name, its place, value) of a table's entries; tells those whose key is no name, and leaves them out."""
    for name, where, inner in value.entries:
        try:
            Word().of_text(name)
        except Unfit as unfit:
            reading.fault(where, key, f"{quoted(name)} {unfit}")
        else:
            yield name, where, inner


def shown(value: Value) -> str:
    """`value` as a message calls it."""
    if isinstance(value, Scalar):
        return "an empty value" if value.is_null else quoted(value.shown)
    return "a list" if isinstance(value, Listed) else "a mapping"
