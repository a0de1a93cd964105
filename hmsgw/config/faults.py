"""What is wrong with a configuration, and where.

Knows: a fault's form, `FILE:LINE:COLUMN: message`. Refuses to know: what can be wrong. Strategy: whoever reads collects
faults and goes on; `Refused` carries all of them at once, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from hmsgw.config.places import Where


class Fault(NamedTuple):
    """One fault. message: what happened and what to do next, one line."""

    where: Where
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


#: A hostile file can have a million faults; nobody reads more than these.
MAX_FAULTS = 1000


def tell(faults: list[Fault], where: Where, message: str) -> None:
    """Append a fault. After a thousand, one more that says so, and then none."""
    if len(faults) < MAX_FAULTS:
        faults.append(Fault(where, message))
    elif len(faults) == MAX_FAULTS:
        faults.append(Fault(where, f"there are more than {MAX_FAULTS} faults; from here on none is listed"))


class Refused(Exception):
    """A configuration that is not taken. faults: at least one, each once, ordered by file, line and column.

    rest: what was sound in it, for whoever can find more faults there; None when that would tell things twice."""

    def __init__(self, faults: Iterable[Fault], rest: Any = None) -> None:
        self.faults = sorted(set(faults))
        if not self.faults:
            raise ValueError("a refusal needs a fault")
        self.rest = rest
        super().__init__("\n".join(str(fault) for fault in self.faults))


def quoted(text: str) -> str:
    """`text` as a message shows it: on one line, without control characters, at most 60 characters."""
    shown = text if len(text) <= 60 else text[:57] + "..."
    return "`" + "".join(c if c.isprintable() else repr(c)[1:-1] for c in shown) + "`"
