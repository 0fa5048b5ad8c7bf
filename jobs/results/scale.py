"""Scales of RMSEs: from which one on a trial counts as diverged, whatever its row says, and how two are compared."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.facts import largest_target
from sumsquares.jobs.results.described import SOLVED, spread_of

DIVERGED_FACTOR = 10
"""A trial counts as diverged if its RMSE exceeds this many times the largest absolute target of the test rows."""
DIVERGED = 1e30
"""RMSE of a trial that diverged: beyond that of any answer to a 64-bit target."""
RESOLUTION = 0.1
"""Added to each RMSE, in the unit of its dataset, as a hypotenuse. A model whose RMSE is below it answers with the
right integer (an error of 0.5 is five of them), so models below it don't differ."""


@lru_cache(maxsize=1024)
def diverged_from(dataset: Dataset) -> float:
    """Returns the RMSE above which a trial on this dataset's test rows counts as diverged."""
    return limit_of(largest_target(dataset))


def limit_of(largest: float) -> float:
    """Returns the same from the largest absolute target; where all targets are 0 it is as if that were 1."""
    return float(DIVERGED_FACTOR * (largest or 1))


@lru_cache(maxsize=1024)
def unit_of(dataset: Dataset) -> float:
    """Returns the unit in which RMSEs on a dataset are compared: 1 for integer targets.

    For others it is such that RESOLUTION is the share of the target's standard deviation that counts as solved.
    """
    return 1.0 if dataset.has_integer_target else SOLVED / RESOLUTION * spread_of(dataset) or 1.0


def log_rmse(rmse_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the compared quantity: the natural logarithm of the RMSE in its dataset's unit; for a trial that diverged
    that of DIVERGED."""
    return np.log(np.minimum(np.hypot(rmse_T, RESOLUTION), DIVERGED))
