"""How well functions of a few linear pieces can fit points at all: segmented least squares, by dynamic programming.

A network with one input and ReLU or leaky ReLU units is such a function. Its pieces are joined. Here each piece is a
least-squares line of its own, so no network gets below these errors: they are lower bounds, and most are close.

One hidden layer of H ReLU units has H kinks, so up to H + 1 pieces, but only H free slopes. Where the points are
convex, its error is at least the smaller one of (a) H free pieces, and (b) H + 1 pieces, the first of which has a slope
of at most 0, and the last one of at least 0. Proof: with fewer than H distinct kinks among the points, (a) holds. Else
each kink belongs to one unit. The first slope is minus the jumps of all units that face left, the last one is the sum
of the jumps of those that face right. If no jump is negative, that is (b). If one is, the two pieces beside it are a
line plus d relu(x - t) with d < 0, and a single line on both is no worse, so (a) holds: over d, the error of the best
such function is a parabola with its lowest point at y'r / r'r, where r is relu(x - t) without its part along 1 and x.
Convex points are a line plus a sum of relu(x - s) with factors above 0, so it remains to show that G(s), the weighted
sum of r(x) relu(x - s), is nowhere below 0. G and its slope are 0 on both sides of the points, since r is orthogonal to
1 and x. Its curvature has the signs of r, which are +, -, +, as r is convex minus a line. So G is at least 0 on both
outer parts, and between them it is concave, with ends of at least 0.

Where the points are not convex, their lower convex hull is, and they lie above it by b at most: as targets that are
rounded do. Both bounds move by no more than b * sqrt(sum of weights) from the hull to the points, in the root of the
sum of squares, and so does the layer's error: 2 b * sqrt(sum of weights) is taken off. That the points are convex is
the same as that their negatives are concave, and the negative of a layer is one.

Suffixes: N points, W lengths of a piece, K numbers of pieces or units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Reals = NDArray[np.float64]
SUBSET = 2_000
"""Points that are fitted together at most. More are split into interleaved subsets. The errors of the subsets are lower
bounds of their own, so their sum is one of the whole: below the exact one by about 5 / m^2 of it for m points a piece
in each subset. Time and memory grow with the square of a subset's points: 32 MB, twice."""
ROUNDING = 64 * np.finfo(float).eps
"""Share of the targets' spread by which the root of a mean square may be too high. Measured against exact fractions:
at most 3 of the 64 (targets up to 1e19); it is taken off, so that what is left is a lower bound."""


@dataclass(frozen=True)
class Points:
    """Points of one input, with distinct and ascending x. Integers must fit int64; real numbers are float64."""

    x_N: NDArray[Any]
    y_N: NDArray[Any]
    weight_N: Reals

    def every(self, step: int, first: int) -> Points:
        """Returns every so many-th of the points."""
        return Points(self.x_N[first::step], self.y_N[first::step], self.weight_N[first::step])

    @property
    def mirrored(self) -> Points:
        """The same with x from right to left."""
        return Points(-self.x_N[::-1], self.y_N[::-1], self.weight_N[::-1])

    @property
    def flipped(self) -> Points:
        """The same with y upside down: what a network can answer, its negative can."""
        return Points(self.x_N, -self.y_N, self.weight_N)

    @property
    def is_convex(self) -> bool:
        """Whether no slope between neighbours is below the one before it; decided in Python's integers."""
        dx, dy = (np.diff(_integers(values_N)) for values_N in (self.x_N, self.y_N))
        return bool((dy[1:] * dx[:-1] >= dy[:-1] * dx[1:]).all())

    @property
    def bend(self) -> float:
        """How far the points lie above their lower convex hull at most: 0 if they are convex. Never too low."""
        if self.is_convex:
            return 0.0
        x, y = (_integers(values_N).tolist() for values_N in (self.x_N, self.y_N))
        hull: list[int] = []
        for place in range(len(x)):
            while len(hull) > 1 and _is_above(x, y, hull[-2], hull[-1], place):
                hull.pop()
            hull.append(place)
        highest = Fraction(0)
        for left, right in pairwise(hull):
            slope = Fraction(y[right] - y[left], x[right] - x[left])
            highest = max([highest, *(y[n] - y[left] - slope * (x[n] - x[left]) for n in range(left + 1, right))])
        return math.nextafter(float(highest * _unit(self.y_N)), math.inf)


def _is_above(x: list[int], y: list[int], left: int, middle: int, right: int) -> bool:
    """Whether the point in the middle is on or above the line through the others."""
    return (y[middle] - y[left]) * (x[right] - x[left]) >= (y[right] - y[left]) * (x[middle] - x[left])


def _unit(values_N: NDArray[Any]) -> Fraction:
    """The largest power of two of which these numbers are multiples, at most 1: floats are exact fractions."""
    return Fraction(1, max(value.as_integer_ratio()[1] for value in values_N.tolist()))


def _integers(values_N: NDArray[Any]) -> NDArray[np.object_]:
    """Returns the numbers in that unit, as Python's integers."""
    per_one = _unit(values_N).denominator
    ratios = (value.as_integer_ratio() for value in values_N.tolist())
    found = np.empty(len(values_N), object)
    found[:] = [top * (per_one // bottom) for top, bottom in ratios]
    return found


@dataclass(frozen=True)
class Errors:
    """Lower bounds of weighted sums of squared errors, by the number of pieces or units; entry 0 is infinite."""

    pieces_K: Reals
    """Of any function of that many pieces."""
    units_K: Reals
    """Of one hidden layer of that many ReLU units."""

    def of_pieces(self, pieces: int) -> float:
        """Returns the bound for that many pieces, or for the most that was computed."""
        return float(self.pieces_K[min(pieces, len(self.pieces_K) - 1)])

    def of_units(self, units: int) -> float:
        """Returns the bound for that many ReLU units, or for the most that was computed."""
        return float(self.units_K[min(units, len(self.units_K) - 1)])

    def __add__(self, other: Errors) -> Errors:
        """Returns the bounds for both sets of points together."""
        return Errors(self.pieces_K + other.pieces_K, self.units_K + other.units_K)

    def __or__(self, other: Errors) -> Errors:
        """Returns the higher ones of two bounds for the same points."""
        return Errors(np.maximum(self.pieces_K, other.pieces_K), np.maximum(self.units_K, other.units_K))


def errors(points: Points, most: int) -> Errors:
    """Returns the bounds for 1 to `most` pieces, and for 1 to `most` units."""
    step = -(-len(points.x_N) // SUBSET)
    total = _errors(points.every(step, 0), most)
    for first in range(1, step):
        total += _errors(points.every(step, first), most)
    return total


def _errors(points: Points, most: int) -> Errors:
    """Returns the bounds of one subset: layer k of the dynamic program has the best k pieces up to each point.

    A piece whose own error is above that of all points with one piece fewer is in no answer that counts, so each layer
    looks at short pieces only. For n points and k layers that takes about 15 n^2 steps instead of k n^2.
    """
    if (bend := points.bend) and points.flipped.is_convex:
        points, bend = points.flipped, 0.0
    cost_WN = _costs(points)
    least_W = cost_WN.min(axis=1)
    count = len(points.x_N)
    free_N = cost_WN[np.arange(count), np.arange(count)]
    bent_N, end_N = _falling(points, free_N), _falling(points.mirrored, cost_WN[:, -1])[::-1]
    free_K, bent_K = np.zeros(most + 2), np.zeros(most + 2)
    free_K[0], bent_K[:2] = np.inf, np.inf
    noise = _noise(points)
    for k in range(1, most + 2):
        if k > 1:
            window = int(np.searchsorted(least_W, free_K[k - 1], side="right"))
            bent_K[k] = min(bent_K[k - 1], float((bent_N[:-1] + end_N[1:]).min(initial=np.inf)))
            free_N, bent_N = (_with_one_more(best_N, cost_WN[:window]) for best_N in (free_N, bent_N))
        free_K[k] = free_N[-1]
        if free_K[k] <= noise:
            free_K[k:], bent_K[k + 1 :] = 0.0, 0.0
            break
    # Of any points, H units are at most H + 1 pieces.
    units_K = _lowered(np.append(np.inf, free_K[2:]), noise)
    near = 2 * bend * math.sqrt(points.weight_N.sum())
    convex_K = _lowered(np.minimum(free_K[:-1], bent_K[1:]), (math.sqrt(noise) + near) ** 2)
    return Errors(_lowered(free_K[:-1], noise), np.maximum(units_K, convex_K))


def _with_one_more(best_N: Reals, cost_WN: Reals) -> Reals:
    """Returns the least errors up to each point if one more piece may end there."""
    window, count = cost_WN.shape
    before_WN = sliding_window_view(np.concatenate([np.full(window, np.inf), best_N[:-1]]), count)[::-1]
    last_N: Reals = (before_WN + cost_WN).min(axis=0)
    return np.minimum(best_N, last_N)


def _costs(points: Points) -> Reals:
    """Returns the squared error of a line through the w + 1 points that end at point n; infinite if there aren't.

    Each point adds its squared error before it joined the fit, over 1 + its leverage. So all terms are positive and
    nothing cancels, and sums start at the last point of the piece.
    """
    count = len(points.x_N)
    cost_WN = np.full((count, count), np.inf)
    cost_WN[:2] = 0.0
    cost_WN[1:2, :1] = np.inf
    weight_N, squares_N = points.weight_N, np.zeros(count)
    slope_N, spread_N, mean_x_N, mean_y_N, total_N = (np.zeros(count) for _ in range(5))
    for w in range(count):
        last = slice(w, None)
        add_N, before_N = weight_N[: count - w], total_N[last].copy()
        x_N = (points.x_N[: count - w] - points.x_N[last]) - mean_x_N[last]
        y_N = (points.y_N[: count - w] - points.y_N[last]) - mean_y_N[last]
        if w > 1:
            miss_N = y_N - slope_N[last] * x_N
            gain_N = add_N * miss_N / (1 + add_N * (1 / before_N + x_N * x_N / spread_N[last]))
            squares_N[last] += miss_N * gain_N
            slope_N[last] += x_N * gain_N / spread_N[last]
            cost_WN[w, last] = squares_N[last]
        elif w == 1:
            slope_N[last] = y_N / x_N
        total_N[last] = before_N + add_N
        share_N = add_N / total_N[last]
        spread_N[last] += before_N * share_N * x_N * x_N
        mean_x_N[last] += share_N * x_N
        mean_y_N[last] += share_N * y_N
    return cost_WN


def _falling(points: Points, cost_N: Reals) -> Reals:
    """Returns the errors of lines with a slope of at most 0 through the first points, given those of any lines."""
    total_N = np.cumsum(points.weight_N)
    before_N = total_N - points.weight_N
    offsets = [(values_N - values_N[0]).astype(float) for values_N in (points.x_N, points.y_N)]
    ahead = []  # of each point, before the mean of those before it
    for offset_N in offsets:
        mean_N = np.cumsum(points.weight_N * offset_N) / total_N
        ahead.append(offset_N - np.append(0.0, mean_N[:-1]))
    share_N = points.weight_N * before_N / total_N
    rises_N = np.cumsum(share_N * ahead[0] * ahead[1]) > 0
    return np.where(rises_N, np.cumsum(share_N * ahead[1] ** 2), cost_N)


def _noise(points: Points) -> float:
    """The sum of squares that rounding errors may make."""
    spread = float(points.y_N.max()) - float(points.y_N.min())
    return float((ROUNDING * spread) ** 2 * points.weight_N.sum())


def _lowered(squares_K: Reals, noise: float) -> Reals:
    root_K: Reals = np.maximum(0.0, np.sqrt(squares_K) - np.sqrt(noise))
    return root_K * root_K
