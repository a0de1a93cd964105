"""YAML values with their places, before anybody knows what they mean.

Knows: the three kinds of node, and which plain scalar is a number, a truth value or null in the YAML 1.2 core schema.
Refuses to know: bytes, and what a key is for. Strategy: a scalar keeps its text as written, so that `minimum: 1.2` can
still be the word "1.2"; it becomes a Python value only where plain data is wanted (the options of a plugin).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hmsgw.config.places import Where

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
#: What every reader of a configuration can hold exactly.
_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


class SpelledInt(int):
    """An integer that was written in a form of its own, such as 007. text: that form."""

    text: str


class SpelledFloat(float):
    """A number that was written in a form of its own, such as 1.10. text: that form."""

    text: str


class Scalar:
    """text: the value, `${NAME}` filled in. shown: as written. plain: without quotes, so it may be a number."""

    __slots__ = ("plain", "shown", "text", "where")

    def __init__(self, text: str, where: Where, plain: bool, shown: str | None = None) -> None:
        self.text = text
        self.where = where
        self.plain = plain
        self.shown = text if shown is None else shown

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in _NULL

    @property
    def is_true(self) -> bool:
        return self.plain and self.text in _TRUE

    @property
    def is_false(self) -> bool:
        return self.plain and self.text in _FALSE

    @property
    def is_off(self) -> bool:
        """The word `off`, or `false`, which is accepted where `off` stands."""
        return self.text == "off" or self.is_false


class Listed:
    """A YAML sequence."""

    __slots__ = ("items", "where")

    def __init__(self, items: list[Value], where: Where) -> None:
        self.items = items
        self.where = where


class Entry(NamedTuple):
    """key: its text. where: the key's place."""

    key: str
    where: Where
    value: Value


class Mapped:
    """A YAML mapping; each key stands in it once."""

    __slots__ = ("entries", "where")

    def __init__(self, entries: list[Entry], where: Where) -> None:
        self.entries = entries
        self.where = where


Value = Scalar | Listed | Mapped


def integer(text: str) -> int | None:
    """The integer that a plain scalar is (decimal, 0o, 0x), None when it is none or beyond 64 bits."""
    if INTEGER.fullmatch(text) is None or len(text) > 32:
        return None
    found = int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return found if _SMALLEST <= found <= _LARGEST else None


def plain(value: Value, fault: Callable[[Where, str], None]) -> Any:
    """`value` as dict, list, str, int, float, bool, None. A number that cannot be held is told to `fault`."""
    if isinstance(value, Mapped):
        return {entry.key: plain(entry.value, fault) for entry in value.entries}
    if isinstance(value, Listed):
        return [plain(item, fault) for item in value.items]
    if not value.plain:
        return value.text
    if value.is_null:
        return None
    if value.is_true or value.is_false:
        return value.is_true
    found = number(value.text)
    if found is not None and math.isfinite(found):
        return found
    if found is not None or _NO_NUMBER.fullmatch(value.text):
        fault(value.where, "this number is too large to be held; quote it if it is a text")
    return value.text


def number(text: str) -> int | float | None:
    """The number that a plain scalar is, with its spelling when that is its own. Infinity: one that is too large."""
    if INTEGER.fullmatch(text):
        whole = integer(text)
        if whole is None:
            return math.inf
        if str(whole) == text:
            return whole
        spelled = SpelledInt(whole)
        spelled.text = text
        return spelled
    if _FLOAT.fullmatch(text):
        broken = float(text)
        if repr(broken) == text:
            return broken
        spelled_float = SpelledFloat(broken)
        spelled_float.text = text
        return spelled_float
    return None


def located(data: Any, path: str, places: Mapping[str, Where], where: Where) -> Value:
    """Plain data as values again. places: dotted path (`limit`, `keys[0].name`) -> place; where: of what has none."""
    here = places.get(path, where)
    if isinstance(data, Mapping):
        entries = []
        for key, item in data.items():
            inner = f"{path}.{key}" if path else str(key)
            entries.append(Entry(str(key), places.get(inner, here), located(item, inner, places, here)))
        return Mapped(entries, here)
    if isinstance(data, (list, tuple)):
        return Listed([located(item, f"{path}[{n}]", places, here) for n, item in enumerate(data)], here)
    if isinstance(data, str):
        return Scalar(data, here, False)
    if data is None:
        return Scalar("null", here, True)
    if isinstance(data, bool):
        return Scalar("true" if data else "false", here, True)
    return Scalar(getattr(data, "text", None) or repr(data), here, True)


def places_in(value: Value, path: str, found: dict[str, Where]) -> None:
    """Gather the place of `value` and of everything in it, by dotted path."""
    if path:
        found[path] = value.where
    if isinstance(value, Mapped):
        for entry in value.entries:
            places_in(entry.value, f"{path}.{entry.key}" if path else entry.key, found)
    elif isinstance(value, Listed):
        for n, item in enumerate(value.items):
            places_in(item, f"{path}[{n}]", found)
