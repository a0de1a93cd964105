"""One use of a plugin, resolved: what is to be built, and what may be said of it.

Knows: the value between reading a configuration and building chains. Refuses to know: how it came about
(`chain.names`) and how it is built (`chain.build`). Strategy: a frozen value that compares by what it means.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from types import ModuleType
from typing import Any, get_type_hints

from hmsgw.config.kinds import Secret
from hmsgw.config.model import NOWHERE, Where


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedUse:
    """name: as written, the label in metrics and logs. plugin: what it resolved to. identity: what its counters belong
    to. module: of the catalogue, else None. settings: its Settings. target: a drop-in's object with `run` and / or
    `on_response`. deadline_s: of each of its waits. answers: it ends every request. is_rate: it counts as a rate limit
    of the route's own."""

    name: str
    plugin: str
    identity: str
    where: Where
    module: ModuleType | None
    settings: Any
    target: Any
    shadow: bool
    deadline_s: float
    answers: bool
    is_rate: bool
    file: str = ""
    """A drop-in's, else ""."""

    @property
    def place(self) -> str:
        """Where it is named, and for a drop-in also the file whose code runs: it may have taken a name that every route
        has by default."""
        if self.file and self.where == NOWHERE:
            return self.file
        return f"{self.where}, {self.file}" if self.file else str(self.where)

    def in_words(self) -> dict[str, str]:
        """For people: plugin, where, what it is, settings (never a secret), mode."""
        return {
            "plugin": self.name,
            "where": str(self.where),
            "is": self.plugin,
            "settings": settings_in_words(self.settings),
            "mode": "shadow" if self.shadow else "enforce",
        }


def settings_in_words(settings: Any) -> str:
    """`limit=60 per=60 key=ip`; of a drop-in's options only the names, because nothing says which are secret."""
    if isinstance(settings, dict):
        return f"options: {', '.join(sorted(settings))}" if settings else ""
    hints = get_type_hints(type(settings), include_extras=True)
    words = []
    for field in fields(settings):
        shown = _value_in_words(getattr(settings, field.name))
        if field.name == "mode" or not shown:
            continue
        secret = any(isinstance(kind, Secret) for kind in getattr(hints[field.name], "__metadata__", ()))
        words.append(f"{field.name}={'(secret)' if secret else shown}")
    return " ".join(words)


def _value_in_words(value: Any) -> str:
    """ "" when nothing is said."""
    if value in (None, (), {}):
        return ""
    if is_dataclass(value):
        words = settings_in_words(value)
        return f"({words})" if words else ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value)
