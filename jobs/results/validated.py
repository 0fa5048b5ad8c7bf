"""The variant that validation rows choose, and what it is worth on test rows, which have no say in it. No files.

Two runs of the same variants on the same splits go in: one measured on the test rows of each split, and one that was
trained on less and measured on validation rows, a part of the split's training rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow.compute as pc

from sumsquares.jobs.results.case import Row
from sumsquares.jobs.results.student_t import student_t975
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.spec.axes import AXES

_Point = tuple[object, ...]
"""The hyperparameters of a variant, by which it is found in both runs."""
_BySplit = Mapping[str | None, float]
"""Mean RMSE over seeds by split; infinite if a trial diverged or is missing."""


@dataclass(frozen=True)
class Measured:
    """RMSE on the test rows of each split."""

    rmse: tuple[float, ...]
    """Means over seeds, in the order of the splits."""

    @property
    def mean(self) -> float:
        """Over the splits."""
        return fmean(self.rmse)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's 95 % confidence interval of the mean, not below 0; None for one split."""
        half = half_interval(self.rmse)
        return None if half is None else (max(0.0, self.mean - half), self.mean + half)

    @property
    def facts(self) -> dict[str, Any]:
        """It for --json."""
        return {"rmse_mean": self.mean, "ci95": self.interval, "rmse": self.rmse}


@dataclass(frozen=True)
class Choice:
    """The chosen variant."""

    row: Row
    """Its row in the summary of the run on test rows."""
    validation_rmse: float
    """Mean over the splits on validation rows: the lowest of all variants."""
    chosen: Measured
    """On test rows. Each row of the table was a validation row in other splits, so this may be slightly too low."""
    anew: Measured
    """On test rows, of the variant that the split's own validation rows choose: no row of a test set has a say."""
    splits: tuple[str | None, ...]


def half_interval(values: Sequence[float]) -> float | None:
    """Returns half the width of Student's 95 % confidence interval of a mean, or None for fewer than two values."""
    if len(values) < 2:
        return None
    return float(student_t975(np.array([len(values) - 1]))[0] * np.std(values, ddof=1) / math.sqrt(len(values)))


def choose(tested: Summary, validated: Summary, name: str) -> Choice | None:
    """Returns the variant of a dataset with the lowest mean RMSE on validation rows, or None if there is none.

    A variant of which a trial diverged or is missing, in either run, is not chosen. Ties go to the fewer parameters,
    then to the first of the spec.
    """
    on_test, on_validation = _of_run(tested, name), _of_run(validated, name)
    whole = [point for point in on_test if _is_whole(on_test[point]) and _is_whole(on_validation.get(point, {}))]
    if not whole:
        return None
    rows = {_point(row): row for row in _rows(tested, name)}

    def rank(point: _Point) -> tuple[float, int]:
        return fmean(on_validation[point].values()), rows[point]["parameters"]

    best = min(whole, key=rank)
    splits = tuple(on_test[best])
    own = [min(whole, key=lambda point: (on_validation[point][split], rows[point]["parameters"])) for split in splits]
    anew = tuple(on_test[point][split] for point, split in zip(own, splits, strict=True))
    return Choice(rows[best], rank(best)[0], Measured(tuple(on_test[best].values())), Measured(anew), splits)


def _of_run(summary: Summary, name: str) -> dict[_Point, _BySplit]:
    """Returns what each variant of a dataset reached, in the order of the spec."""
    about = summary.datasets[name]
    seeds_of: dict[str, dict[str | None, list[float]]] = {}
    trials = summary.trials.filter(pc.equal(summary.trials["dataset"], name))
    for row in trials.select(["variant_id", "split", "rmse"]).to_pylist():
        rmse = math.inf if row["rmse"] is None else row["rmse"]
        seeds_of.setdefault(row["variant_id"], {}).setdefault(row["split"], []).append(rmse)
    splits = list(dict.fromkeys(split for found in seeds_of.values() for split in found))
    per_split = about["trials"]["total"] / (about["variants"] * max(1, len(splits)))
    return {
        _point(row): {
            split: fmean(seeds)
            if len(seeds := seeds_of.get(row["variant_id"], {}).get(split, [])) == per_split
            else math.inf
            for split in splits
        }
        for row in _rows(summary, name)
    }


def _rows(summary: Summary, name: str) -> list[Row]:
    return list(summary.table.filter(pc.equal(summary.table["dataset"], name)).to_pylist())


def _point(row: Row) -> _Point:
    return tuple(row[axis] for axis in AXES)


def _is_whole(by_split: _BySplit) -> bool:
    return bool(by_split) and all(map(math.isfinite, by_split.values()))
