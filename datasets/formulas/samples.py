"""Points in the range of a formula at which it is tried: the telling ones first, then random ones; or all integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sumsquares.datasets.formulas.points import Points
from sumsquares.datasets.source import Range, combinations

# Shapes: P points, K numbers of a point.
PIECE = 4096


def all_integers(ranges: Sequence[Range]) -> Iterator[Points]:
    """Yields all points with integer numbers, in pieces; the last number changes fastest."""
    total = combinations(ranges)
    for start in range(0, total, PIECE):
        rest = np.arange(start, min(start + PIECE, total))
        columns = []
        for each in reversed(ranges):
            rest, place = np.divmod(rest, each.integers)
            columns.append(place + each.low)
        yield np.stack(columns[::-1], axis=1)


def samples(ranges: Sequence[Range], count: int, is_real: bool) -> Points:
    """Returns at most `count` points, and at least one."""
    low_K = np.array([low for low, _ in ranges])
    high_K = np.array([high for _, high in ranges])
    draw = np.random.default_rng(0)
    points_PK = np.concatenate([_telling(low_K, high_K), _random(low_K, high_K, count, draw)])[:count]
    points_PK = np.clip(points_PK if is_real else np.round(points_PK), low_K, high_K) + 0.0  # -0.0 becomes 0.0
    return points_PK if len(ranges) > 1 else np.sort(points_PK, axis=0)


def _telling(low_K: Points, high_K: Points) -> Points:
    """Zeros, ones and the ends: for all numbers, then for each by itself while the others are in the middle."""
    middle_K = low_K + (high_K - low_K) / 2
    same = [np.clip(np.full(len(low_K), value), low_K, high_K) for value in (0.0, 1.0, -1.0)]
    each = [
        np.where(np.arange(len(low_K)) == k, special, middle_K)
        for k in range(min(len(low_K), 100))
        for special in (np.clip(0.0, low_K[k], high_K[k]), low_K[k], high_K[k])
    ]
    return np.array([same[0], low_K, high_K, *same[1:], middle_K, *each])


def _random(low_K: Points, high_K: Points, count: int, draw: np.random.Generator) -> Points:
    """Each number is uniform, or uniform and rounded, or an end, or 0, or the same as the first one."""
    shape = (count, len(low_K))
    uniform = low_K + (high_K - low_K) * draw.random(shape)
    first = np.broadcast_to(uniform[:, :1], shape)
    ends = np.where(draw.random(shape) < 0.5, low_K, high_K)
    kinds = [uniform, uniform, uniform, np.round(uniform), ends, np.zeros(shape), first]
    points_PK: Points = np.choose(draw.integers(0, len(kinds), shape), kinds)
    return np.clip(points_PK, low_K, high_K)
