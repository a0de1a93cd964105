"""Rows as text for people (Markdown tables, so that they can be pasted into the docs) and as JSON for later.

Knows: columns and number formats. Refuses to know: what was measured. Strategy: a table's columns are the measures that
its rows have; a cell is the median with the smallest and largest round in brackets.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.results import CPU, Row, ratios, tables


def text(rows: Sequence[Row], missing: Sequence[str] = ()) -> str:
    parts = [f"Machine: {machine()}"]
    for name, members in tables(rows).items():
        if any(row.series for row in members):
            parts.append(f"### {name}\n\n{_table(members)}")
    faults = [f"* {row.table}, {row.name}: {row.fault}" for row in rows if row.fault]
    if faults:
        parts.append("Not measured, or not to be trusted:\n\n" + "\n".join(faults))
    if missing:
        parts.append("Left out:\n\n" + "\n".join(f"* {line}" for line in missing))
    return "\n\n".join(parts) + "\n"


def write_json(path: Path, rows: Sequence[Row], settings: dict[str, object]) -> None:
    """Every round of every row, with what was asked for and where it ran."""
    value = {"machine": machine(), "settings": settings, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def machine() -> str:
    """Processor, cores, kernel, Python."""
    model = platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    for line in cpu_info.read_text().splitlines() if cpu_info.exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"


def cell(values: Sequence[float], median: float | None) -> str:
    if median is None:
        return "-"
    if len(values) < 2:
        return number(median)
    return f"{number(median)} ({number(min(values))}..{number(max(values))})"


def number(value: float) -> str:
    """Three digits that mean something: 22.4, 0.51, 41,300."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _table(members: Sequence[Row]) -> str:
    measures = list(dict.fromkeys(measure for row in members for measure in row.series))
    compared = {id(row): ratios(row, list(members)) for row in members} if CPU in measures else {}
    headings = list(dict.fromkeys(heading for found in compared.values() for heading in found))
    lines = [["", *measures, *headings]]
    for row in members:
        name = row.name + (" (!)" if row.fault else "")
        figures = [cell(row.series.get(measure, ()), row.median(measure)) for measure in measures]
        times = [f"{found:.2f}" if (found := compared[id(row)].get(heading)) else "-" for heading in headings]
        lines.append([name, *figures, *times])
    return _aligned(lines)


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(3, *(len(line[n]) for line in lines)) for n in range(len(lines[0]))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    shown = []
    for line in [lines[0], rule, *lines[1:]]:
        first, *rest = line
        cells = [first.ljust(widths[0]), *(one.rjust(width) for one, width in zip(rest, widths[1:], strict=True))]
        shown.append(f"| {' | '.join(cells)} |")
    return "\n".join(shown)
