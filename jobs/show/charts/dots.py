"""Charts: the rows of a dot chart on a logarithmic axis, each a small SVG.

Every x is in percent, so a row stretches to any width while its text and dots keep their size. Pure functions of
numbers: labels and order are the page's, colours and fonts the style sheet's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from sumsquares.jobs.show.format import number

ROW_HEIGHT, AXIS_HEIGHT = 22, 20  # px
_LEFT, _RIGHT = 2.0, 98.0  # percent: half a dot stays clear of the edges
_BREAK = 12.0  # percent: where the logarithmic part begins if there is a zero to the left of it
_MOST_TICKS = 6
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Axis:
    """Whole decades of positive numbers, and a place of its own for 0, which has no logarithm."""

    low: int
    """The axis begins at 10**low."""
    high: int
    """It ends at 10**high."""
    has_zero: bool

    @classmethod
    def of(cls, values: Iterable[float]) -> Axis:
        """The shortest axis that holds these numbers, none of them negative."""
        known = list(values)
        logs = [math.log10(value) for value in known if value > 0] or [0.0]
        low = math.floor(min(logs))
        return cls(low, max(math.ceil(max(logs)), low + 1), 0.0 in known)

    def percent(self, value: float) -> float:
        """Where a number lies, in percent of the width."""
        return self._place(math.log10(value)) if value > 0 else _LEFT

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Place and label of each tick: powers of ten, of a single decade also twice and five times the first."""
        if self.has_zero:
            yield _LEFT, "0"
        step = math.ceil((self.high - self.low) / (_MOST_TICKS - 1))
        for power in range(self.low, self.high + 1, step):
            yield self._place(power), _power_of_ten(power)
        if self.high - self.low == 1:
            yield from ((self._place(self.low + math.log10(n)), _power_of_ten(self.low, n)) for n in (2, 5))

    def _place(self, log: float) -> float:
        left = _BREAK if self.has_zero else _LEFT
        return left + (_RIGHT - left) * (log - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of the chart."""

    median: float
    """Or the mean, see below."""
    best: float
    """Drawn as the end of a line from the median; at most the median."""
    linear: bool = False
    """Drawn as a square instead of a disc."""
    is_baseline: bool = False
    """Drawn as a diamond."""
    is_mean: bool = False
    """Whether it is the mean over splits, and not the median of seeds."""

    @property
    def title(self) -> str:
        """The row in words, for those who can't see it."""
        if self.is_baseline:
            return f"baseline, RMSE {number(self.median)}"
        return f"{'mean' if self.is_mean else 'median'} RMSE {number(self.median)}, best {number(self.best)}"


def dot_svg(axis: Axis, dot: Dot) -> str:
    """The row as SVG."""
    svg = _svg(ROW_HEIGHT, dot.title)
    middle = str(ROW_HEIGHT / 2)
    for place, _ in axis.ticks():
        SubElement(svg, "line", {"class": "grid", "x1": _x(place), "x2": _x(place), "y1": "0", "y2": "100%"})
    median, best = _x(axis.percent(dot.median)), _x(axis.percent(dot.best))
    if median != best:
        SubElement(svg, "line", {"class": "range", "x1": best, "x2": median, "y1": middle, "y2": middle})
        SubElement(svg, "line", {"class": "range", "x1": best, "x2": best, "y1": "7", "y2": str(ROW_HEIGHT - 7)})
    if dot.is_baseline:
        turned = {"class": "baseline", "width": "9", "height": "9", "transform": "rotate(45) translate(-4.5 -4.5)"}
        inner = SubElement(svg, "svg", {"x": median, "y": middle, "overflow": "visible"})
        SubElement(inner, "rect", turned)
    elif dot.linear:
        square = {"class": "linear", "width": "10", "height": "10", "transform": "translate(-5 -5)"}
        SubElement(svg, "rect", square | {"x": median, "y": middle})
    else:
        SubElement(svg, "circle", {"class": "other", "cx": median, "cy": middle, "r": "5.5"})
    return tostring(svg, encoding="unicode")


def axis_svg(axis: Axis) -> str:
    """The labels of the axis as SVG."""
    svg = _svg(AXIS_HEIGHT, f"logarithmic axis from {', '.join(label for _, label in axis.ticks())}")
    for place, label in axis.ticks():
        anchor = "end" if place > 95 else "start" if place < 5 else "middle"
        SubElement(svg, "text", {"x": _x(place), "y": "14", "text-anchor": anchor}).text = label
    return tostring(svg, encoding="unicode")


def _svg(height: int, title: str) -> Element:
    svg = Element("svg", {"role": "img", "width": "100%", "height": str(height)})
    SubElement(svg, "title").text = title
    return svg


def _x(place: float) -> str:
    return f"{place:.2f}%"


def _power_of_ten(power: int, times: int = 1) -> str:
    """Plain where that is short: the labels stand side by side on a phone."""
    if -3 <= power <= 4:
        return number(times * 10.0**power)
    return ("" if times == 1 else f"{times}·") + "10" + str(power).translate(_SUPERSCRIPT)
