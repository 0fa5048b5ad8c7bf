"""The plan of a run: the datasets, trials and packs that a spec asks for, and which of them the store already has.

Planning only reads the store; `pipeline/run.py` runs the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.jobs.engines.choice import Choice, choose, device_of, expect
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.results.earlier import count_earlier
from sumsquares.jobs.results.pack_files import ids_inside
from sumsquares.jobs.results.stored import Problem, Results, is_in, read_trials
from sumsquares.jobs.spec.distinct import distinct
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.checkpoints import checkpointed_packs
from sumsquares.jobs.stages.generate import AnyPlan, plan_any
from sumsquares.jobs.stages.packs import Pack, plan_packs
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store

RETRAINED = ("damaged", "weights")
"""Kinds of problems that are solved by training: a pack whose file or weights are unusable is trained again."""
TRIAL_BYTES = 350
"""Size per trial of a pack's two files, beside its weights; measured: 107 for 70 trials of 5,000 steps, 145 for 10,000,
and up to 50 points of a loss curve are 200."""


@dataclass(frozen=True)
class Plan:
    """The work of a run."""

    spec: JobSpec
    datasets: tuple[AnyPlan, ...]
    trials: tuple[Trial, ...]
    """All trials of the spec."""
    todo: tuple[Trial, ...]
    """Trials that have no result yet. If another training version's are planned: those that are lost."""
    begun: tuple[Pack, ...]
    """Packs of these trials that have a checkpoint to resume from, on the device that made it."""
    replaced: tuple[str, ...]
    """Unusable pack files that are not known to have trials of another plan, which are deleted."""
    problems: tuple[Problem, ...]
    """Problems of stored results."""
    earlier: int = 0
    """How many trials of `todo` have a result by an earlier training version."""
    no_torch: str = ""
    """Why torch can't use the GPUs that there are: CPU workers train what it would train there. Empty if it can."""
    _packs: dict[str, list[Pack]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def left(self) -> int:
        """Number of trials to train."""
        return len(self.todo)

    def packs(self, device: str) -> list[Pack]:
        """Returns the packs to train, longest first: those with a checkpoint unchanged, others cut for the device.

        Of GPUs, those that only CPU workers can train are cut for CPUs, and say so.

        Raises:
            EngineMissing: the engine that the spec names can't train them.

        """
        if device not in self._packs:
            # Cores would take hours for a pack of a GPU, and could not resume it.
            resumed = [pack for pack in self.begun if pack.device in ("cpu", self._trains(device, pack.program))]
            begun = {trial.id for pack in resumed for trial in pack.trials}

            def engine_of(program: Program) -> str:
                return self.choice(device, program).engine

            todo = [trial for trial in self.todo if not begun or trial.id not in begun]
            fresh = [pack for on, those in self._by_device(device, todo) for pack in plan_packs(those, on, engine_of)]
            old = [
                replace(pack, engine=engine_of(pack.program), device=self._trains(device, pack.program))
                for pack in resumed
            ]
            self._packs[device] = sorted([*old, *fresh], key=lambda pack: (-pack.seconds, pack.id))
        return self._packs[device]

    def choice(self, device: str, program: Program) -> Choice:
        """Returns the engine that is expected to train a program where there is a device; errors as for `packs`."""
        choice = expect(self.spec.engine, device, program)
        if device == "cpu" or choice.engine != "torch" or not self.no_torch:
            return choice
        return Choice(self.cpu_engine, "; ".join(filter(None, (choice.why, self.no_torch))), "cpu")

    def _by_device(self, device: str, todo: Sequence[Trial]) -> Iterable[tuple[str, Sequence[Trial]]]:
        """The trials by the kind of device that trains them where there is a device."""
        if not self.no_torch:
            return [(device, todo)]
        variants = {trial.variant.digest: trial.variant for trial in todo}
        where = {digest: self._trains(device, program_of(variant)) for digest, variant in variants.items()}
        found: dict[str, list[Trial]] = {}
        for trial in todo:
            found.setdefault(where[trial.variant.digest], []).append(trial)
        return found.items()

    def _trains(self, device: str, program: Program) -> str:
        """The kind of device that trains a program where there is a device."""
        return self.choice(device, program).device or device

    @property
    def cpu_engine(self) -> str:
        """The engine of CPU workers beside GPU workers; the spec names none that has no use for them."""
        return choose("auto" if self.spec.engine == "cuda" else self.spec.engine, "cpu")

    @property
    def variants(self) -> int:
        """Number of distinct variants of all trials, whatever the splits of tables."""
        variants = {trial.variant.digest: trial.variant for trial in self.trials}
        return len({variant.group for variant in variants.values()})

    @property
    def bytes_needed(self) -> int:
        """Approximate upper limit of what the run writes: missing rows, and the packs."""
        variants, places = distinct([trial.variant for trial in self.todo])
        sizes = [variant.parameters * program_of(variant).item_bytes for variant in variants]
        weights = sum(sizes[place] for place in places)
        return sum(each.bytes_needed for each in self.datasets) + weights + TRIAL_BYTES * self.left

    @property
    def rows_left(self) -> int:
        """Rows of datasets to generate, to read from their files, or to check."""
        return sum(dataset.rows for dataset in self.datasets)


def make_plan(spec: JobSpec, store: Store, read: Callable[[Store], Results] = read_trials, no_torch: str = "") -> Plan:
    """Compares the spec with the store; `read` reads the store's results. `no_torch` is told by gpu_torch.py."""
    # A spec may define datasets that no grid uses: they are not generated.
    wanted = trials(spec)
    used = {trial.variant.dataset.name for trial in wanted}
    datasets = tuple(plan_any(store, dataset) for dataset in spec.datasets if dataset.name in used)

    # A trial counts as done if its row is there and its pack is usable.
    stored = read(store)
    broken = [problem for problem in stored.problems if problem.kind in RETRAINED]
    rows = stored.table.select(["trial_id", "pack"])
    in_broken = is_in(rows, broken)
    done = set(rows["trial_id"].filter(pc.invert(in_broken)).to_pylist())
    todo = tuple(trial for trial in wanted if trial.id not in done) if done else tuple(wanted)
    # Results of earlier training versions can only be among those that are not of this plan.
    has_others = len(done) > len(wanted) - len(todo)
    return Plan(
        spec=spec,
        datasets=datasets,
        trials=tuple(wanted),
        todo=todo,
        begun=_begun(store, todo),
        replaced=_replaced(store, {problem.path for problem in broken}, rows.filter(in_broken), todo) if broken else (),
        problems=stored.problems,
        earlier=count_earlier(todo, done) if has_others and todo and not spec.is_earlier else 0,
        no_torch=no_torch,
    )


def _begun(store: Store, todo: Sequence[Trial]) -> tuple[Pack, ...]:
    """Returns the packs that can resume from a checkpoint: all of their trials are still to be trained."""
    saved = checkpointed_packs(store)
    by_id = {trial.id: trial for trial in todo} if saved else {}
    whole = ((ids, engine) for ids, engine in saved if all(trial_id in by_id for trial_id in ids))
    return tuple(
        Pack(tuple(by_id.pop(trial_id) for trial_id in ids), device=device_of(engine)) for ids, engine in whole
    )


def _replaced(store: Store, broken: set[str], rows: pa.Table, todo: Sequence[Trial]) -> tuple[str, ...]:
    """Returns the broken files without trials of another plan, by their rows or, if these are lost, their weights."""
    ours = {trial.id for trial in todo}
    needed = {
        f"trials/{pack}.parquet"
        for pack, trial in zip(rows["pack"].to_pylist(), rows["trial_id"].to_pylist(), strict=True)
        if trial not in ours
    }
    unread = broken - {f"trials/{pack}.parquet" for pack in rows["pack"].to_pylist()}
    needed |= {path for path in unread if not ours.issuperset(_ids_beside(store, path))}
    return tuple(sorted(broken - needed))


def _ids_beside(store: Store, path: str) -> list[str]:
    """Returns the trial ids in the weights of a pack whose rows can't be read; none if that can't be read either."""
    try:
        return ids_inside(store.get(f"{path.removesuffix('.parquet')}.safetensors"))
    except (FileNotFoundError, ForeignFile):
        return []
