"""What matters in a grid: how much of the differences between RMSEs each axis explains.

An analysis of variance of the logarithm of the RMSE over the trials of one dataset. The axes of the grid are its
factors, and the seeds are its error. Pure: rows of the summary's table and RMSEs in, numbers out. Which way an axis
works is in axis_effects.py.

Suffixes: V variants, S seeds of a variant, T trials, A axes, K values of an axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np

from sumsquares.jobs.results.axis_effects import Effect, best_and_worst
from sumsquares.jobs.results.coded_grid import CodedGrid
from sumsquares.jobs.results.grouped import Reals
from sumsquares.jobs.results.scale import log_rmse

_RIDGE = 1e-9
"""Share of each indicator's square that is added to it: makes confounded axes solvable, and changes sums of squares by
about its own square."""


@dataclass(frozen=True, slots=True)
class AxisShare:
    """What an axis explains."""

    axis: str
    share: float
    """Of the variance of log RMSE over all trials, 0..1."""
    effect: Effect | None
    """None if no two variants differ in this axis alone."""


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of the variance of log RMSE; with `shared` they add up to 1, or are all 0 if nothing varies."""

    axes: tuple[AxisShare, ...]
    """Of the axes that vary, the largest share first."""
    interactions: float
    """What varies between variants and no axis explains alone. With one seed each it holds their noise too."""
    seeds: float | None
    """What varies within variants; None if none has two seeds."""
    shared: float
    """What several axes explain alike, since the grids have not all combinations; 0 on a full grid. Below 0 where axes
    hide each other."""
    method: Literal["full grid", "least squares"]
    """full grid: every combination has equally many seeds, and the shares are exact and independent. least squares:
    partial sums of squares, what an axis explains beyond all others."""


def importance(rows: Sequence[Mapping[str, Any]], rmse_VS: Sequence[Sequence[float]], lost_rmse: float) -> Importance:
    """Returns what matters among the variants of a dataset.

    `rmse_VS` has the RMSEs of each row's seeds that are ok, in the unit of scale.py. A diverged seed counts at
    `lost_rmse`, in that unit too: the RMSE from which on a trial counts as diverged. Variants without any result are
    left out.
    """
    tried = [v for v, row in enumerate(rows) if len(rmse_VS[v]) + row["n_diverged"]]
    grid = CodedGrid.of([rows[v] for v in tried])
    count_V, mean_V, within = _moments([rows[v] for v in tried], [rmse_VS[v] for v in tried], lost_rmse)
    centred_V = mean_V - (count_V @ mean_V / count_V.sum() if tried else 0.0)
    between = float(count_V @ centred_V**2)
    is_full = math.prod(grid.sizes) == len(tried) and len(set(count_V.tolist())) <= 1
    squares_A, together = (_full if is_full else _partial)(grid, count_V, centred_V)
    # Rounding errors of what is the same everywhere explain nothing.
    total = between + within if between + within > 1e-20 * count_V.sum() else math.inf
    shares = [
        AxisShare(axis, squares / total, best_and_worst(grid, a, mean_V))
        for a, (axis, squares) in enumerate(zip(grid.axes, squares_A, strict=True))
    ]
    return Importance(
        axes=tuple(sorted(shares, key=lambda each: -each.share)),
        interactions=max(0.0, between - together) / total,
        seeds=within / total if (count_V > 1).any() else None,
        shared=0.0 if is_full else (together - sum(squares_A)) / total,
        method="full grid" if is_full else "least squares",
    )


def _moments(
    rows: Sequence[Mapping[str, Any]], rmse_VS: Sequence[Sequence[float]], lost_rmse: float
) -> tuple[Reals, Reals, float]:
    """Returns number and mean of the log RMSEs of each variant's seeds, and their sum of squares within variants."""
    ok_V = np.array([len(rmse_S) for rmse_S in rmse_VS], np.int64)
    lost_V = np.array([row["n_diverged"] for row in rows], np.int64)
    variant_T = np.repeat(np.arange(len(rows)), ok_V)
    log_T = log_rmse(np.fromiter(chain.from_iterable(rmse_VS), float, len(variant_T)))
    lost = float(log_rmse(np.array([float(lost_rmse)]))[0])
    count_V = (ok_V + lost_V).astype(float)
    mean_V = (np.bincount(variant_T, log_T, minlength=len(rows)) + lost_V * lost) / count_V
    within = np.square(log_T - mean_V[variant_T]).sum() + lost_V @ np.square(lost - mean_V)
    return count_V, mean_V, float(within)


def _full(grid: CodedGrid, count_V: Reals, centred_V: Reals) -> tuple[list[float], float]:
    """Returns the sum of squares of each axis, and of all together: those of the means of its values."""
    found = []
    for code_V in grid.code_AV:
        total_K = np.bincount(code_V, count_V * centred_V)
        found.append(float((total_K**2 / np.bincount(code_V, count_V)).sum()))
    return found, sum(found)


def _partial(grid: CodedGrid, count_V: Reals, centred_V: Reals) -> tuple[list[float], float]:
    """Returns what each axis explains beyond all others, and what all explain together, without interactions."""
    axes = range(len(grid.axes))
    together = _explained(grid, count_V, centred_V, list(axes))
    without = [_explained(grid, count_V, centred_V, [other for other in axes if other != a]) for a in axes]
    return [max(0.0, together - rest) for rest in without], together


def _explained(grid: CodedGrid, count_V: Reals, centred_V: Reals, axes: list[int]) -> float:
    """Returns the sum of squares that some axes explain: least squares on an indicator of each of their values.

    Indicators of one axis don't overlap, so the axis with most values is eliminated in closed form.
    """
    if not axes:
        return 0.0
    first, *rest = sorted(axes, key=lambda a: -grid.sizes[a])
    sums = {a: np.bincount(grid.code_AV[a], count_V * centred_V) for a in axes}
    weight_K = np.bincount(grid.code_AV[first], count_V)
    explained = float((sums[first] ** 2 / weight_K).sum())
    if not rest:
        return explained
    across = np.hstack([_table(grid, count_V, first, a) for a in rest])
    gram = np.block([[_table(grid, count_V, a, b) for b in rest] for a in rest])
    scale = np.diag(gram).copy()
    gram -= across.T @ (across / weight_K[:, None])
    right = np.concatenate([sums[a] for a in rest]) - across.T @ (sums[first] / weight_K)
    weights = np.linalg.solve(gram + np.diag(_RIDGE * scale), right)
    return explained + float(2 * right @ weights - weights @ gram @ weights)


def _table(grid: CodedGrid, count_V: Reals, a: int, b: int) -> Reals:
    """Returns how many trials have each value of the one axis and each of the other."""
    key_V = grid.code_AV[a] * grid.sizes[b] + grid.code_AV[b]
    shape = grid.sizes[a], grid.sizes[b]
    return np.bincount(key_V, count_V, minlength=math.prod(shape)).astype(float).reshape(shape)
