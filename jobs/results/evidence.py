"""Computes the metrics that a file of an earlier version lacks, EVIDENCE, from its stored weights.

Results in the store stay as they are. The last digits may differ from those of the engine that trained.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.facts import Facts
from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.rows import BLOCK_ROWS
from sumsquares.datasets.spec import Split
from sumsquares.jobs.engines.choice import choose, engine
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.readout import can_solve, is_affordable
from sumsquares.jobs.engines.shuffle import CHUNK_ROWS, Chunk, Rows
from sumsquares.jobs.engines.state import flat_parameters
from sumsquares.jobs.results.defined import Normalized
from sumsquares.jobs.results.measured import Models, measure_models
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.rows_of import block_of, block_rows, blocks_of, parts_of
from sumsquares.jobs.results.scaling import scale_of
from sumsquares.jobs.results.stored import read_weights
from sumsquares.jobs.results.trial_metrics import EVIDENCE, METRICS, metrics_of
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

log = logging.getLogger(__name__)
_LATER = [metric for metric in METRICS if metric.name in EVIDENCE and metric.source != "losses"]
_SOURCES = {metric.source for metric in _LATER}
assert CHUNK_ROWS % BLOCK_ROWS == 0


def with_evidence(
    store: Store, expected: Sequence[Trial], results: pa.Table, facts_of: Callable[[Named], Facts]
) -> pa.Table:
    """Returns stored rows (with their column `pack`) with evidence for every expected trial that is ok.

    It stays null where a pack's weights are damaged or gone, which is reported elsewhere.
    """
    packs = _lacking(expected, results)
    found: dict[str, dict[str, float | None]] = {}
    for pack, trials in packs.items():
        try:
            found |= _measured(store, pack, trials, facts_of)
        except (DataError, FileNotFoundError) as error:
            log.info("%s: no evidence from its weights", error)
    return _filled(results, found) if found else results


def _lacking(expected: Sequence[Trial], results: pa.Table) -> dict[str, list[Trial]]:
    """Returns the trials that lack a metric which every trial that is ok has, or which costs little, by pack."""
    required = [metric.name for metric in _LATER if not metric.is_optional]
    is_null = {name: pc.is_null(results[name]) for name in (*required, "rmse_solved")}
    lacks = is_null["rmse_solved"]
    for name in required:
        lacks = pc.or_(lacks, is_null[name])
    candidates = results.filter(pc.and_(pc.equal(results["status"], "ok"), lacks))
    packs: dict[str, list[Trial]] = defaultdict(list)
    if not len(candidates):
        return packs
    by_id = {trial.id: trial for trial in expected}
    for row in candidates.select(["trial_id", "pack", *required]).to_pylist():
        trial = by_id.get(row["trial_id"])
        if trial is not None and (None in row.values() or _is_solvable(program_of(trial.variant))):
            packs[row["pack"]].append(trial)
    return packs


def _is_solvable(program: Program) -> bool:
    return can_solve(program) and is_affordable(program)


@dataclass(frozen=True)
class _AnyRows:
    """The rows of a dataset, made from its spec, so that the store need not have them, or a table's stored ones."""

    store: Store
    dataset: Named
    scale: Normalization
    facts_of: Callable[[Named], Facts]

    @property
    def parts(self) -> tuple[Split, ...]:
        """The splits that have rows: tables have no extrapolation."""
        return parts_of(self.dataset)

    def training_rows(self, dtype: str) -> Rows:
        """Returns the train split, normalised, one chunk at a time."""

        def chunk(index: int) -> Chunk:
            first, rows = index * CHUNK_ROWS, min(CHUNK_ROWS, self.dataset.rows - index * CHUNK_ROWS)
            size = block_rows(self.dataset)
            blocks = range(first // size, -(-(first + rows) // size))
            made = [block_of(self.store, self.dataset, "train", block) for block in blocks]
            inputs_NI, target_N = (np.concatenate(parts) for parts in zip(*made, strict=True))
            return self.scale.inputs(inputs_NI, dtype), self.scale.target(target_N, dtype)

        return Rows(self.dataset.rows, chunk)

    def evaluation_rows(self, split: Split, dtype: str) -> Iterator[Normalized]:
        """Yields normalised inputs and raw targets of a split."""
        for inputs_NI, target_N in blocks_of(self.store, self.dataset, split):
            yield self.scale.inputs(inputs_NI, dtype), target_N

    def unseen(self) -> NDArray[np.bool_]:
        """Returns for each of the first test rows whether it is not among the training rows."""
        return ~self.facts_of(self.dataset).seen_N


def _measured(
    store: Store, pack: str, trials: Sequence[Trial], facts_of: Callable[[Named], Facts]
) -> dict[str, dict[str, float | None]]:
    """Computes EVIDENCE for trials of one pack, by trial id."""
    variant = trials[0].variant
    program = program_of(variant)
    tensors, ids = read_weights(store, pack)
    places = [ids.index(trial.id) for trial in trials]
    chosen = {name: stacked[places] for name, stacked in tensors.items()}
    models = Models(program, flat_parameters(program, chosen))
    rows = _AnyRows(store, variant.dataset, scale_of(store, variant), facts_of)
    predictor = engine(choose("auto", "cpu")).predictor
    measured = measure_models(models, variant.readout, None, rows, predictor, _SOURCES)
    values = metrics_of(measured.sources, len(trials), _LATER, program.loss)
    return {
        trial.id: {name: _or_none(float(values_M[index])) for name, values_M in values.items()}
        for index, trial in enumerate(trials)
    }


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _filled(results: pa.Table, found: dict[str, dict[str, float | None]]) -> pa.Table:
    """Returns the rows with these numbers in place of nulls."""
    rows = pc.index_in(results["trial_id"], value_set=pa.array(found, pa.string()))
    for name in (metric.name for metric in _LATER):
        values = pa.array([numbers[name] for numbers in found.values()], pa.float64())
        column = pc.coalesce(results[name], values.take(rows.combine_chunks()))
        results = results.set_column(results.schema.get_field_index(name), SCHEMA.field(name), column)
    return results
