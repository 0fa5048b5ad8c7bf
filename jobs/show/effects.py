"""What an axis of the grid does, from a dataset's variants: comparisons of those that differ in nothing else.

Pure: rows of the summary's table in, numbers out.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from jobs.show.words import Row, varying
from jobs.spec.grid import AXES

LEAST_FACTOR = 1.5
"""Smaller effects are not told."""
_VALUES = 12  # of an axis that are compared with each other: the best and the worst ones


@dataclass(frozen=True, slots=True)
class Effect:
    """Two values of one axis: in every pair of variants that differ in it alone, `better` has the lower median RMSE."""

    axis: str
    better: Any
    worse: Any
    factors: tuple[float, ...]
    """By how many times the median RMSE is lower, of each pair of variants that both have one; sorted."""

    @property
    def mean(self) -> float:
        """Geometric mean of the factors."""
        return math.exp(sum(map(math.log, self.factors)) / len(self.factors))


def largest_effect(rows: Sequence[Row]) -> Effect | None:
    """The two values that differ most, if all their pairs have at least LEAST_FACTOR; more pairs weigh more."""
    found = [effect for axis in varying(rows) for effect in _effects(axis, rows) if effect.factors[0] >= LEAST_FACTOR]
    return max(found, key=lambda effect: math.log(effect.mean) * math.sqrt(len(effect.factors)), default=None)


def _effects(axis: str, rows: Sequence[Row]) -> Iterator[Effect]:
    measured = [row for row in rows if row["rmse_median"]]
    values = _ends(axis, measured)
    alike: dict[tuple[Any, ...], dict[Any, float]] = defaultdict(dict)
    for row in measured:
        if row[axis] in values:
            alike[tuple(row[other] for other in AXES if other != axis)][row[axis]] = row["rmse_median"]
    for better, worse in permutations(values, 2):
        pairs = [(group[worse], group[better]) for group in alike.values() if better in group and worse in group]
        if pairs:
            yield Effect(axis, better, worse, tuple(sorted(high / low for high, low in pairs)))


def _ends(axis: str, rows: Sequence[Row]) -> list[Any]:
    """The values of an axis; of many those whose best variants are best and worst."""
    best: dict[Any, float] = {}
    for row in rows:
        best[row[axis]] = min(row["rmse_median"], best.get(row[axis], math.inf))
    values = sorted(best, key=lambda value: best[value])
    return values if len(values) <= _VALUES else [*values[: _VALUES // 2], *values[-_VALUES // 2 :]]


@dataclass(frozen=True, slots=True)
class Divergence:
    """How many trials diverged, by the values of the axis that tells most of it."""

    axis: str
    counts: dict[Any, tuple[int, int]]
    """By value, most first: trials that diverged, and all that have a result."""


def divergence(rows: Sequence[Row]) -> Divergence | None:
    """The axis whose values tell most about which trials diverged; None if no axis tells anything."""
    axes = {axis: _counts(axis, rows) for axis in varying(rows)}
    whole = _surprise([(sum(row["n_diverged"] for row in rows), sum(row["n"] + row["n_diverged"] for row in rows))])
    told = {axis: whole - _surprise(counts.values()) for axis, counts in axes.items()}
    best = max(told, key=lambda axis: told[axis], default=None)
    if best is None or told[best] <= 1e-9:
        return None
    ordered = sorted(axes[best].items(), key=lambda item: -item[1][0] / item[1][1])
    return Divergence(best, dict(ordered))


def _counts(axis: str, rows: Sequence[Row]) -> dict[Any, tuple[int, int]]:
    diverged, total = Counter[Any](), Counter[Any]()
    for row in rows:
        diverged[row[axis]] += row["n_diverged"]
        total[row[axis]] += row["n"] + row["n_diverged"]
    return {value: (diverged[value], count) for value, count in total.items() if count}


def _surprise(counts: Iterable[tuple[int, int]]) -> float:
    """Entropy of which trials diverged, in nats, given the value that each has."""
    parts = ((part, total) for bad, total in counts for part in (bad, total - bad) if part)
    return math.fsum(-part * math.log(part / total) for part, total in parts)
