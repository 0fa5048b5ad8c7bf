"""Lines in the unit square: cut off at its edges, and without the points that don't show.

A point is (x, y) as fractions of the plot. NaN interrupts a line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

Point = tuple[float, float]
_FAR = 1e6  # an infinite answer, as a fraction of the plot


def cut(points: Iterable[Point]) -> list[list[Point]]:
    """Returns the parts of a line that lie inside the square."""
    parts: list[list[Point]] = []
    for first, second in pairwise(map(_near, points)):
        inside = _inside(first, second)
        if inside is None:
            continue
        if parts and parts[-1][-1] == inside[0]:
            parts[-1].append(inside[1])
        else:
            parts.append(list(inside))
    return parts


def _near(point: Point) -> Point:
    return point[0], max(-_FAR, min(_FAR, point[1])) if not math.isnan(point[1]) else math.nan


def _inside(first: Point, second: Point) -> tuple[Point, Point] | None:
    """The part of a segment inside the square, by Liang and Barsky."""
    if math.isnan(sum(first) + sum(second)):
        return None
    start, end = 0.0, 1.0
    for axis in (0, 1):
        step = second[axis] - first[axis]
        for sign, room in ((-1.0, first[axis]), (1.0, 1 - first[axis])):
            if step == 0:
                if room < 0:
                    return None
            elif sign * step < 0:
                start = max(start, room / (sign * step))
            else:
                end = min(end, room / (sign * step))
    if start > end:
        return None
    return _between(first, second, start), _between(first, second, end)


def _between(first: Point, second: Point, share: float) -> Point:
    """A point of a segment, an end of it exactly; what rounding moves out of the square is moved back."""
    if share in (0.0, 1.0):
        x, y = second if share else first
    else:
        x, y = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return min(1.0, max(0.0, x)), min(1.0, max(0.0, y))


def simplified(points: Sequence[Point], tolerance: float) -> list[Point]:
    """Returns the line without points that are closer than the tolerance to it, by Douglas and Peucker."""
    kept = {0, len(points) - 1}
    spans = [(0, len(points) - 1)]
    while spans:
        first, last = spans.pop()
        far, distance = max(_distances(points, first, last), key=lambda each: each[1], default=(0, 0.0))
        if distance > tolerance:
            kept.add(far)
            spans += [(first, far), (far, last)]
    return [points[place] for place in sorted(kept)]


def _distances(points: Sequence[Point], first: int, last: int) -> Iterator[tuple[int, float]]:
    """Yields the points between two others, with their distance from the segment between these."""
    (x, y), (end_x, end_y) = points[first], points[last]
    along_x, along_y = end_x - x, end_y - y
    square = along_x**2 + along_y**2
    for place in range(first + 1, last):
        to_x, to_y = points[place][0] - x, points[place][1] - y
        share = min(1.0, max(0.0, (to_x * along_x + to_y * along_y) / square)) if square else 0.0
        yield place, math.hypot(to_x - share * along_x, to_y - share * along_y)
