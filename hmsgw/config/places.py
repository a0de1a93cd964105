"""Where something stands in a configuration file.

Knows: file, line and column. Refuses to know: what stands there. Strategy: a small value that travels with whatever can
be at fault later.
"""

from __future__ import annotations

from typing import NamedTuple


class Where(NamedTuple):
    """A place in a configuration file. line and column count from 1; 0 means no place in any file."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


NOWHERE = Where("(built in)", 0, 0)
