"""The speed table as an SVG bar chart, written by hand: no drawing library, readable on light and dark pages.

Knows: lengths, colours, labels. Refuses to know: how the figures came about. Strategy: one group of bars a table, the
shortest bar first (less CPU is better), the gateway's bars in the one strong colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from bench.results import CPU, JOB_WORDS, Row, tables

_WIDTH = 760
_NAMES_WIDTH = 190
_FIGURES_WIDTH = 60
_BAR = 16
_STEP = 22
_TITLE = 34
_GAP = 18

_STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; }
  .note { font-size: 11px; fill: #59636e; }
  .ours { fill: #0969da; } .whole { fill: #8c959f; } .bare { fill: #d0d7de; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .note { fill: #9198a1; }
    .ours { fill: #4493f8; } .whole { fill: #7d8590; } .bare { fill: #3d444d; }
  }
"""


def svg(rows: Sequence[Row]) -> str:
    """Bars of CPU time a request for every table that compares jobs by it. Raises ValueError when none has."""
    groups = {
        name: [(row, median) for row in members if row.job in JOB_WORDS and (median := row.median(CPU)) is not None]
        for name, members in tables(rows).items()
    }
    groups = {name: bars for name, bars in groups.items() if bars}
    if not groups:
        raise ValueError(f"there is no table with {CPU} to draw")
    longest = max(median for bars in groups.values() for _, median in bars)
    y = 26
    parts = [_text(0, y - 8, "CPU microseconds a request, one core, less is better", "note")]
    for name, bars in groups.items():
        y += _TITLE - 10
        parts.append(_text(0, y, name, "title"))
        y += 10
        for row, median in sorted(bars, key=lambda bar: bar[1]):
            parts += _bar(y, row, median, longest)
            y += _STEP
        y += _GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img" '
        f'aria-label="CPU microseconds a request">\n<style>{_STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def write(path: Path, rows: Sequence[Row]) -> None:
    path.write_text(svg(rows))


def _bar(y: int, row: Row, median: float, longest: float) -> list[str]:
    room = _WIDTH - _NAMES_WIDTH - _FIGURES_WIDTH
    length = max(1.0, room * median / longest)
    kind = "ours" if row.peer == "hmsgw" else "whole" if row.job == "whole" else "bare"
    return [
        _text(_NAMES_WIDTH - 8, y + _BAR - 4, row.name, "name", anchor="end"),
        f'<rect class="{kind}" x="{_NAMES_WIDTH}" y="{y}" width="{length:.1f}" height="{_BAR}" rx="2"/>',
        _text(_NAMES_WIDTH + length + 6, y + _BAR - 4, f"{median:.1f}", "figure"),
    ]


def _text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
