"""Baselines of a dataset: how far one gets without a network. The mean, least squares, and boosted trees.

They are fitted to training rows and measured on all test rows, as trials are. They are stored beside the dataset's
facts by stored_baselines.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.linear_fit import rounding
from sumsquares.datasets.rows import Block
from sumsquares.datasets.source import Split
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results import boosted_trees
from sumsquares.jobs.results.least_squares import Scale
from sumsquares.jobs.results.least_squares import fit as fit_linear

# Shapes: N rows, I inputs.
MEAN, LEAST_SQUARES, TREES = "mean", "least squares", "boosted trees"
MOST_NUMBERS = {LEAST_SQUARES: 1 << 24, TREES: 1 << 20}
"""Inputs and targets of the training rows that they are fitted to at most: a second or two for each."""

Rows = Callable[[Split], Iterable[Block]]
"""Gives the blocks of a split, the same ones each time."""


@dataclass(frozen=True)
class Baseline:
    """What one of them reaches on one split of a dataset."""

    name: str
    rmse: float
    """On the test rows, in the target's units; 0 where it is within the rounding errors of float64."""
    rows: int
    """Training rows that it was fitted to."""
    version: str | None = None
    """Of scikit-learn, where that has trained it."""


def measure_linear(dataset: Dataset, rows: Rows) -> tuple[Baseline, ...]:
    """Returns the mean and least squares; those whose errors are too large for float64 are left out."""
    linear = fit_linear(partial(_fitted, dataset, rows, MOST_NUMBERS[LEAST_SQUARES]))
    mean, fit, top, count = 0.0, 0.0, 0.0, 0
    with np.errstate(over="ignore", invalid="ignore"):
        for inputs_NI, target_N in rows("test"):
            scaled_N = linear.scale.target(target_N)
            mean += float(np.square(scaled_N - linear.mean).sum())
            fit += float(np.square(scaled_N - linear.scale.columns(inputs_NI) @ linear.weights_C).sum())
            top, count = max(top, float(np.abs(target_N).max())), count + len(target_N)
    least = rounding(dataset.inputs, top + linear.scale.half)
    found = [(MEAN, mean, 0.0), (LEAST_SQUARES, fit, least)]
    rmses = [(name, math.sqrt(squares / count) * linear.scale.half, least) for name, squares, least in found]
    return tuple(
        Baseline(name, 0.0 if rmse <= least else rmse, linear.rows) for name, rmse, least in rmses if np.isfinite(rmse)
    )


def measure_trees(dataset: Dataset, rows: Rows, version: str) -> tuple[Baseline, ...]:
    """Returns boosted trees, trained by the version of scikit-learn that is installed."""
    blocks = [*_fitted(dataset, rows, MOST_NUMBERS[TREES])]
    inputs_NI, target_N = (np.concatenate([block[part] for block in blocks]) for part in (0, 1))
    scale = Scale.of(inputs_NI, target_N)
    predict = boosted_trees.fit(inputs_NI, scale.target(target_N))
    squares, count = 0.0, 0
    for inputs_NI, target_N in rows("test"):
        squares += float(np.square(scale.target(target_N) - predict(inputs_NI)).sum())
        count += len(target_N)
    rmse = math.sqrt(squares / count) * scale.half
    return (Baseline(TREES, rmse, sum(len(block[1]) for block in blocks), version),) if np.isfinite(rmse) else ()


def _fitted(dataset: Dataset, rows: Rows, most_numbers: int) -> Iterator[Block]:
    """Gives the training rows; of more numbers than that, of a table every so many rows, else the first ones.

    Generated rows are draws of one distribution, so that any of them are as good as others, and the rest isn't made.
    """
    most = max(1, most_numbers // (dataset.inputs + 1))
    step = -(-dataset.rows // most) if isinstance(dataset, TableSplit) else 1
    left, skip = most, 0
    for inputs_NI, target_N in rows("train"):
        taken = slice(skip, None, step)
        yield inputs_NI[taken][:left], target_N[taken][:left]
        left -= len(target_N[taken])
        skip = (skip - len(target_N)) % step
        if left <= 0:
            return
