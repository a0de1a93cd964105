"""What was measured, as values: a row has one series a measure, one value a round.

Knows: medians, spreads, ratios between rows of one table. Refuses to know: how anything was measured or is shown.
Strategy: rows keep every round's value, so that the JSON file can be judged again later without a new run.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

CPU = "CPU µs a request"
RATE = "requests/s"
P99 = "p99 ms"
OTHERS = "others on the core %"
"""What other processes used of the measured core meanwhile. More than a few per cent: no figure is to be trusted."""

JOB_WORDS = {"bare": "bare proxy", "whole": "whole job"}


@dataclass(slots=True)
class Row:
    """One subject in one table. fault: why figures are missing or not to be trusted, None when they are good."""

    table: str
    peer: str
    """Its word, such as `hmsgw`."""
    title: str
    job: str
    series: dict[str, list[float]] = field(default_factory=dict)
    fault: str | None = None

    @property
    def name(self) -> str:
        return f"{self.title}, {JOB_WORDS.get(self.job, self.job)}"

    def add(self, measured: Mapping[str, float]) -> None:
        """The values of one round."""
        for measure, value in measured.items():
            self.series.setdefault(measure, []).append(value)

    def median(self, measure: str) -> float | None:
        values = self.series.get(measure)
        return statistics.median(values) if values else None


@dataclass(frozen=True, slots=True)
class Reference:
    """A row that others are compared with: the heading of its ratios, and how it is found."""

    heading: str
    peer: str
    job: str


REFERENCES = (
    Reference("× HAProxy whole job", "haproxy", "whole"),
    Reference("× nginx bare", "nginx", "bare"),
)


def tables(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by table, in the order of their first appearance."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.table, []).append(row)
    return found


def ratios(row: Row, table: list[Row], measure: str = CPU) -> dict[str, float]:
    """Heading -> this row's median divided by the reference's, for each reference that has figures in the table."""
    mine = row.median(measure)
    found: dict[str, float] = {}
    for reference in REFERENCES:
        for other in table:
            theirs = other.median(measure)
            if mine is not None and theirs and (other.peer, other.job) == (reference.peer, reference.job):
                found[reference.heading] = mine / theirs
    return found
