"""The scale of a dataset's target: an RMSE far above it counts as diverged, whatever the stored row says."""

from __future__ import annotations

from functools import lru_cache

from sumsquares.datasets.facts import largest_target
from sumsquares.datasets.spec import DatasetSpec

DIVERGED_FACTOR = 10
"""A trial counts as diverged if its RMSE exceeds this many times the largest absolute target of the test rows."""


@lru_cache(maxsize=1024)
def diverged_from(dataset: DatasetSpec) -> float:
    """Returns the RMSE above which a trial on this dataset's test rows counts as diverged."""
    return float(DIVERGED_FACTOR * largest_target(dataset))
