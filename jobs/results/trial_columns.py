"""The columns of trials' rows that their variants decide, made by column: a pack may have thousands of trials.

Suffixes: M trials.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.pack_files import SCHEMA, cell
from sumsquares.jobs.spec.axes import DEFAULTS
from sumsquares.jobs.spec.distinct import distinct
from sumsquares.jobs.spec.variants import Trial, Variant


def trial_columns(trials: Sequence[Trial]) -> dict[str, pa.Array]:
    """Returns the columns for these trials; what several of them share is computed once."""
    variants, place_M = distinct([trial.variant for trial in trials])
    places = pa.array(place_M, pa.int64())
    columns = columns_of(variants)
    return {name: pa.array(values, SCHEMA.field(name).type).take(places) for name, values in columns.items()}


def variant_columns(variant: Variant) -> dict[str, Any]:
    """Returns the columns for one variant."""
    return {name: values[0] for name, values in columns_of([variant]).items()}


def columns_of(variants: Sequence[Variant]) -> dict[str, list[Any]]:
    """Returns the columns for many variants, in the order of a row."""
    datasets, places = distinct([variant.dataset for variant in variants])
    first_of = dict(zip(reversed(places), reversed(variants), strict=True))

    def of_dataset(value: Callable[[Variant], str | None]) -> list[str | None]:
        values = [value(first_of[place]) for place in range(len(datasets))]
        return [values[place] for place in places]

    return {
        "variant_id": [variant.group for variant in variants],
        "dataset": of_dataset(lambda variant: variant.dataset.name),
        "dataset_digest": of_dataset(_whole_digest),
        "task": of_dataset(_target_of),
        **{name: [cell(getattr(variant, name)) for variant in variants] for name in DEFAULTS},
        "split": of_dataset(lambda variant: variant.dataset.split),
        "parameters": [variant.parameters for variant in variants],
    }


def _whole_digest(variant: Variant) -> str:
    """Returns the digest of the dataset with all its splits: of generated rows the one that is kept (10 us)."""
    return variant.dataset.whole.digest if isinstance(variant.dataset, TableSplit) else variant.dataset_digest


def _target_of(variant: Variant) -> str | None:
    dataset = variant.dataset
    return dataset.table.target if isinstance(dataset, TableSplit) else dataset.task or dataset.formula
