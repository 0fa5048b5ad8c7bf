"""Evidence that a file of an earlier version lacks, computed from the stored weights: the metrics in EVIDENCE.

Results in the store stay as they are. The numbers may differ in the last digits from those of the engine that trained.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.facts import Facts
from sumsquares.datasets.normalize import normalization
from sumsquares.datasets.rows import blocks
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.engines.forward import forward
from sumsquares.jobs.engines.metrics import measure
from sumsquares.jobs.results.models import weights_of
from sumsquares.jobs.results.stored import EVIDENCE, SCHEMA
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

log = logging.getLogger(__name__)


def with_evidence(
    store: Store, expected: Sequence[Trial], results: pa.Table, facts_of: Callable[[NamedDataset], Facts]
) -> pa.Table:
    """Return stored rows (with their column `pack`) in which no trial that is expected and ok lacks evidence.

    Where a pack's weights are damaged or gone it stays null; what is wrong with them is told elsewhere.
    """
    lacking = results.filter(pc.and_(pc.equal(results["status"], "ok"), pc.is_null(results["mae"])))
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
            found |= {trial.id: _measured(trial, own, facts_of) for trial, own in weights_of(store, pack, trials)}
        except (DataError, FileNotFoundError) as error:
            log.info("%s: no evidence from its weights", error)
    return _filled(results, found)


def _measured(
    trial: Trial, weights: dict[str, NDArray[np.floating]], facts_of: Callable[[NamedDataset], Facts]
) -> dict[str, float | None]:
    variant = trial.variant
    scale = normalization(variant.dataset, variant.normalize)
    errors = measure(
        lambda x_NI: forward(variant.activation, weights, x_NI)[np.newaxis].astype(np.float64),
        ((scale.inputs(x_NI, variant.dtype), target_N) for x_NI, target_N in blocks(variant.dataset, "test")),
        scale.restore,
        ~facts_of(variant.dataset).seen_N,
    )
    numbers = {"mae": float(errors.mae[0]), "rmse_unseen": float(errors.rmse_chosen[0])}
    assert numbers.keys() == set(EVIDENCE)
    return {name: value if np.isfinite(value) else None for name, value in numbers.items()}


def _filled(results: pa.Table, found: dict[str, dict[str, float | None]]) -> pa.Table:
    """Return the rows with these numbers in place of nulls."""
    rows = pc.index_in(results["trial_id"], value_set=pa.array(found, pa.string()))
    for name in EVIDENCE:
        values = pa.array([numbers[name] for numbers in found.values()], pa.float64())
        column = pc.coalesce(results[name], values.take(rows.combine_chunks()))
        results = results.set_column(results.schema.get_field_index(name), SCHEMA.field(name), column)
    return results
