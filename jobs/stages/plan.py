"""The plan of a run: which datasets, trials and packs a spec asks for, and which of them the store has already.

Making it reads the store and changes nothing; `pipeline/run.py` carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.jobs.engines.choice import choose
from sumsquares.jobs.results.stored import Problem, Results, is_in, read_trials
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.checkpoints import saved_packs
from sumsquares.jobs.stages.generate import DatasetPlan, plan_dataset, rows_of
from sumsquares.jobs.stages.packs import Pack, plan_packs
from sumsquares.jobs.storage.store import Store

RETRAINED = ("damaged", "weights")
"""Kinds of problems after which a pack's trials are trained anew: its file, or its weights, can't be used."""
PACK_BYTES_PER_TRIAL = 1_500
"""Of the two files of a pack: measured 101,821 bytes for 70 trials of 1-16-16-1."""


@dataclass(frozen=True)
class Plan:
    """What there is to do."""

    spec: JobSpec
    datasets: tuple[DatasetPlan, ...]
    trials: tuple[Trial, ...]
    """All that the spec asks for."""
    todo: tuple[Trial, ...]
    """Those that have no result yet."""
    begun: tuple[Pack, ...]
    """Packs of them that have a saved state to go on from."""
    replaced: tuple[str, ...]
    """Files of packs that can't be used any more, and that hold nothing but trials of this plan."""
    problems: tuple[Problem, ...]
    """What is wrong with stored results."""
    _packs: dict[str, list[Pack]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def left(self) -> int:
        """Trials to train."""
        return len(self.todo)

    def packs(self, device: str) -> list[Pack]:
        """The trials to train, the longest first: those with a saved state as they were, others to suit the device."""
        if device not in self._packs:
            begun = {trial.id for pack in self.begun for trial in pack.trials}
            engine = choose(self.spec.engine, device)
            fresh = plan_packs((trial for trial in self.todo if not begun or trial.id not in begun), device, engine)
            old = [replace(pack, engine=engine) for pack in self.begun]
            self._packs[device] = sorted([*old, *fresh], key=lambda pack: (-pack.seconds, pack.id))
        return self._packs[device]

    @property
    def variants(self) -> int:
        """Distinct variants of all trials."""
        return len({trial.variant.digest for trial in self.trials})

    @property
    def bytes_needed(self) -> int:
        """What the run will write at most, roughly: 8 bytes for every number of a row, and the packs."""
        rows = sum(8 * rows_of(task) * (each.dataset.inputs + 1) for each in self.datasets for task in each.tasks)
        return rows + PACK_BYTES_PER_TRIAL * self.left

    @property
    def rows_left(self) -> int:
        """Rows of datasets to make or to check."""
        return sum(dataset.rows for dataset in self.datasets)


def make_plan(spec: JobSpec, store: Store, read: Callable[[Store], Results] = read_trials) -> Plan:
    """Compares what the spec asks for with what the store has; `read` finds that out."""
    wanted = trials(spec)
    used = {trial.variant.dataset.name for trial in wanted}
    datasets = tuple(plan_dataset(store, dataset) for dataset in spec.datasets if dataset.name in used)
    stored = read(store)
    broken = [problem for problem in stored.problems if problem.kind in RETRAINED]
    rows = stored.table.select(["trial_id", "pack"])
    in_broken = is_in(rows, broken)
    done = set(rows["trial_id"].filter(pc.invert(in_broken)).to_pylist())
    todo = tuple(trial for trial in wanted if trial.id not in done) if done else tuple(wanted)
    return Plan(
        spec=spec,
        datasets=datasets,
        trials=tuple(wanted),
        todo=todo,
        begun=_begun(store, todo),
        replaced=_replaced({problem.path for problem in broken}, rows.filter(in_broken), todo) if broken else (),
        problems=stored.problems,
    )


def _begun(store: Store, todo: Sequence[Trial]) -> tuple[Pack, ...]:
    """Packs whose saved states can be gone on from: all of their trials are still to be trained."""
    saved = saved_packs(store)
    by_id = {trial.id: trial for trial in todo} if saved else {}
    whole = (ids for ids in saved if all(trial_id in by_id for trial_id in ids))
    return tuple(Pack(tuple(by_id.pop(trial_id) for trial_id in ids)) for ids in whole)


def _replaced(broken: set[str], rows: pa.Table, todo: Sequence[Trial]) -> tuple[str, ...]:
    """The broken files of which no other spec needs a row."""
    ours = {trial.id for trial in todo}
    needed = {
        f"trials/{pack}.parquet"
        for pack, trial in zip(rows["pack"].to_pylist(), rows["trial_id"].to_pylist(), strict=True)
        if trial not in ours
    }
    return tuple(sorted(broken - needed))
