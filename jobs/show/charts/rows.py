"""Charts of rows: a list whose items have words that wrap, marks on a common axis, and a number.

The marks of a row are an SVG that stretches to any width, while lines and dots keep their size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement, tostring

from sumsquares.jobs.show.charts.scales import Scale

WIDTH, HEIGHT = 1000, 22
"""Units; the style sheet has the height too, in pixels."""
_LEFT, _RIGHT = 20, 980  # units: half a mark stays clear of the edges
_MIDDLE = HEIGHT // 2


@dataclass(frozen=True, slots=True)
class Mark:
    """A shape of fixed size at a number."""

    value: float
    classes: str
    d: str
    """A path around 0, 0."""


@dataclass(frozen=True, slots=True)
class Row:
    """One item of the list."""

    words: str
    text: str
    """Its number."""
    marks: Sequence[Mark] = ()
    """The last one on top."""
    dots: Sequence[float] = ()
    span: tuple[float, float] | None = None
    """A line from one number to another."""
    bar: tuple[float, float] | None = None
    detail: str = ""
    """A sentence below the words and marks."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A sentence between rows, of what is left out there."""

    words: str


@dataclass(frozen=True, slots=True)
class List:
    """The whole list."""

    label: str
    scale: Scale
    items: Sequence[Row | Gap]
    has_axis: bool = True
    grid: list[tuple[float, str]] = field(init=False)
    """Place of each tick in units, and its label."""

    def __post_init__(self) -> None:
        """Places the ticks, which are the same in all rows."""
        object.__setattr__(
            self, "grid", [(_unit(at), label) for at, label in self.scale.ticks()] if self.has_axis else []
        )

    def html(self) -> str:
        """Returns the list."""
        top = Element("ol", {"class": "rows", "aria-label": self.label})
        for item in self.items:
            if isinstance(item, Gap):
                SubElement(top, "li", {"class": "gap"}).text = item.words
            else:
                self._row(SubElement(top, "li"), item)
        if self.has_axis:
            self._axis(SubElement(top, "li", {"class": "axis", "aria-hidden": "true"}))
        text = tostring(top, encoding="unicode", short_empty_elements=False)  # in HTML, <span/> would stay open
        return text.replace("></path>", "/>")  # but a shape needn't be closed, which saves a tenth

    def _row(self, item: Element, row: Row) -> None:
        SubElement(item, "span", {"class": "words"}).text = row.words
        svg = SubElement(item, "svg", {"class": "row", "aria-hidden": "true"})
        self._stretched(svg, row)
        for mark in row.marks:
            at = f"{_round(self._x(mark.value) / 10)}%"
            inner = SubElement(svg, "svg", {"x": at, "y": str(_MIDDLE)})
            SubElement(inner, "path", {"class": mark.classes, "d": mark.d})
        SubElement(item, "span", {"class": "value"}).text = row.text
        if row.detail:
            SubElement(item, "span", {"class": "detail"}).text = row.detail

    def _stretched(self, svg: Element, row: Row) -> None:
        """What becomes wider with the list: grid, bar, line and dots."""
        box = {"viewBox": f"0 0 {WIDTH} {HEIGHT}", "preserveAspectRatio": "none"}
        inner = SubElement(svg, "svg", box)
        if self.grid:
            d = "".join(f"M{x:.0f} 0v{HEIGHT}" for x, _ in self.grid)
            SubElement(inner, "path", {"class": "grid", "d": d})
        if row.bar is not None:
            low, high = map(self._x, row.bar)
            box = {"x": _round(low), "y": "4", "width": _round(high - low), "height": str(HEIGHT - 8)}
            SubElement(inner, "rect", {"class": "bar", **box})
        if row.span is not None:
            low, high = map(self._x, row.span)
            SubElement(inner, "path", {"class": "span", "d": f"M{low:.0f} {_MIDDLE}H{high:.0f}"})
        if row.dots:
            d = "".join(f"M{self._x(value):.0f} {_MIDDLE}h0" for value in row.dots)
            SubElement(inner, "path", {"class": "dot seed", "d": d})

    def _axis(self, item: Element) -> None:
        svg = SubElement(item, "svg", {"class": "row"})
        for x, label in self.grid:
            anchor = "end" if x > 0.95 * WIDTH else "start" if x < 0.05 * WIDTH else "middle"
            given = {"x": f"{_round(x / 10)}%", "y": "14", "text-anchor": anchor}
            SubElement(svg, "text", given).text = label

    def _x(self, value: float) -> float:
        """Where a number lies; beyond an end, at it."""
        return _unit(min(1.0, max(0.0, self.scale.at(value))))


def _unit(at: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * at


def _round(value: float) -> str:
    return f"{round(value, 1):g}"


def without_middle(items: Sequence[object], best: int, worst: int) -> tuple[int, int]:
    """Returns how many items of a long list are shown at its beginning and at its end."""
    return (len(items), 0) if len(items) <= best + worst + 1 else (best, worst)


def known(values: Iterable[float | None]) -> list[float]:
    """Returns the numbers that there are."""
    return [value for value in values if value is not None]
