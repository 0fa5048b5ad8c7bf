"""Which way an axis of a grid works: its best and its worst value, from pairs of variants that differ in it alone.

Suffixes: V variants, P pairs, G groups of variants that differ in one axis alone, K values of that axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sumsquares.jobs.results.coded_grid import CodedGrid, Indices
from sumsquares.jobs.results.grouped import Reals
from sumsquares.jobs.results.student_t import student_t975

_ENDS = 8  # values of an axis that are compared if there are many: so many of the best, and of the worst


@dataclass(frozen=True, slots=True)
class Effect:
    """The best and the worst value of an axis with everything else equal."""

    axis: str
    better: Any
    worse: Any
    factor: float
    """How many times smaller the RMSE is with `better`: geometric mean over all pairs of variants that differ in this
    alone. The RMSE of a variant is the geometric mean over its seeds."""
    pairs: int
    wins: int
    """In how many pairs it is smaller."""
    low: float | None
    """Lower end of the factor's 95 % confidence interval over pairs, Student's; None for a single pair."""
    high: float | None
    """Upper end."""

    @property
    def is_always(self) -> bool:
        """Whether `better` has the smaller RMSE in every pair."""
        return self.wins == self.pairs


def sentence(effect: Effect, named: Callable[[str, Any], str]) -> str:
    """Says an effect: `with relu the error is about 5 times smaller than with tanh (9 pairs, 95% interval 3.1 to 8.0)`.

    `named` writes the value of an axis.
    """
    better, worse = (named(effect.axis, value) for value in (effect.better, effect.worse))
    evidence = f"{effect.pairs:,} pair{'s' if effect.pairs > 1 else ''}"
    if effect.low is not None and effect.high is not None:
        evidence += f", 95% interval {_times(effect.low)} to {_times(effect.high)}"
    if not effect.is_always:
        evidence += f", less in {effect.wins:,}"
    if effect.factor < 1.05:
        return f"with {better} the error is about the same as with {worse} ({evidence})"
    about = f"{effect.factor:.2g}" if effect.factor < 10 else f"{float(f'{effect.factor:.2g}'):,.0f}"
    return f"with {better} the error is about {about} times smaller than with {worse} ({evidence})"


def _times(factor: float) -> str:
    if factor >= 1e6:
        return f"{factor:.1e}"
    return f"{factor:.2g}" if factor < 0.95 else f"{factor:.1f}" if factor < 10 else f"{factor:,.0f}"


def best_and_worst(grid: CodedGrid, a: int, mean_V: Reals) -> Effect | None:
    """Returns the two values of an axis that differ most over their pairs; more pairs weigh more, by their root."""
    group_V = grid.alike(a)
    code_V, kept_K = _ends(grid.code_AV[a], group_V, mean_V)
    kept_V = code_V >= 0
    log_GK = np.full((group_V.max() + 1, len(kept_K)), np.nan)
    log_GK[group_V[kept_V], code_V[kept_V]] = mean_V[kept_V]
    there_GK = np.isfinite(log_GK).astype(float)
    filled_GK = np.nan_to_num(log_GK)
    pairs_KK = there_GK.T @ there_GK
    np.fill_diagonal(pairs_KK, 0)
    if not pairs_KK.any():
        return None
    sum_KK = there_GK.T @ filled_GK - filled_GK.T @ there_GK
    score_KK = np.where(pairs_KK > 0, sum_KK / np.sqrt(np.maximum(pairs_KK, 1)), -np.inf)
    better, worse = np.unravel_index(int(np.argmax(score_KK)), score_KK.shape)
    difference_G = log_GK[:, worse] - log_GK[:, better]
    values = grid.values[grid.axes[a]]
    pair = values[kept_K[better]], values[kept_K[worse]]
    return _effect_of(grid.axes[a], *pair, difference_G[np.isfinite(difference_G)])


def _ends(code_V: Indices, group_V: Indices, mean_V: Reals) -> tuple[Indices, Indices]:
    """Returns the values of an axis that are compared, and for each variant the place of its value in them, or -1."""
    size_G = np.bincount(group_V)
    ahead_V = mean_V - (np.bincount(group_V, mean_V) / size_G)[group_V]  # of its group
    is_paired_V = size_G[group_V] > 1
    count_K = np.bincount(code_V, is_paired_V)
    with np.errstate(invalid="ignore"):
        ahead_K = np.bincount(code_V, ahead_V * is_paired_V) / count_K
    order_K = np.argsort(ahead_K, kind="stable")[: np.count_nonzero(count_K)]  # those without a pair are NaN, and last
    kept_K = np.sort(order_K if len(order_K) <= 2 * _ENDS else np.append(order_K[:_ENDS], order_K[-_ENDS:]))
    place_K = np.full(len(count_K), -1, np.intp)
    place_K[kept_K] = np.arange(len(kept_K))
    return place_K[code_V], kept_K


def _effect_of(axis: str, better: Any, worse: Any, difference_P: Reals) -> Effect:
    pairs, mean = len(difference_P), float(difference_P.mean())
    low = high = None
    if pairs > 1:
        half = float(student_t975(np.array([pairs - 1]))[0]) * float(difference_P.std(ddof=1)) / math.sqrt(pairs)
        low, high = math.exp(mean - half), math.exp(min(700.0, mean + half))
    return Effect(axis, better, worse, math.exp(mean), pairs, int((difference_P > 0).sum()), low, high)
