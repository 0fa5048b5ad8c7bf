"""The metrics of a trial: the column of each in a pack's file, and the columns of the summary that follow from it.

How a metric is computed is for engines/metrics.py, how its columns are headed for show/headings.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sumsquares.datasets.spec import Split
from sumsquares.jobs.engines.metrics import Errors, Floats

_FORMAT_1 = 7
"""Metrics that the first format of a pack's file had, those with the lowest numbers."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, in the target's own units unless it says otherwise; null if the trial diverged or it isn't finite."""

    name: str
    """Its column in a trial's row."""
    number: int
    """Its place among the metrics in a pack's file. Columns are only appended: a new metric takes the next number."""
    split: Split
    """The rows it is measured on."""
    of: Callable[[Errors], Floats]
    """The metric of each model, from its errors on these rows."""
    statistics: tuple[str, ...] = ()
    """Over a variant's seeds: mean, median, std, ci95_low, ci95_high, best; rmse and median give rmse_median."""
    higher_is_better: bool = False
    """Decides which of the seeds is the best."""
    is_optional: bool = False
    """Whether a trial that is ok may lack it."""
    needs_exactness: bool = False
    """Whether it is of answers rounded to integers: null where float64 doesn't hold every integer of the targets."""


METRICS = (
    Metric("rmse", 0, "test", lambda errors: errors.rmse, ("mean", "median", "std", "ci95_low", "ci95_high", "best")),
    Metric("rmse_train", 2, "train", lambda errors: errors.rmse, ("median",)),
    # Of the test rows whose inputs occur in no training row; null where all of them do.
    Metric("rmse_unseen", 8, "test", lambda errors: errors.rmse_chosen, ("median",), is_optional=True),
    Metric("mae", 7, "test", lambda errors: errors.mae, ("median",)),
    Metric("rmse_rounded", 1, "test", lambda errors: errors.rmse_rounded, ("best",), needs_exactness=True),
    Metric("rmse_extrapolation", 3, "extrapolation", lambda errors: errors.rmse, ("median",), is_optional=True),
    Metric("max_abs_error", 4, "test", lambda errors: errors.largest_M),
    # The share of the targets' variance that is explained, at most 1; null where they do not vary.
    Metric("r2", 5, "test", lambda errors: errors.r2, higher_is_better=True, is_optional=True),
    # The share of rows whose rounded answer is right, 0..1.
    Metric(
        "exact_fraction",
        6,
        "test",
        lambda errors: errors.exact_fraction,
        ("best",),
        higher_is_better=True,
        needs_exactness=True,
    ),
)
"""In the order of the summary's columns."""

METRIC_NAMES = tuple(metric.name for metric in sorted(METRICS, key=lambda metric: metric.number))
"""In the order of a pack's file."""
EVIDENCE = METRIC_NAMES[_FORMAT_1:]
"""Metrics that were added later: a file that lacks them has null there, and they follow from the stored weights."""
