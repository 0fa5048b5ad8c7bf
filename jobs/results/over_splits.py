"""RMSEs of trials on several splits of a table, made comparable: splits differ in how hard their test rows are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

ByVariant = dict[str, list[float]]


def rmse_by_variant(trials: pa.Table) -> ByVariant:
    """Returns the RMSEs of each variant's trials that are ok, by its id."""
    known = trials.filter(pc.is_valid(trials["rmse"]))
    found: ByVariant = defaultdict(list)
    for variant, rmse in zip(known["variant_id"].to_pylist(), known["rmse"].to_pylist(), strict=True):
        found[variant].append(rmse)
    return found


def over_lowest(trials: pa.Table, datasets: Collection[str]) -> ByVariant:
    """Returns the same of the variants on these datasets, each RMSE over the lowest of its variant on its split."""
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in _known(trials, datasets):
        groups[row["variant_id"], row["split"]].append(row["rmse"])
    found: ByVariant = defaultdict(list)
    for (variant, _), rmse in groups.items():
        lowest = min(rmse)
        found[variant] += [value / lowest if lowest else math.inf if value else 1.0 for value in rmse]
    return found


def without_splits(trials: pa.Table, datasets: Collection[str]) -> ByVariant:
    """Returns the same, each RMSE over the geometric mean of its split, times that of all splits.

    What is left differs by variant and seed, not by split.
    """
    rows = _known(trials, datasets)
    groups: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        if row["rmse"]:
            groups[row["dataset"], row["split"]].append(math.log(row["rmse"]))
    mean_of = {key: fmean(logs) for key, logs in groups.items()}
    whole = {name: fmean(mean for (dataset, _), mean in mean_of.items() if dataset == name) for name, _ in mean_of}
    found: ByVariant = defaultdict(list)
    for row in rows:
        key = (row["dataset"], row["split"])
        factor = math.exp(whole[key[0]] - mean_of[key]) if row["rmse"] else 1.0
        found[row["variant_id"]].append(row["rmse"] * factor)
    return found


def _known(trials: pa.Table, datasets: Collection[str]) -> list[dict[str, Any]]:
    is_one = pc.and_(pc.is_in(trials["dataset"], pa.array(datasets, pa.string())), pc.is_valid(trials["rmse"]))
    rows: list[dict[str, Any]] = trials.filter(is_one).select(["variant_id", "dataset", "split", "rmse"]).to_pylist()
    return rows
