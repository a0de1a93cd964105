"""How a dataclass that is annotated with kinds is read from values: the engine under every configuration key.

Knows: records, lists, tables and plugin uses; unknown and missing keys; `Off` and `Later`. Refuses to know: what any
key means beyond its kind. Strategy: a tree of shapes is made once from the annotations of a class; each shape reads a
value, tells every fault in it and goes on, and can say its JSON Schema.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from os.path import join, normpath
from typing import Annotated, Any, ClassVar, NamedTuple, Union, get_args, get_origin, get_type_hints

from hmsgw.config.faults import Fault, quoted
from hmsgw.config.kinds import FieldName, FilePath, Kind, Later, Off, PlainDict, Text, Unfit, Word
from hmsgw.config.model import PluginUse
from hmsgw.config.places import Where
from hmsgw.config.values import Listed, Mapped, Scalar, Value, places_in, plain

#: What `read` gives for a value with a fault.
FAILED: Any = object()
#: A hostile file can have a million faults; nobody reads more than these.
MAX_FAULTS = 1000


class NamedFile(NamedTuple):
    """A file that a configuration names. where: of the name."""

    path: str
    where: Where
    key: str
    governed: bool


class Reading:
    """What one reading gathers. root_dir: the configuration's folder, None for the options of a plugin.

    checks: class -> what to do with each value of that class (see `At`).
    """

    def __init__(
        self, faults: list[Fault], root_dir: str | None = None, checks: Mapping[type, Check] = types.MappingProxyType({})
    ) -> None:
        self.faults = faults
        self.files: list[NamedFile] = []
        self.root_dir = root_dir
        self.checks = checks
        self._before = len(faults)

    def fault(self, where: Where, key: str, message: str) -> Any:
        """Tell a fault of the value of `key` (dotted). Returns FAILED."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(where, f"{key}: {message}" if key else message))
        return FAILED

    @property
    def is_clean(self) -> bool:
        return len(self.faults) == self._before


class At:
    """The place of a record, for checks that look at several of its keys."""

    def __init__(self, reading: Reading, key: str, where: Where, places: Mapping[str, Where]) -> None:
        self.where = where
        self.root_dir = reading.root_dir or ""
        self._reading = reading
        self._key = key
        self._places = places

    def place(self, key: str) -> Where:
        """Where the value of `key` stands, or the record when it is left out."""
        return self._places.get(key, self.where)

    def fault(self, key: str, message: str) -> None:
        """Tell a fault of the value of `key`."""
        self.fault_at(self.place(key), f"{self._key}.{key}" if self._key else key, message)

    def fault_at(self, where: Where, key: str, message: str) -> None:
        """Tell a fault at another place. key: dotted, from the top."""
        self._reading.fault(where, key, message)


Check = Callable[[Any, At], Any]
"""(value of a class, its place) -> the value to take in its place; tells faults through `At`."""


class Shape:
    """Reads a value of one form."""

    drops_faulty: ClassVar[bool] = False
    """In a list or table of these a faulty item is left out, so that the others can still be checked."""

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        """The value, or FAILED with at least one fault told. key: dotted, for messages."""
        raise NotImplementedError

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        """JSON Schema. ref: a reference to the schema of a dataclass."""
        raise NotImplementedError


class Leaf(Shape):
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
        return reading.fault(value.where, key, f"{_shown(value)} is neither true nor false")

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return {"type": "boolean"}


class OrOff(Shape):
    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if isinstance(value, Scalar) and value.is_off:
            return None
        return self._shape.read(value, key, reading)

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return {"anyOf": [{"enum": ["off", False]}, self._shape.schema(ref)]}


class NotYet(Shape):
    """Only the default is accepted. inner: what another version will read."""

    def __init__(self, default: Any, inner: Shape) -> None:
        self._default = default
        self._inner = inner

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        aside = Reading([], None)
        if self._default is not None and self._inner.read(value, key, aside) == self._default:
            return self._default
        if not aside.is_clean and not isinstance(value, (Mapped, Listed)):
            return self._inner.read(value, key, reading)
        said = f"{key.rpartition('.')[2]}: {value.shown}" if isinstance(value, Scalar) else key.rpartition(".")[2]
        return reading.fault(value.where, key, f"{quoted(said)} is not in this version; leave it out")

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        if self._default is None:
            return {"not": {}, "description": "Not in this version."}
        default = list(self._default) if isinstance(self._default, tuple) else self._default
        accepted = [default, False] if default == "off" else [default]
        return {"enum": accepted, "description": "Anything else is not in this version."}


class ListOf(Shape):
    """A tuple. A single value may stand for a list of one."""

    def __init__(self, item: Shape) -> None:
        self._item = item
        self._alone = isinstance(item, Leaf)

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if isinstance(value, Listed):
            found = [self._item.read(item, f"{key}[{n}]", reading) for n, item in enumerate(value.items)]
            if self._item.drops_faulty:
                return tuple(item for item in found if item is not FAILED)
            return FAILED if any(item is FAILED for item in found) else tuple(found)
        if self._alone and isinstance(value, Scalar) and not value.is_null:
            only = self._item.read(value, key, reading)
            return FAILED if only is FAILED else (only,)
        return reading.fault(value.where, key, f"{_shown(value)} is not a list (`- item` lines, or [a, b])")

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        item = self._item.schema(ref)
        array = {"type": "array", "items": item}
        return {"anyOf": [array, item]} if self._alone else array


class FieldTable(Shape):
    """Header fields: name -> value. A value is taken as it is written."""

    def __init__(self, kind: FieldName) -> None:
        self._kind = kind

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if not isinstance(value, Mapped):
            return reading.fault(value.where, key, f"{_shown(value)} is not a mapping (`name: value`)")
        table: dict[str, str] = {}
        seen: set[str] = set()
        is_clean = True
        for name, where, inner in value.entries:
            try:
                spelled = self._kind.of_text(name)
                text = str(Text().parse(inner)).strip(" \t")
            except Unfit as unfit:
                text = f"{quoted(name)} {unfit}" if unfit.where is None else str(unfit)
                is_clean = bool(reading.fault(where, key, text) is None)
                continue
            if any((c < " " and c != "\t") or c == "\x7f" for c in text):
                is_clean = bool(reading.fault(inner.where, f"{key}.{name}", "a control character can't be sent") is None)
            elif spelled.lower() in seen:
                is_clean = bool(reading.fault(where, key, f"{quoted(name)} stands here twice") is None)
            seen.add(spelled.lower())
            table[spelled] = text
        return table if is_clean else FAILED

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return {"type": "object", "propertyNames": self._kind.schema(), "additionalProperties": Text().schema()}


class TableOf(Shape):
    """Name -> item. A faulty item is left out."""

    def __init__(self, item: Shape) -> None:
        self._item = item

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if not isinstance(value, Mapped):
            return reading.fault(value.where, key, f"{_shown(value)} is not a mapping (`name: ...`)")
        table = {}
        for name, where, inner in value.entries:
            try:
                Word().of_text(name)
            except Unfit as unfit:
                reading.fault(where, key, f"{quoted(name)} {unfit}")
                continue
            item = self._item.read(inner, f"{key}.{name}", reading)
            if item is not FAILED:
                table[name] = item
        return table

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        return {"type": "object", "propertyNames": Word().schema(), "additionalProperties": self._item.schema(ref)}


class Use(Shape):
    """A plugin in a list: its name, or a mapping of one key, `{name: {option: value}}`."""

    drops_faulty = True

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if isinstance(value, Mapped):
            if len(value.entries) != 1:
                return reading.fault(value.where, key, (
                    "a plugin with options is a mapping of one key, its name; put the options below the name, further "
                    "in: `{rate: {limit: 5, per: minute}}`"
                ))  # fmt: skip
            entry = value.entries[0]
            try:
                Word().of_text(entry.key)
            except Unfit as unfit:
                return reading.fault(entry.where, key, f"{quoted(entry.key)} {unfit}")
            return use_of(entry.key, entry.value, entry.where, f"{key}.{entry.key}", reading)
        try:
            name = Word().parse(value)
        except Unfit as unfit:
            return reading.fault(value.where, key, str(unfit))
        return PluginUse(name=name, where=value.where)

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        options = {"type": ["object", "null"]}
        with_options = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": options}
        return {"anyOf": [Word().schema(), with_options]}


class SetUps(Shape):
    """`plugins:`: name -> options."""

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if not isinstance(value, Mapped):
            return reading.fault(value.where, key, f"{_shown(value)} is not a mapping (`name: {{option: value}}`)")
        table = {}
        for name, where, inner in value.entries:
            try:
                Word().of_text(name)
            except Unfit as unfit:
                reading.fault(where, key, f"{quoted(name)} {unfit}")
                continue
            use = use_of(name, inner, where, f"{key}.{name}", reading)
            if use is not FAILED:
                table[name] = use
        return table

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        options = {"type": ["object", "null"]}
        return {"type": "object", "propertyNames": Word().schema(), "additionalProperties": options}


def use_of(name: str, value: Value, where: Where, key: str, reading: Reading) -> Any:
    """The use of a plugin with options. where: of the name."""
    if isinstance(value, Scalar) and value.is_null:
        return PluginUse(name=name, where=where)
    if not isinstance(value, Mapped):
        return reading.fault(value.where, key, f"the options of a plugin are a mapping: {{{name}: {{option: value}}}}")
    before = len(reading.faults)
    options = plain(value, lambda place, message: reading.fault(place, key, message))
    if len(reading.faults) > before:
        return FAILED
    places: dict[str, Where] = {}
    places_in(value, "", places)
    return PluginUse(name=name, options=options, where=where, option_where=places)


class Record(Shape):
    """A dataclass. Its fields of type Where (`where`, `KEY_where`) are filled with the places of the record and of KEY."""

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
            return reading.fault(value.where, key, f"{_shown(value)} is not a mapping (`key: value` lines)")
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
                reading.fault(where, key, self._unknown(name, reading))
                continue
            given[name] = shape.read(inner, f"{key}.{name}" if key else name, reading)
            places[name] = inner.where
        return given, places

    def made(
        self, given: dict[str, Any], places: dict[str, Where], where: Where, key: str, reading: Reading
    ) -> Any:
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
        return f"there is no key {quoted(name)}; there are {', '.join(self.keys)}"


@lru_cache(maxsize=None)
def record_of(cls: type) -> Record:
    """The shape of a dataclass, made once."""
    return Record(cls)


def shape_of(annotation: Any) -> Shape:
    """The shape that an annotation stands for. Raises TypeError for one that nothing here reads."""
    marks: tuple[Any, ...] = ()
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        marks = tuple(rest)
    later = next((mark for mark in marks if isinstance(mark, Later)), None)
    kind = later.kind if later is not None else next((mark for mark in marks if isinstance(mark, Kind)), None)
    bare = _without_none(annotation)
    shape = _bare_shape(bare, kind)
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


def _bare_shape(bare: Any, kind: Kind | None) -> Shape:
    origin, args = get_origin(bare), get_args(bare)
    if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
        return ListOf(Leaf(kind) if kind is not None else shape_of(args[0]))
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


def _shown(value: Value) -> str:
    if isinstance(value, Scalar):
        return "an empty value" if value.is_null else quoted(value.shown)
    return "a list" if isinstance(value, Listed) else "a mapping"
