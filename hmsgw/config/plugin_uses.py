"""How plugins are named: in the list of a route, and as set-ups under `plugins:`.

Knows: a bare name, a mapping of one key, a table of names; each option's place. Refuses to know: which plugins there
are and what their options mean. Strategy: options stay plain data until somebody (`hmsgw.chain`) knows their kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hmsgw.config.faults import quoted
from hmsgw.config.kinds import Unfit, Word
from hmsgw.config.model import PluginUse
from hmsgw.config.places import Where
from hmsgw.config.reading import Reading
from hmsgw.config.shapes import Shape, named_entries, shown
from hmsgw.config.values import Mapped, Scalar, Value, places_in, plain


class Use(Shape):
    """A plugin in a list: its name, or a mapping of one key, `{name: {option: value}}`."""

    stands_alone = True

    def read(self, value: Value, key: str, reading: Reading) -> PluginUse:
        if isinstance(value, Mapped):
            if len(value.entries) != 1:
                reading.fault(value.where, key, (
                    "a plugin with options is a mapping of one key, its name; put the options below the name, further "
                    "in: `{rate: {limit: 5, per: minute}}`"
                ))  # fmt: skip
                return _unsound("", value.where)
            entry = value.entries[0]
            try:
                Word().of_text(entry.key)
            except Unfit as unfit:
                reading.fault(entry.where, key, f"{quoted(entry.key)} {unfit}")
                return _unsound("", entry.where)
            return use_of(entry.key, entry.value, entry.where, f"{key}.{entry.key}", reading)
        try:
            name = Word().parse(value)
        except Unfit as unfit:
            reading.fault(value.where, key, str(unfit))
            return _unsound("", value.where)
        return PluginUse(name=name, where=value.where)

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        options = {"type": ["object", "null"]}
        with_options = {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": options}
        return {"anyOf": [Word().schema(), with_options]}


class SetUps(Shape):
    """`plugins:`: name -> options."""

    def read(self, value: Value, key: str, reading: Reading) -> Any:
        if not isinstance(value, Mapped):
            return reading.fault(value.where, key, f"{shown(value)} is not a mapping (`name: {{option: value}}`)")
        table = {}
        for name, where, inner in named_entries(value, key, reading):
            table[name] = use_of(name, inner, where, f"{key}.{name}", reading)
        return table

    def schema(self, ref: Callable[[type], dict[str, Any]]) -> dict[str, Any]:
        options = {"type": ["object", "null"]}
        return {"type": "object", "propertyNames": Word().schema(), "additionalProperties": options}


def _unsound(name: str, where: Where) -> PluginUse:
    """In place of a use with a fault: what is around it can still be checked."""
    return PluginUse(name=name, where=where, is_sound=False)


def use_of(name: str, value: Value, where: Where, key: str, reading: Reading) -> PluginUse:
    """The use of a plugin with options. where: of the name."""
    if isinstance(value, Scalar) and value.is_null:
        return PluginUse(name=name, where=where)
    if not isinstance(value, Mapped):
        reading.fault(value.where, key, f"the options of a plugin are a mapping: {{{name}: {{option: value}}}}")
        return _unsound(name, where)
    before = len(reading.faults)
    options = plain(value, lambda place, message: reading.fault(place, key, message))
    if len(reading.faults) > before:
        return _unsound(name, where)
    places: dict[str, Where] = {}
    places_in(value, "", places)
    return PluginUse(name=name, options=options, where=where, option_where=places)
