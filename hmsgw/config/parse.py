"""From values to the model: a whole configuration, or the options of one plugin.

Knows: that a configuration goes on being checked when a part of it has faults. Refuses to know: YAML text, and the form
of any value (`hmsgw.config.records`). Strategy: everything is told to one list of faults; nothing here raises.
"""

from __future__ import annotations

from typing import Any, TypeVar

from hmsgw.config.checks import CHECKS
from hmsgw.config.faults import Fault
from hmsgw.config.model import Config, Defaults
from hmsgw.config.places import Where
from hmsgw.config.reading import FAILED, NamedFile, Reading
from hmsgw.config.records import record_of
from hmsgw.config.values import Mapped, Value, located

S = TypeVar("S")

_NAMING = ("plugins", "plugin_path")


def parse_config(root: Value, root_dir: str, faults: list[Fault]) -> tuple[Config, list[NamedFile]]:
    """(the configuration, the files that it names). root_dir: absolute. With faults appended it is for checks only."""
    reading = Reading(faults, root_dir, CHECKS, frozenset(fault.where for fault in faults))
    record = record_of(Config)
    if not isinstance(root, Mapped):
        reading.fault(root.where, "", "a configuration is a mapping at its top: begin with `routes:`")
        return Config(), []
    given, places = record.given(root, "", reading)
    sound = {key: value for key, value in given.items() if value is not FAILED}
    if any(given.get(key) is FAILED for key in _NAMING):
        # Nobody knows which names there are, so nothing that names a plugin can be judged.
        sound |= {"routes": (), "defaults": Defaults(plugins=()), "plugins": {}}
    config = record.made(sound, places, root.where, "", reading)
    return config, reading.files


def parse_settings(
    cls: type[S], options: dict[str, Any] | None, option_where: dict[str, Where], where: Where, faults: list[Fault]
) -> S | None:
    """The options of a plugin as its frozen Settings, whose annotations name kinds.

    options: plain data, None for none. option_where: dotted option (`limit`, `keys[0].name`) -> its place. where: that
    of the use, for what is missing. Appends every fault; None when there is one.
    """
    reading = Reading(faults)
    found = record_of(cls).read(located(options or {}, "", option_where, where), "", reading)
    return found if reading.is_clean and found is not FAILED else None
