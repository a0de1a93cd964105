"""What one reading of a configuration gathers: faults, the files that are named, the places that checks need.

Knows: how a fault is told with the key it belongs to, and that there is an end to how many are worth telling. Refuses
to know: any value. Strategy: it is handed down from shape to shape; nothing is kept when the reading is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hmsgw.config.faults import Fault, tell
from hmsgw.config.places import Where

#: What `read` gives for a value with a fault.
FAILED: Any = object()


class NamedFile(NamedTuple):
    """A file that a configuration names. where: of the name."""

    path: str
    where: Where
    key: str
    governed: bool


class Reading:
    """What one reading gathers. root_dir: the configuration's folder, None for the options of a plugin.

    checks: class -> what to do with each value of that class (see `At`). told: places that were at fault before.
    """

    def __init__(
        self,
        faults: list[Fault],
        root_dir: str | None = None,
        checks: Mapping[type, Check] | None = None,
        told: frozenset[Where] = frozenset(),
    ) -> None:
        self.faults = faults
        self.files: list[NamedFile] = []
        self.root_dir = root_dir
        self.checks = checks or {}
        self._before = len(faults)
        self._told = told

    def fault(self, where: Where, key: str, message: str) -> Any:
        """Tell a fault of the value of `key` (dotted), unless its text was at fault already. Returns FAILED."""
        if where not in self._told:
            tell(self.faults, where, f"{key}: {message}" if key else message)
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
