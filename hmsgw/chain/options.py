"""The options that any use of a plugin may have, apart from the plugin's own.

Knows: `plugin`, `replaces`, `mode` and `deadline`. Refuses to know: what the plugin's own options mean.
Strategy: take these four off, hand the rest on; `plugin` and `replaces` say what a name is, so they stand only in a
set-up under `plugins:`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from hmsgw.config.faults import Fault
from hmsgw.config.kinds import Choice, Duration, Word
from hmsgw.config.model import PluginUse, Where
from hmsgw.config.parse import parse_settings
from hmsgw.config.values import SpelledFloat, SpelledInt

DEADLINE_S = 5.0
"""How long a step may wait unless its use says otherwise (the contract, section 5)."""

_SET_UP_ONLY = frozenset({"plugin", "replaces"})


@dataclass(frozen=True, slots=True, kw_only=True)
class UseOptions:
    """plugin: what the set-up is a set-up of. replaces: a drop-in may take a catalogue name. deadline: seconds."""

    plugin: Annotated[str | None, Word()] = None
    replaces: bool = False
    mode: Annotated[str, Choice("enforce", "shadow")] = "enforce"
    deadline: Annotated[float, Duration()] = DEADLINE_S


_GENERIC = frozenset(UseOptions.__dataclass_fields__)


def split(use: PluginUse, faults: list[Fault], *, set_up: bool) -> tuple[UseOptions, dict[str, Any] | None]:
    """(the options of any use, the plugin's own options or None). Faults are appended, defaults stand in."""
    if use.options is None:
        return UseOptions(), None
    generic = {key: value for key, value in use.options.items() if key in _GENERIC}
    own = {key: value for key, value in use.options.items() if key not in _GENERIC}
    if not set_up:
        for key in sorted(_SET_UP_ONLY & generic.keys()):
            del generic[key]
            faults.append(Fault(place(use, key), f"`{key}` belongs in a set-up under `plugins:`, not in a route"))
    if not generic:
        return UseOptions(), own or None
    parsed = parse_settings(UseOptions, generic, use.option_where, use.where, faults)
    return parsed or UseOptions(), own or None


def place(use: PluginUse, option: str | None) -> Where:
    """Where an option stands: its own line, else that of what it is part of, else that of the use."""
    while option:
        found = use.option_where.get(option)
        if found is not None:
            return found
        option = option[: max(option.rfind("."), option.rfind("["), 0)]
    return use.where


def canonical(options: Mapping[str, Any] | None) -> str:
    """One text for equal options, whatever their order. 1.10 is not 1.1: a plugin may read it as a text."""
    return "" if not options else json.dumps(_spelled(options), sort_keys=True, ensure_ascii=False, default=str)


def _spelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _spelled(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_spelled(inner) for inner in value]
    return {"": value.text} if isinstance(value, (SpelledInt, SpelledFloat)) else value
