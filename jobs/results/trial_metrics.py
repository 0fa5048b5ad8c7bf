"""The metrics of a trial: the column of each in a pack's file, and the columns of the summary that follow from it.

How a metric is computed is for engines/, how its columns are headed for show/headings.py.

Suffixes: M models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sumsquares.datasets.spec import SPLITS
from sumsquares.jobs.engines.metrics import Errors, Floats

_FORMAT_1 = 7
"""Metrics that the first format of a pack's file had, those with the lowest numbers."""

Source = Literal["train", "test", "extrapolation", "solved", "hidden", "losses"]
"""What a metric is computed from: `Errors` on the rows of a split; `Errors` on the test rows with the readout solved;
the `Observed` of the hidden layers; the loss `Curve`."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, in the target's own units unless it says otherwise; null if the trial diverged or it isn't finite."""

    name: str
    """Its column in a trial's row."""
    number: int
    """Its place among the metrics in a pack's file. Columns are only appended: a new metric takes the next number."""
    source: Source
    """What it is computed from."""
    of: Callable[[Any], Floats]
    """The metric of each model, from its source."""
    statistics: tuple[str, ...] = ()
    """Over a variant's seeds: mean, median, std, ci95_low, ci95_high, best; rmse and median give rmse_median."""
    higher_is_better: bool = False
    """Decides which of the seeds is the best."""
    is_optional: bool = False
    """Whether a trial that is ok may lack it."""
    needs_exactness: bool = False
    """Whether it is of answers rounded to integers: null where float64 doesn't hold every integer of the targets."""
    loss: str | None = None
    """The loss whose trials have it, where only those do: null for the others."""


def _rmse(errors: Errors) -> Floats:
    return errors.rmse


METRICS = (
    Metric("rmse", 0, "test", _rmse, ("mean", "median", "std", "ci95_low", "ci95_high", "best")),
    Metric("rmse_train", 2, "train", _rmse, ("median",)),
    # Of the test rows whose inputs occur in no training row; null where all of them do.
    Metric("rmse_unseen", 8, "test", lambda errors: errors.rmse_chosen, ("median",), is_optional=True),
    # With the output layer solved on the training rows, whatever the trial's readout; null where that costs too much.
    Metric("rmse_solved", 9, "solved", _rmse, ("median",), is_optional=True),
    Metric("mae", 7, "test", lambda errors: errors.mae, ("median",)),
    Metric("rmse_rounded", 1, "test", lambda errors: errors.rmse_rounded, ("best",), needs_exactness=True),
    Metric("rmse_extrapolation", 3, "extrapolation", _rmse, ("median",), is_optional=True),
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
    # The share of hidden ReLU units that are 0 on every training row, and of hidden tanh and sigmoid units that are at
    # the ends of their range on nearly all of them, 0..1; null for other activations.
    Metric("dead_share", 10, "hidden", lambda observed: observed.dead_share_M, ("median",), is_optional=True),
    Metric("saturated_share", 11, "hidden", lambda observed: observed.saturated_share_M, ("median",), is_optional=True),
    # d ln(loss) / d ln(epoch) over the second half of the training; ln(last loss / lowest loss). Null where not stored.
    Metric("loss_slope", 12, "losses", lambda curve: curve.slope, ("median",), is_optional=True),
    Metric("loss_rise", 13, "losses", lambda curve: curve.rise, ("median",), is_optional=True),
    # The share of rows whose answer, a probability, is on the right side of 1/2, 0..1.
    Metric(
        "accuracy",
        14,
        "test",
        lambda errors: errors.accuracy,
        ("median",),
        higher_is_better=True,
        is_optional=True,
        loss="bce",
    ),
)
"""In the order of the summary's columns."""

METRIC_NAMES = tuple(metric.name for metric in sorted(METRICS, key=lambda metric: metric.number))
"""In the order of a pack's file."""
EVIDENCE = METRIC_NAMES[_FORMAT_1:]
"""Metrics that were added later: a file that lacks them has null there, and they follow from the stored weights, except
those of the losses."""
OF_ANSWERS = tuple(metric.name for metric in METRICS if metric.source in SPLITS)
"""Metrics of the trial's own answers, on which two results of one trial must agree."""


def metrics_of(
    sources: Mapping[Source, Any], models: int, metrics: Iterable[Metric] = METRICS, loss: str = "mse"
) -> dict[str, Floats]:
    """Computes metrics [M] by name, of models with this loss. A source that is missing or None gives NaN."""
    unknown_M = np.full(models, np.nan)

    def is_known(metric: Metric) -> bool:
        return sources.get(metric.source) is not None and metric.loss in (None, loss)

    return {metric.name: metric.of(sources[metric.source]) if is_known(metric) else unknown_M for metric in metrics}
