"""What the catalogue's plugins are built with in tests: clocks that the test moves, and decisions that it can read."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from hmsgw.chain.tools import Tools, UseInfo
from hmsgw.config.model import NOWHERE
from hmsgw.limits.memory import Counters


class Files(dict[str, bytes]):
    """A bundle."""

    def read(self, path: str) -> bytes:
        return self[path]


class Cell(list[int]):
    """A counter that notes each addition to it."""

    def __init__(self, note: Any) -> None:
        super().__init__([0])
        self._note = note

    def __setitem__(self, index: Any, value: Any) -> None:
        self._note()
        super().__setitem__(index, value)


class Workbench:
    """Tools, and what was done with them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.clock = Clock()
        self.clock.advance(now)
        self.decisions: list[tuple[str, str]] = []
        self.counters = Counters()
        self.files = Files()
        self.key_sets: dict[str, Any] = {}

    def tools(self, **changes: Any) -> Tools:
        values: dict[str, Any] = {
            "clock": self.clock,
            "seconds": self.clock.seconds,
            "wall": self.clock.seconds,
            "counters": self.counters,
            "key_set": self.key_sets.__getitem__,
            "bundle": self.files,
            "count_decision": lambda plugin, decision: self.decisions.append((plugin, decision)),
            "decision_cell": lambda plugin, decision: Cell(lambda: self.decisions.append((plugin, decision))),
            **changes,
        }
        return Tools(**values)


def use(name: str, route: str = "/x", identity: str | None = None) -> UseInfo:
    return UseInfo(name, identity or name, NOWHERE, route)
