"""Names of variants and trials in the scores of nights: the same on every night of a spec, and in every release.

Ids differ where the rows do, and a table has other rows every night if its file grows. So its content is no part of
these names.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sumsquares.datasets.tables.table import TableDataset, TableSplit
from sumsquares.jobs.results.trial_columns import variant_columns
from sumsquares.jobs.spec.axes import LATER
from sumsquares.jobs.spec.variants import Trial, Variant


def variant_name(variant: Variant) -> str:
    """Returns a name for what is trained and the rows it is measured on, of a table over all its splits."""
    left_out = {"variant_id", "dataset", "split", "parameters"} | set(LATER).difference(variant.in_digests)
    kept = {name: value for name, value in variant_columns(variant).items() if name not in left_out}
    if isinstance(variant.dataset, TableSplit):
        kept["dataset_digest"] = _asked(variant.dataset.table)
    return _short_digest(kept)


def trial_name(variant: str, trial: Trial) -> str:
    """Returns the name of a trial from that of its variant; its seed is at the end."""
    split = trial.variant.dataset.split
    return f"{variant}-{trial.seed}" if split is None else f"{variant}-{split}-{trial.seed}"


def _asked(table: TableDataset) -> str:
    """Returns a name for what is asked of a table and how its rows are held out, whatever rows it has."""
    inputs = sorted({(each.column, each.category is not None) for each in table.input_columns})
    held_out = {name: getattr(table, name) for name in ("test", "folds", "validation", "missing", "seed")}
    return _short_digest({"name": table.name, "target": table.target, "inputs": inputs, **held_out})


def _short_digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
