"""What one configuration has that the one before had not, in words for an operator.

Knows: which sections have names. Refuses to know: what a difference means to what runs. Strategy: values are compared
without the places they were read from, so that a comment or a moved line is no change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from hmsgw.config.model import Config

_MOST_NAMES = 5
#: Told apart by name; of the other sections only that they changed. Listeners tell for themselves what they did.
_NAMED = ("routes", "services", "streams")
_NOT_TOLD = frozenset({"listeners", "serial"})


def differences(
    before: Config, before_files: Mapping[str, bytes], after: Config, after_files: Mapping[str, bytes]
) -> list[str]:
    """A line for each section that differs, and one for the files besides the configuration itself, by name."""
    lines = [_named(key, _by_name(getattr(before, key)), _by_name(getattr(after, key))) for key in _NAMED]
    for one in fields(Config):
        told = one.name not in _NAMED and one.name not in _NOT_TOLD and not one.name.endswith("where")
        if told and _plain(getattr(before, one.name)) != _plain(getattr(after, one.name)):
            lines.append(f"{one.name} changed")
    lines.append(_named("files", before_files, after_files))
    return [line for line in lines if line]


def _by_name(section: Any) -> dict[str, Any]:
    values = section.items() if isinstance(section, Mapping) else ((one.name, one) for one in section)
    return {name: _plain(value) for name, value in values}


def _plain(value: Any) -> Any:
    """Without places."""
    if is_dataclass(value):
        return {
            one.name: _plain(getattr(value, one.name))
            for one in fields(value)
            if one.name != "where" and not one.name.endswith("_where")
        }
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _named(section: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    kinds = (
        ("new", [name for name in after if name not in before]),
        ("changed", [name for name in after if name in before and before[name] != after[name]]),
        ("gone", [name for name in before if name not in after]),
    )
    said = [f"{len(names)} {kind} ({_shown(names)})" for kind, names in kinds if names]
    return f"{section}: {', '.join(said)}" if said else ""


def _shown(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
