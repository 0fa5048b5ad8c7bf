"""Baselines beside the networks in a summary: over all splits of each dataset, as the networks are."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from sumsquares.datasets.dataset import Dataset, Whole
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.results.baselines import Baseline
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.spec.variants import Trial


def with_baselines(summary: Summary, expected: Iterable[Trial], of: Callable[[Dataset], Sequence[Baseline]]) -> Summary:
    """Returns the summary with `baselines` in each of its datasets."""
    wholes = {trial.variant.dataset.name: trial.variant.dataset.whole for trial in expected}
    return replace(
        summary,
        datasets={name: {**about, "baselines": rows_of(wholes[name], of)} for name, about in summary.datasets.items()},
    )


def rows_of(whole: Whole, of: Callable[[Dataset], Sequence[Baseline]]) -> list[dict[str, Any]]:
    """Returns one row per baseline, the best first: statistics of its RMSE over the splits, and that of each.

    `rows` is the number of training rows that it was fitted to, in the split with the fewest. A baseline that some
    split lacks is left out, and of a table without test rows all are.
    """
    if isinstance(whole, TableDataset) and whole.test == 0:
        return []  # there are no test rows
    of_splits = [{each.name: each for each in of(split)} for split in whole.splits]
    names = [name for name in of_splits[0] if all(name in found for found in of_splits)]
    return sorted((_row([found[name] for found in of_splits]) for name in names), key=lambda row: row["rmse_mean"])


def _row(splits: Sequence[Baseline]) -> dict[str, Any]:
    rmse = [each.rmse for each in splits]
    return {
        "name": splits[0].name,
        "rmse_mean": statistics.fmean(rmse),
        "rmse_median": statistics.median(rmse),
        "rmse_std": statistics.stdev(rmse) if len(rmse) > 1 else None,
        "rmse_of_splits": rmse,
        "rows": min(each.rows for each in splits),
        "version": splits[0].version,
    }
