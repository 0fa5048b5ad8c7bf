"""A plot: an SVG with two axes, into which charts draw lines, dots and areas.

It is 480 by 300 units, as wide as half a page, so that a unit is about a pixel there and two thirds of one on a phone,
where charts.css makes the text larger. Its margins have room for that text. What is drawn is cut off at the edges of
the area between the axes. Nothing has a style attribute, which the page's policy forbids.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from sumsquares.jobs.show.charts.lines import Point, cut, simplified
from sumsquares.jobs.show.charts.scales import Scale

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 68, 26, 42, 52
ACROSS, DOWN = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
_TOLERANCE = 0.25  # units by which a line may differ from its points
_HEAD = 18  # units at the top for words above the plot
_TICK = 6  # units that the text of a tick is away from the axis


class Plot:
    """An SVG in the making."""

    def __init__(self, name: str, label: str, x: Scale, y: Scale, titles: tuple[str, str]) -> None:
        """Draws the axes; `name` is a unique id in the page, `label` says in a sentence what the plot shows."""
        self.x, self.y = x, y
        box = {"class": "plot", "role": "img", "aria-labelledby": name}
        self.svg = Element("svg", box)
        SubElement(self.svg, "desc", {"id": name}).text = label
        self._below = SubElement(self.svg, "g")
        self._grid()
        self.text(LEFT + ACROSS / 2, HEIGHT - 8, titles[0], "middle")
        self._head, self._title = _HEAD, titles[1]

    def place(self, x: float, y: float) -> Point:
        """Returns where a pair of numbers lies in the plot, as fractions; NaN where it has no place."""
        return self.x.at(x), self.y.at(y)

    def line(self, points: Iterable[tuple[float, float]], classes: str) -> None:
        """Draws a line through the points."""
        parts = [
            simplified([_units(point) for point in part], _TOLERANCE)
            for part in cut(self.place(*point) for point in points)
        ]
        if parts:
            self.path("".join(f"M{'L'.join(f'{_n(x)} {_n(y)}' for x, y in part)}" for part in parts), classes)

    def dots(self, points: Iterable[tuple[float, float]], classes: str) -> int:
        """Draws a dot at each point that lies inside, and returns how many there are."""
        inside = self._inside(points)
        if inside:
            self.path("".join(f"M{_n(x)} {_n(y)}h0" for x, y in inside), classes)
        return len(inside)

    def squares(self, points: Iterable[tuple[float, float]], classes: str, side: int) -> None:
        """Draws a square with sides of so many units at each point that lies inside."""
        inside = self._inside(points)
        if inside:
            shape = f"h{side}v{side}h-{side}z"
            self.path("".join(f"M{_n(x - side / 2)} {_n(y - side / 2)}{shape}" for x, y in inside), classes)

    def shade(self, low: float, high: float, words: str) -> None:
        """Shades the columns between two numbers below everything else, and labels them."""
        left, right = (min(1.0, max(0.0, self.x.at(value))) for value in (low, high))
        x, width = LEFT + ACROSS * left, ACROSS * (right - left)
        box = {"x": _n(x), "y": str(TOP), "width": _n(width), "height": str(DOWN), "class": "shade"}
        self._below.append(Element("rect", box))
        self.text(min(x + width / 2, WIDTH - RIGHT - 50), TOP - 6, words, "middle")
        self._head = 0

    def note(self, point: tuple[float, float], words: str) -> None:
        """Writes words beside a point, on the side where there is room."""
        x, y = _units(self.place(*point))
        is_right = x > LEFT + ACROSS / 2
        self.text(
            x + (-8 if is_right else 8),
            max(TOP + 10, min(y - 7, TOP + DOWN - 4)),
            words,
            "end" if is_right else "start",
            "note",
        )

    def value(self, point: tuple[float, float], words: str) -> None:
        """Writes a number at a point, over whatever is drawn there."""
        x, y = _units(self.place(*point))
        self.text(x, y + 4, words, "middle", "note")

    def path(self, d: str, classes: str) -> None:
        """Draws a path, in units."""
        SubElement(self.svg, "path", {"class": classes, "d": d})

    def done(self) -> str:
        """Returns the SVG; without words above the plot it begins lower."""
        self.text(2, self._head + 14, self._title)
        self.svg.set("viewBox", f"0 {self._head} {WIDTH} {HEIGHT - self._head}")
        return tostring(self.svg, encoding="unicode")

    def _inside(self, points: Iterable[tuple[float, float]]) -> list[Point]:
        placed = (self.place(*point) for point in points)
        return [_units(point) for point in placed if all(-1e-9 <= part <= 1 + 1e-9 for part in point)]

    def _grid(self) -> None:
        across = _apart([(LEFT + ACROSS * at, label) for at, label in self.x.ticks()])
        up = [(TOP + DOWN * (1 - at), label) for at, label in self.y.ticks()]
        lines = [f"M{_n(x)} {TOP}v{DOWN}" for x, _ in across]
        lines += [f"M{LEFT} {_n(y)}h{ACROSS}" for y, _ in up]
        SubElement(self._below, "path", {"class": "grid", "d": "".join(lines)})
        for x, label in across:
            self.text(x, TOP + DOWN + 18, label, "middle")
        for y, label in up:
            self.text(LEFT - _TICK, y + 4.5, label, "end")

    def text(self, x: float, y: float, words: str, anchor: str = "start", classes: str = "") -> None:
        """Writes words at a place, in units."""
        given = {"x": _n(x), "y": _n(y)}
        given |= {"text-anchor": anchor} if anchor != "start" else {}
        SubElement(self.svg, "text", given | ({"class": classes} if classes else {})).text = words


def _units(point: Point) -> Point:
    return LEFT + ACROSS * point[0], TOP + DOWN * (1 - point[1])


def _n(value: float) -> str:
    """A coordinate, rounded to a tenth of a unit."""
    assert math.isfinite(value), "what has no place is left out before"
    return f"{round(value, 1):g}"


def _apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """The ticks of the horizontal axis whose labels don't touch, in the larger text of a phone."""
    kept: list[tuple[float, str]] = []
    for place, label in ticks:
        if not kept or place - kept[-1][0] > 5 * (len(label) + len(kept[-1][1])) + 6:
            kept.append((place, label))
    return kept
