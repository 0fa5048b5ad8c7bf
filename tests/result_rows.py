"""Trials and result rows for tests: made up, as if some engine had trained them."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results.pack_files import SCHEMA, pack_id_of
from sumsquares.jobs.results.stored import commit_pack
from sumsquares.jobs.results.trial_columns import variant_columns
from sumsquares.jobs.results.trial_metrics import METRIC_NAMES
from sumsquares.jobs.spec.variants import Trial, Variant
from sumsquares.jobs.storage.store import Store

SUMS = NamedDataset(name="sums", task="sum", largest=1000, rows=1000)
SQUARES = NamedDataset(name="squares", task="square", largest=1000, rows=1000)


def variant(dataset: NamedDataset = SUMS, **changes: Any) -> Variant:
    """A variant with one hidden layer and default hyperparameters, except those given."""
    return Variant(dataset=dataset, **{"hidden": (16,), **changes})


def row_of(trial: Trial, **changes: Any) -> dict[str, Any]:
    """A result of the trial with metrics drawn from its id, except the columns given."""
    draw = random.Random(trial.id).random  # noqa: S311  no secret
    return {
        **variant_columns(trial.variant),
        "trial_id": trial.id,
        "seed": trial.seed,
        "status": "ok",
        **{name: draw() for name in METRIC_NAMES},
        "steps": 5000,
        "train_seconds": 0.25,
        "engine": "torch",
        "device": "cpu",
        **changes,
    }


def by_column(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The rows of a pack as its columns."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def commit(store: Store, rows: Sequence[dict[str, Any]], tensors: Mapping[str, Any] | None = None) -> str:
    """Commits a pack of these rows, with zero weights by default, and returns its id."""
    pack = pack_id_of(row["trial_id"] for row in rows)
    commit_pack(store, pack, by_column(rows), tensors or {"0.weight": np.zeros((len(rows), 1, 1))})
    return pack


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """What read_results returns for these rows, without the column `pack`."""
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)
