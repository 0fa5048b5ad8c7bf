"""The effect of each axis of the grid, from pairs of a dataset's variants that differ in nothing else.

Pure: rows of the summary's table in, numbers out.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, takewhile
from operator import itemgetter
from typing import Any

from sumsquares.jobs.results.middle import middle, middle_or_infinite
from sumsquares.jobs.show.format import Row, varying

LEAST_FACTOR = 1.5
"""Smaller effects are not reported."""
_LEAST_SHARE = 0.1  # share of the entropy that an axis must explain to be reported
_SUSPECTS = ("lr", "optimizer", "schedule", "normalize", "activation", "init", "dtype", "hidden", "batch_size")
_VALUES = 12  # of an axis that are compared with each other: the best and the worst ones


@dataclass(frozen=True, slots=True)
class Effect:
    """Two values of one axis: `better` wins in every pair of variants that differ in this axis alone.

    It has the lower median RMSE, or mean over splits, and no larger share of diverged trials, or it has a result and
    the other has none.
    """

    axis: str
    better: Any
    worse: Any
    factors: tuple[float, ...]
    """How many times lower the median RMSE is, for each pair in which both are above 0; sorted."""
    only: int
    """Further pairs: all trials of `worse` diverged, or the median of `better` is 0."""

    @property
    def mean(self) -> float:
        """Geometric mean of the factors."""
        return math.exp(sum(map(math.log, self.factors)) / len(self.factors))


def largest_effect(rows: Sequence[Row]) -> Effect | None:
    """The two values that differ most, if all their pairs have at least LEAST_FACTOR; more pairs weigh more."""
    axes = varying(rows)
    found = [effect for axis in axes for effect in _effects(axis, axes, rows)]
    return max(found, key=lambda effect: math.log(effect.mean) * math.sqrt(len(effect.factors)), default=None)


def _effects(axis: str, axes: Sequence[str], rows: Sequence[Row]) -> Iterator[Effect]:
    tried = [row for row in rows if row["n"] + row["n_diverged"]]
    values = _ends(axis, tried)
    others = [other for other in axes if other != axis]
    key: Callable[[Row], Any] = itemgetter(*others) if others else lambda _: ()
    alike: dict[Any, dict[Any, Row]] = defaultdict(dict)
    for row in tried:
        if row[axis] in values:
            alike[key(row)][row[axis]] = row
    for better, worse in permutations(values, 2):
        pairs = [(group[better], group[worse]) for group in alike.values() if better in group and worse in group]
        # In most cases one of the first pairs decides that it isn't better in all of them.
        factors = list(takewhile(lambda factor: factor >= LEAST_FACTOR, (_factor(*pair) for pair in pairs)))
        finite = tuple(sorted(factor for factor in factors if factor < math.inf))
        if finite and len(factors) == len(pairs) and (len(pairs) > 1 or _apart(*pairs[0])):
            yield Effect(axis, better, worse, finite, len(factors) - len(finite))


def _factor(better: Row, worse: Row) -> float:
    """How many times better the one is; infinite where no number says it; 0 where it isn't better."""
    ours, theirs = middle(better), middle(worse)
    if ours is None or _lost(better) > _lost(worse):
        return 0.0
    if theirs is None:
        return math.inf
    if ours == 0:
        return math.inf if theirs else 0.0
    return theirs / ours


def _apart(better: Row, worse: Row) -> bool:
    """Whether a single pair may be more than chance: even the worse variant's best seed is worse."""
    ours = middle(better)
    return bool(worse["rmse_best"] is None or ours is None or worse["rmse_best"] > ours)


def _lost(row: Row) -> float:
    return float(row["n_diverged"] / (row["n"] + row["n_diverged"]))


def _ends(axis: str, rows: Sequence[Row]) -> list[Any]:
    """The values of an axis or, if there are many, those with the best and the worst best variants."""
    best: dict[Any, float] = {}
    for row in rows:
        best[row[axis]] = min(middle_or_infinite(row), best.get(row[axis], math.inf))
    values = sorted(best, key=lambda value: best[value])
    return values if len(values) <= _VALUES else [*values[: _VALUES // 2], *values[-_VALUES // 2 :]]


@dataclass(frozen=True, slots=True)
class Divergence:
    """How many trials diverged, by the values of an axis that explains it."""

    axis: str
    counts: dict[Any, tuple[int, int]]
    """By value, most first: trials that diverged, and all that have a result."""
    alike: tuple[str, ...]
    """Other axes that explain as much."""

    @property
    def is_whole(self) -> bool:
        """Whether for each value all trials diverged, or none."""
        return all(lost in (0, total) for lost, total in self.counts.values())


def divergence(rows: Sequence[Row]) -> list[Divergence]:
    """The axis that best explains which trials diverged, and the next one if that isn't the whole explanation."""
    axes = {axis: _counts(axis, rows) for axis in varying(rows)}
    whole = _surprise([(sum(row["n_diverged"] for row in rows), sum(map(_results, rows)))])
    gains = {axis: whole - _surprise(counts.values()) for axis, counts in axes.items()}
    found: list[Divergence] = []
    while (best := max(gains.values(), default=0.0)) > _LEAST_SHARE * whole and len(found) < 2:
        equal = sorted((axis for axis in gains if gains[axis] >= 0.95 * best), key=_suspicion)
        ordered = sorted(axes[equal[0]].items(), key=lambda item: -item[1][0] / item[1][1])
        found.append(Divergence(equal[0], dict(ordered), tuple(equal[1:])))
        if found[0].is_whole:
            break
        gains = {axis: gain for axis, gain in gains.items() if axis not in equal}
    return found


def _suspicion(axis: str) -> int:
    """The rank of an axis among those that tend to make training diverge."""
    return _SUSPECTS.index(axis) if axis in _SUSPECTS else len(_SUSPECTS)


def _results(row: Row) -> int:
    return int(row["n"] + row["n_diverged"])


def _counts(axis: str, rows: Sequence[Row]) -> dict[Any, tuple[int, int]]:
    diverged, total = Counter[Any](), Counter[Any]()
    for row in rows:
        diverged[row[axis]] += row["n_diverged"]
        total[row[axis]] += _results(row)
    return {value: (diverged[value], count) for value, count in total.items() if count}


def _surprise(counts: Iterable[tuple[int, int]]) -> float:
    """Entropy of which trials diverged, in nats, given the value that each has."""
    parts = ((part, total) for bad, total in counts for part in (bad, total - bad) if part)
    return math.fsum(-part * math.log(part / total) for part, total in parts)
