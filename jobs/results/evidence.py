"""Computes the metrics that a file of an earlier version lacks, EVIDENCE, from its stored weights.

Results in the store stay as they are. The last digits may differ from those of the engine that trained.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.facts import Facts
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.predict import errors_on
from sumsquares.jobs.results.trial_metrics import EVIDENCE, METRICS
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

log = logging.getLogger(__name__)
_LATER = [metric for metric in METRICS if metric.name in EVIDENCE]


def with_evidence(
    store: Store, expected: Sequence[Trial], results: pa.Table, facts_of: Callable[[NamedDataset], Facts]
) -> pa.Table:
    """Returns stored rows (with their column `pack`) with evidence for every expected trial that is ok.

    It stays null where a pack's weights are damaged or gone, which is reported elsewhere.
    """
    lacks = reduce(pc.or_, (pc.is_null(results[metric.name]) for metric in _LATER if not metric.is_optional))
    lacking = results.filter(pc.and_(pc.equal(results["status"], "ok"), lacks))
    if not len(lacking):
        return results
    by_id = {trial.id: trial for trial in expected}
    packs = defaultdict(list)
    for row in lacking.select(["trial_id", "pack"]).to_pylist():
        if row["trial_id"] in by_id:
            packs[row["pack"]].append(by_id[row["trial_id"]])
    found: dict[str, dict[str, float | None]] = {}
    for pack, trials in packs.items():
        try:
            found |= _measured(store, pack, trials, facts_of)
        except (DataError, FileNotFoundError) as error:
            log.info("%s: no evidence from its weights", error)
    return _filled(results, found)


def _measured(
    store: Store, pack: str, trials: Sequence[Trial], facts_of: Callable[[NamedDataset], Facts]
) -> dict[str, dict[str, float | None]]:
    """Computes EVIDENCE for trials of one pack, by trial id."""
    dataset = trials[0].variant.dataset
    unseen_N = ~facts_of(dataset).seen_N
    errors = {
        split: errors_on(store, pack, trials, dataset, split, unseen_N if split == "test" else None)
        for split in {metric.split for metric in _LATER}
    }
    values = {metric.name: metric.of(errors[metric.split]) for metric in _LATER}
    return {
        trial.id: {name: _or_none(float(values_M[index])) for name, values_M in values.items()}
        for index, trial in enumerate(trials)
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _filled(results: pa.Table, found: dict[str, dict[str, float | None]]) -> pa.Table:
    """Returns the rows with these numbers in place of nulls."""
    rows = pc.index_in(results["trial_id"], value_set=pa.array(found, pa.string()))
    for name in EVIDENCE:
        values = pa.array([numbers[name] for numbers in found.values()], pa.float64())
        column = pc.coalesce(results[name], values.take(rows.combine_chunks()))
        results = results.set_column(results.schema.get_field_index(name), SCHEMA.field(name), column)
    return results
