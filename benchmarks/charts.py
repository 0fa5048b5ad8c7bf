"""Small SVG charts of measurements: one panel per group, one row per contender, ours in another colour. No library.

Each chart has its own background and its own colours for light and dark, so that it is readable wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW, HEAD = 720, 210, 150, 22, 44
"""Pixels: width of the chart, of the labels and of the numbers; height of a row and of a panel's title."""
STYLE = """
.back { fill: #ffffff } text { font: 13px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600 }
.small { font-size: 11px; fill: #59636e } .line { stroke: #d1d9e0 } .other { fill: #8c959f } .ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
.back { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 } .line { stroke: #3d444d }
.other { fill: #7d8590 } .ours { fill: #4493f8 } }
"""


@dataclass(frozen=True)
class Row:
    """One contender."""

    label: str
    value: float
    text: str
    """The number as text, to the right of the row."""
    ours: bool


@dataclass(frozen=True)
class Panel:
    """One group of contenders, with its own axis."""

    title: str
    unit: str
    rows: Sequence[Row]
    log: bool
    """Whether values are points on a logarithmic axis instead of bars from zero."""


def svg(description: str, panels: Sequence[Panel]) -> str:
    """Returns the chart as SVG."""
    parts, y = [], 8
    for panel in panels:
        parts += drawn(panel, y)
        y += HEAD + ROW * (len(panel.rows) + 1)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">'
    body = [f"<title>{escape(description)}</title>", f"<style>{STYLE}</style>"]
    return "\n".join([head, *body, f'<rect class="back" width="{WIDTH}" height="{y}" rx="6"/>', *parts, "</svg>", ""])


def drawn(panel: Panel, top: int) -> list[str]:
    """Returns the SVG elements of one panel."""
    bottom = top + HEAD + ROW * len(panel.rows)
    parts = [text(16, top + 20, panel.title, "title"), text(LEFT, top + 36, panel.unit, "small")]
    for mark, x in ticks(panel):
        parts.append(f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="{top + HEAD}" y2="{bottom}"/>')
        parts.append(text(x, bottom + 14, f"{mark:g}", "small", "middle"))
    for index, row in enumerate(panel.rows):
        y = top + HEAD + ROW * index
        kind, x = "ours" if row.ours else "other", place(panel, row.value)
        if panel.log:
            parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y + 11}" r="5"/>')
        else:
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y + 4}" width="{x - LEFT:.1f}" height="14"/>')
        parts += [text(LEFT - 10, y + 15, row.label, "", "end"), text(WIDTH - RIGHT + 14, y + 15, row.text)]
    return parts


def ticks(panel: Panel) -> list[tuple[float, float]]:
    """Returns round values and their positions: powers of ten, or about five steps from zero."""
    low, high = axis(panel)
    if panel.log:
        marks = [10.0**power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    else:
        step = 10 ** math.floor(math.log10(high / 2))
        step *= next(factor for factor in (1, 2, 5, 10) if high / (step * factor) <= 5)
        marks = [step * index for index in range(int(high / step) + 1)]
    return [(mark, place(panel, mark)) for mark in marks]


def axis(panel: Panel) -> tuple[float, float]:
    """Lower and upper end of the axis."""
    values = [row.value for row in panel.rows]
    if panel.log:
        return 10.0 ** math.floor(math.log10(min(values))), 10.0 ** math.ceil(math.log10(max(values)))
    return 0.0, max(values)


def place(panel: Panel, value: float) -> float:
    """The horizontal position of a value."""
    low, high = axis(panel)
    share = math.log(value / low) / math.log(high / low) if panel.log else value / high
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Returns one text element."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'
