"""The plan of a run: which datasets, trials and packs a spec asks for, and which of them the store has already.

Making it reads the store and changes nothing; `run.py` carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from jobs.generation import DatasetPlan, plan_dataset
from jobs.packs import Pack, plan_packs
from jobs.results.stored import Problem, read_results
from jobs.spec.job_spec import JobSpec
from jobs.spec.variants import Trial, trials
from jobs.storage.store import Store

RETRAINED = ("damaged", "weights")
"""Kinds of problems after which a pack's trials are trained anew: its file, or its weights, can't be used."""


@dataclass(frozen=True)
class Plan:
    """What there is to do."""

    spec: JobSpec
    datasets: tuple[DatasetPlan, ...]
    trials: tuple[Trial, ...]
    """All that the spec asks for."""
    todo: tuple[Trial, ...]
    """Those that have no result yet."""
    results: pa.Table
    """All usable rows of the store."""
    problems: tuple[Problem, ...]
    """What is wrong with stored results."""

    @property
    def left(self) -> int:
        """Trials to train."""
        return len(self.todo)

    def packs(self, device: str) -> list[Pack]:
        """The trials to train in packs that suit the device, the longest first."""
        return plan_packs(self.todo, device)

    @property
    def variants(self) -> int:
        """Distinct variants of all trials."""
        return len({trial.variant.digest for trial in self.trials})

    @property
    def rows_left(self) -> int:
        """Rows of datasets to make or to check."""
        return sum(dataset.rows for dataset in self.datasets)


def make_plan(spec: JobSpec, store: Store) -> Plan:
    """Compares what the spec asks for with what the store has."""
    wanted = trials(spec)
    used = {trial.variant.dataset.name for trial in wanted}
    datasets = tuple(plan_dataset(store, dataset) for dataset in spec.datasets if dataset.name in used)
    stored = read_results(store)
    broken = {problem.path for problem in stored.problems if problem.kind in RETRAINED}
    usable = _without(stored.table, broken)
    done = set(usable["trial_id"].to_pylist())
    todo = tuple(trial for trial in wanted if trial.id not in done)
    return Plan(spec, datasets, tuple(wanted), todo, usable, stored.problems)


def _without(table: pa.Table, broken: set[str]) -> pa.Table:
    packs: Sequence[str] = table["pack"].to_pylist()
    return table.filter(pa.array([f"trials/{pack}.parquet" not in broken for pack in packs], pa.bool_()))
