"""Scores: all trials of a night, measured on the evaluation rows that every night of its spec shares.

Evaluation rows are the test split of the dataset as the spec names it. A night without fresh data was measured on them
when it was trained; one with fresh data is measured here. RMSEs are stored in nightly/<night>/scores.parquet and
measured again if that is damaged. They are compared in the units of their datasets, by results/gate.py. If a table has
other rows than the champion's had, both nights are measured on the rows of common.py instead.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.night.champion import recovery
from sumsquares.jobs.night.context import ResultsCache
from sumsquares.jobs.night.names import trial_name
from sumsquares.jobs.night.names import variant_name as variant_name
from sumsquares.jobs.night.nights import Night, folder_of
from sumsquares.jobs.night.records import stored_night
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.results.described import SOLVED
from sumsquares.jobs.results.gate import Scores
from sumsquares.jobs.results.predict import errors_on
from sumsquares.jobs.results.scale import RESOLUTION, diverged_from, limit_of, unit_of
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import Trial, Variant, trials
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import Store


def scores_path(night: str) -> str:
    """Returns the path of a night's scores."""
    return f"{folder_of(night)}/scores.parquet"


def make_scores(store: Store, night: Night, read: ResultsCache) -> tuple[Scores, str]:
    """Measures a night and stores the result; returns it with its SHA-256.

    Raises:
        DamagedRecord: some of its trials are not in the store.

    """
    table, data = measure_night(store, night, read)
    store.put(scores_path(night.id), data)
    return _scores(table, units_in(store, night)), hashlib.sha256(data).hexdigest()


def units_in(store: Store, night: Night) -> list[float]:
    """Returns the unit of each of a night's scores."""
    return [unit_in(store, trial.variant.dataset) for trial in trials(night.spec)]


def measure_night(store: Store, night: Night, read: ResultsCache) -> tuple[pa.Table, bytes]:
    """Measures a night without storing anything; returns the table and its file. Raises as `make_scores` does."""
    pairs, found = trained_pairs(store, night, read)
    if night.fresh:
        rows_of = {trained.id: own.variant.dataset for own, trained in pairs}
        rmse = _measured(store, [(trained, found[trained.id]) for _, trained in pairs], rows_of)
    else:
        rmse = {trained.id: found[trained.id]["rmse"] for _, trained in pairs}
    table = _table(store, pairs, rmse, {trained.id: own.variant.dataset for own, trained in pairs})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return table, sink.getvalue()


def measure_on(store: Store, night: Night, rows: Mapping[str, Dataset], read: ResultsCache) -> Scores:
    """Measures a night's trials on the test rows in `rows`, by the name of their dataset; stores nothing.

    Raises:
        DamagedRecord: some of its trials are not in the store.

    """
    pairs, found = trained_pairs(store, night, read)
    pairs = [(own, trained) for own, trained in pairs if own.variant.dataset.name in rows]
    rows_of = {trained.id: rows[own.variant.dataset.name] for own, trained in pairs}
    rmse = _measured(store, [(trained, found[trained.id]) for _, trained in pairs], rows_of)
    units = [unit_in(store, rows_of[trained.id]) for _, trained in pairs]
    return _scores(_table(store, pairs, rmse, rows_of), units)


def read_scores(store: Store, night: str, sha256: str) -> Scores | None:
    """Returns the stored scores of a night; None if they are gone, damaged, or not those of its trials."""
    try:
        data, found = store.get(scores_path(night)), stored_night(store, night)
    except (FileNotFoundError, DamagedRecord):
        return None
    if found is None or hashlib.sha256(data).hexdigest() != sha256:
        return None
    names, limits, units = _trials_of(store.root, found.spec.stored_text)
    try:
        table = pq.read_table(pa.BufferReader(data))
        return _scores(table, units, limits) if table["trial"].to_pylist() == names else None
    except (pa.ArrowException, LookupError, TypeError):  # an intact digest of something else
        return None


@lru_cache(maxsize=2)  # the nights of a history mostly have one spec
def _trials_of(root: str, source: bytes) -> tuple[list[str], list[float], list[float]]:
    """Returns the names of a spec's trials in its nights' scores, and the limit and the unit of each one's RMSE."""
    wanted = trials(parse_spec(source, "the spec of a night", max_trials=2**63))
    named = {trial.variant: variant_name(trial.variant) for trial in wanted}
    names = [trial_name(named[trial.variant], trial) for trial in wanted]
    limits, units = ([each(Store(root), trial.variant.dataset) for trial in wanted] for each in (_limit_in, unit_in))
    return names, limits, units


def unit_in(store: Store, dataset: Dataset) -> float:
    """Returns the unit in which RMSEs on a dataset are compared; of a table it follows from the split's test rows."""
    return _of_table(store.root, dataset)[0] if isinstance(dataset, TableSplit) else unit_of(dataset)


def _limit_in(store: Store, dataset: Dataset) -> float:
    """Returns the RMSE above which a trial on this dataset's test rows counts as diverged."""
    return _of_table(store.root, dataset)[1] if isinstance(dataset, TableSplit) else diverged_from(dataset)


@lru_cache(maxsize=1024)
def _of_table(root: str, split: TableSplit) -> tuple[float, float]:
    """Returns the unit of a split's RMSEs, and their limit."""
    facts = facts_of(Store(root), split, keeps=False)
    assert facts.test_target_std is not None, "facts of tables have it"
    unit = 1.0 if split.has_integer_target else SOLVED / RESOLUTION * facts.test_target_std or 1.0
    return unit, limit_of(facts.largest_target)


def without_result(scores: Scores, given: Iterable[Variant]) -> list[str]:
    """Returns the names of the datasets of which all trials diverged."""
    whole = set(scores.variant_T[np.isfinite(scores.rmse_T)].tolist())
    found: dict[str, bool] = {}
    for variant in given:
        found[variant.dataset.name] = found.get(variant.dataset.name, False) or variant_name(variant) in whole
    return sorted(name for name, has_result in found.items() if not has_result)


def trained_pairs(
    store: Store, night: Night, read: ResultsCache
) -> tuple[list[tuple[Trial, Trial]], dict[str, dict[str, Any]]]:
    """Returns a night's trials, each as given and as trained, and the stored results of the latter."""
    pairs = list(zip(trials(night.spec), trials(night.trained), strict=True))
    stored = read(store).table.select(["trial_id", "pack", "status", "rmse"])
    wanted = pa.array([trained.id for _, trained in pairs])
    found = {row["trial_id"]: row for row in stored.filter(pc.is_in(stored["trial_id"], wanted)).to_pylist()}
    if lost := [trained.id for _, trained in pairs if trained.id not in found]:
        again = "start this night again with its spec and --date: it trains them first, those of the champion too"
        if night.spec.is_earlier:
            again = f"an earlier version trained them, so they can't be made again: {recovery(store, night.id)}"
        raise DamagedRecord(f"{counted(len(lost), 'result')} of night {night.id} not in the store: {again}")
    return pairs, found


def _table(
    store: Store, pairs: Sequence[tuple[Trial, Trial]], rmse: Mapping[str, float | None], rows_of: Mapping[str, Dataset]
) -> pa.Table:
    """Returns the scores of pairs as given and as trained; `rows_of` has the dataset each was measured on."""
    named = {trial.variant: variant_name(trial.variant) for trial, _ in pairs}
    return pa.table(
        {
            "trial": [trial_name(named[own.variant], own) for own, _ in pairs],
            "variant": [named[own.variant] for own, _ in pairs],
            "rmse": pa.array([or_infinite(store, rmse[own.id], rows_of[own.id]) for _, own in pairs], pa.float64()),
        }
    )


def _scores(table: pa.Table, units: Sequence[float], limits: Sequence[float] = ()) -> Scores:
    """Returns stored RMSEs in the units of their datasets; beyond its limit one is infinite, as of a diverged trial."""
    trial_T, variant_T = (np.array(table[name].to_pylist(), np.str_) for name in ("trial", "variant"))
    rmse_T = table["rmse"].to_numpy()
    rmse_T = np.where(rmse_T > np.array(limits), np.inf, rmse_T) if limits else rmse_T
    return Scores(trial_T, variant_T, rmse_T / np.array(units))


def _measured(
    store: Store, trained: Sequence[tuple[Trial, dict[str, Any]]], rows_of: Mapping[str, Dataset]
) -> dict[str, float | None]:
    """Returns the RMSE of each trained trial on the test split of its dataset in `rows_of`; None if it diverged."""
    rmse: dict[str, float | None] = {trial.id: None for trial, _ in trained}
    together: dict[tuple[str, str], list[Trial]] = {}
    for trial, row in trained:
        if row["status"] == "ok":
            together.setdefault((str(row["pack"]), rows_of[trial.id].digest), []).append(trial)
    for (pack, _), mates in together.items():
        errors = errors_on(store, pack, mates, rows_of[mates[0].id], "test")
        rmse |= zip((trial.id for trial in mates), errors.rmse.tolist(), strict=True)
    return rmse


def or_infinite(store: Store, rmse: float | None, dataset: Dataset) -> float:
    """Returns the RMSE of a trial on a dataset's test rows; infinite if it diverged."""
    return rmse if rmse is not None and rmse <= _limit_in(store, dataset) else math.inf
