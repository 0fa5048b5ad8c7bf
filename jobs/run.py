"""A run from spec to summary, in stages. What is done is decided here; where it is done comes in as two functions.

Written to the store, in this order: the spec as `runs/<name>/job.toml`, datasets, packs, and at the end
summary.parquet, report.html and summary.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from cluster import inline
from cluster.work import Failure, Item, View
from datasets.shards import SHARD_ROWS
from jobs.archive import run_folder
from jobs.environment import environment
from jobs.exits import stop_on_signals
from jobs.generation import MapTasks, generate
from jobs.packs import Pack
from jobs.plan import RETRAINED, Plan
from jobs.reader import MEMORY_LIMIT
from jobs.results.samples import samples
from jobs.results.stored import read_results
from jobs.results.summary import Summary, summarize
from jobs.show.progress import Progress
from jobs.show.report import report
from jobs.spec.job_spec import JobSpec
from jobs.spec.variants import trials
from jobs.storage.store import Store
from jobs.training import worker

INLINE_ROWS = 4 * SHARD_ROWS
"""So many rows are generated in this process: they take a second, and a Ray task's worker takes two to start."""


@dataclass(frozen=True)
class Place:
    """Where to run."""

    workers: int
    """CPU workers; none, and no GPU workers: in this process, without Ray."""
    gpu_workers: int = 0
    """Workers with one GPU and one CPU each."""
    memory_limit: int = MEMORY_LIMIT
    """Bytes of rows that each worker holds."""

    @property
    def inline(self) -> bool:
        """Whether there is no Ray."""
        return self.workers + self.gpu_workers == 0

    @property
    def device(self) -> str:
        """The device that packs are cut for."""
        return "cuda" if self.gpu_workers else "cpu"


class Runners(NamedTuple):
    """How work is done in a place: many small tasks, and packs that workers pull."""

    map_tasks: MapTasks
    pull: Callable[..., None]


@dataclass
class Timing:
    """Wall seconds of each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what is done inside."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - began, 3)


@contextmanager
def runners(place: Place, needed: bool, timing: Timing) -> Iterator[Runners]:
    """The runners of a place; Ray is started only where it is needed, and stopped on leaving."""
    if place.inline or not needed:
        yield Runners(inline.map_tasks, inline.pull)
        return
    with ExitStack() as stack:
        with timing.stage("ray"):
            from cluster import fits, session, tasks

            resources = stack.enter_context(session.session(place.workers + place.gpu_workers, place.gpu_workers))
            stop_on_signals()
            groups = fits.groups(resources, place.workers, place.gpu_workers)
        yield Runners(tasks.map_tasks, partial(fits.pull, workers=groups))


def generate_datasets(plan: Plan, store: Store, here: Runners, progress: Progress) -> None:
    """Has all missing shards made."""
    if plan.rows_left:
        map_tasks = inline.map_tasks if plan.rows_left <= INLINE_ROWS else here.map_tasks
        with progress.generating(plan) as on_made:
            generate(store, plan.datasets, map_tasks, on_made)


def train_packs(plan: Plan, store: Store, place: Place, here: Runners, progress: Progress) -> tuple[Failure, ...]:
    """Trains all packs of the plan and returns those that were given up; what can't be used any more is deleted."""
    for problem in plan.problems:
        if problem.kind in RETRAINED:
            store.delete(problem.path)
    if not plan.packs:
        return ()
    failures: tuple[Failure, ...] = ()
    make_work = partial(worker, store.root, place.memory_limit)
    with progress.training(plan) as show:

        def on_view(view: View) -> None:
            nonlocal failures
            failures = tuple(view.failures)
            show(view)

        here.pull(make_work, [item_of(pack) for pack in plan.packs], halves, on_view)
    return failures


def item_of(pack: Pack) -> Item:
    """A pack as a piece of work."""
    return Item(f"pack {pack.id}", pack.seconds, pack)


def halves(pack: Pack) -> list[Item]:
    """Two pieces of work in place of one."""
    return [item_of(half) for half in pack.halves()]


def summarize_run(spec: JobSpec, store: Store, timing: Timing, progress: Progress) -> Summary:
    """Aggregates what the store has of a spec, and writes the run's summary and report."""
    with timing.stage("summarize"):
        stored = read_results(store)
        for problem in stored.problems:
            progress.warn(problem.message)
        expected = trials(spec)
        summary = summarize(expected, stored.table)
        by_id = {trial.id: trial for trial in expected}
        packs = dict(zip(stored.table["trial_id"].to_pylist(), stored.table["pack"].to_pylist(), strict=True))
        best = {name: _with_samples(store, found, by_id, packs) for name, found in summary.best.items()}
        summary = replace(summary, best=best)
    folder = run_folder(spec.name)
    facts = environment()
    store.put(f"{folder}/summary.parquet", summary.to_parquet())
    store.put(f"{folder}/report.html", report(spec, summary, facts).encode())
    store.put(f"{folder}/summary.json", summary.to_json(spec.name, spec.digest, facts, timing.seconds))
    return summary


def _with_samples(
    store: Store, found: dict[str, Any] | None, by_id: dict[str, Any], packs: dict[str, str]
) -> dict[str, Any] | None:
    """The best variant of a dataset together with what its best trial makes of the first test rows."""
    if found is None:
        return None
    trial = found["trial"]["trial_id"]
    table = [asdict(sample) | {"error": sample.error} for sample in samples(store, packs[trial], by_id[trial])]
    return {**found, "samples": table}
