"""Scales of RMSEs: from which one on a trial counts as diverged, whatever its row says, and how two are compared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.facts import largest_target
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.results.described import SOLVED, is_table, spec_of, spread_of, target_spread

DIVERGED_FACTOR = 10
"""A trial counts as diverged if its RMSE exceeds this many times the largest absolute target of the test rows."""
DIVERGED = 1e30
"""RMSE of a trial that diverged: beyond that of any answer to a 64-bit target."""
RESOLUTION = 0.1
"""Added to each RMSE, in the unit of its dataset, as a hypotenuse. A model whose RMSE is below it answers with the
right integer (an error of 0.5 is five of them), so models below it don't differ."""


@lru_cache(maxsize=1024)
def diverged_from(dataset: DatasetSpec) -> float:
    """Returns the RMSE above which a trial on a generated dataset's test rows counts as diverged."""
    return limit_of(largest_target(dataset))


def limit_of(largest: float) -> float:
    """Returns the same from the largest absolute target; where all targets are 0 it is as if that were 1."""
    return float(DIVERGED_FACTOR * (largest or 1))


@lru_cache(maxsize=1024)
def unit_of(dataset: DatasetSpec) -> float:
    """Returns the unit in which RMSEs on a generated dataset are compared: 1 for integer targets.

    For others it is such that RESOLUTION is the share of the target's standard deviation that counts as solved.
    """
    return 1.0 if dataset.has_integer_target else unit_for(spread_of(dataset))


def unit_for(spread: float) -> float:
    """Returns that unit for targets of this standard deviation."""
    return SOLVED / RESOLUTION * spread or 1.0


def unit_in(about: Mapping[str, Any]) -> float:
    """Returns the unit in which RMSEs on a dataset are compared, from its entry in a summary."""
    return unit_for(target_spread(about)) if is_table(about) else unit_of(spec_of(about))


def log_rmse(rmse_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the compared quantity: the natural logarithm of the RMSE in its dataset's unit; for a trial that diverged
    that of DIVERGED."""
    return np.log(np.minimum(np.hypot(rmse_T, RESOLUTION), DIVERGED))
