"""A run as trackers of experiments want it: parameters, metrics and loss curves of each variant. Plain data.

Suffixes: E epochs.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.spec.axes import AXES

Row = Mapping[str, Any]
Curve = tuple[NDArray[np.int64], NDArray[np.float32]]
"""epochs_E, counted from 1, and loss_E, the mean over an epoch's rows in normalised units."""
_NOT_METRICS = frozenset({*AXES, "parameters"})
_TAGS = ("cause", "causes", "remedy", "floor_kind", "task", "dataset_digest")
RANK = ("rmse", "seed", "trial_id")
"""Order of a variant's trials, the best first."""


@dataclass(frozen=True, slots=True)
class TrackedVariant:
    """One variant with what became of it."""

    id: str
    name: str
    """Unique within the run: `squares-3f2a...`."""
    words: str
    """The variant as a person would describe it."""
    params: Mapping[str, str | int | float | bool]
    """The dataset's name, all hyperparameters and the number of parameters."""
    metrics: Mapping[str, float]
    """The numbers of the summary's row that are there and finite."""
    tags: Mapping[str, str]
    rmse: tuple[float, ...]
    """Of each trial that is ok, in the order of splits and seeds."""
    best: Row | None
    """The row of its best trial; None if none is ok."""
    loss: Curve | None
    """Of the best trial; None if an earlier version trained it."""

    @property
    def digest(self) -> str:
        """SHA-256 of all of it in hex: two that agree are the same to a tracker."""
        loss = None if self.loss is None else [axis.tolist() for axis in self.loss]
        content = [self.id, dict(self.params), dict(self.metrics), dict(self.tags), self.rmse, repr(loss)]
        return sha256_of(json.dumps(content, sort_keys=True).encode())


def tracked(
    summary: pa.Table,
    trials: pa.Table,
    describe: Callable[[Row], str],
    curves: Callable[[Sequence[str]], Mapping[str, NDArray[np.float32]]],
) -> Iterator[TrackedVariant]:
    """Yields the variants in the order of the spec. `curves` returns the loss curves of trials by their ids."""
    of_variant: dict[str, list[Row]] = defaultdict(list)
    columns = ["trial_id", "variant_id", "seed", "status", "rmse"]
    for trial in trials.select(columns).to_pylist():
        if trial["status"] == "ok":
            of_variant[trial["variant_id"]].append(trial)
    best = {key: min(rows, key=lambda row: tuple(row[name] for name in RANK)) for key, rows in of_variant.items()}
    losses = curves([row["trial_id"] for row in best.values()])
    for row in summary.to_pylist():
        yield _variant(row, describe(row), of_variant[row["variant_id"]], best.get(row["variant_id"]), losses)


def _variant(
    row: Row, words: str, trials: Sequence[Row], best: Row | None, losses: Mapping[str, NDArray[np.float32]]
) -> TrackedVariant:
    loss_E = losses.get(best["trial_id"]) if best else None
    return TrackedVariant(
        id=row["variant_id"],
        name=f"{row['dataset']}-{row['variant_id'][:12]}",
        words=words,
        params={name: row[name] for name in ("dataset", *AXES, "parameters")},
        metrics={name: float(value) for name, value in row.items() if _is_metric(name, value)},
        tags={name: str(row[name]) for name in _TAGS if row.get(name) is not None},
        rmse=tuple(trial["rmse"] for trial in trials),
        best=best,
        loss=None if loss_E is None else (curve_epochs(row["epochs"]), loss_E),
    )


def _is_metric(name: str, value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return name not in _NOT_METRICS and is_number and math.isfinite(value)
