"""A run from spec to summary, in stages. What is done is decided here; where it is done comes in as two functions.

Written to the store, in this order: the spec as `runs/<name>/job.toml`, datasets, packs, and at the end
summary.parquet, report.html and summary.json.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from cluster import inline, processes
from cluster.reach import limit_attempts
from cluster.work import Failure, Item, View
from cluster.workers import ClusterError, groups
from datasets.shards import SHARD_ROWS
from jobs.archive import run_folder
from jobs.environment import environment
from jobs.exits import stop_on_signals
from jobs.generation import MapTasks, generate
from jobs.packs import Pack
from jobs.place import Place, resources_here
from jobs.plan import Plan
from jobs.results.samples import samples
from jobs.results.stored import DamagedResult, Results, read_trials
from jobs.results.summary import Summary, summarize
from jobs.show.progress import Progress, clock
from jobs.show.report import report
from jobs.show.words import counted
from jobs.spec.job_spec import JobSpec
from jobs.spec.variants import Trial, trials
from jobs.storage.store import StorageError, Store
from jobs.training import worker

INLINE_ROWS = 4 * SHARD_ROWS
"""So many rows are generated in this process: they take a second, and a Ray task's worker takes two to start."""


class Runners(NamedTuple):
    """How work is done in a place: many small tasks, and packs that workers pull."""

    map_tasks: MapTasks
    pull: Callable[..., None]
    device: str
    """The device that packs are cut for: cuda if there are GPU workers."""


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
def runners(place: Place, store: Store, needed: bool, timing: Timing) -> Iterator[Runners]:
    """The runners of a place; Ray is started only where it is needed, and stopped on leaving.

    Raises:
        ClusterError: there is no such cluster, it has not got the workers, or they can't see the store.

    """
    if place.inline or not needed:
        yield Runners(inline.map_tasks, inline.pull, "cpu")
        return
    if place.processes:
        yield Runners(inline.map_tasks, partial(processes.pull, processes=place.processes), "cpu")
        return
    with ExitStack() as stack:
        with timing.stage("ray"):
            if place.address is not None:
                limit_attempts()
            from cluster import fits, session, tasks

            wanted = place.wanted
            if place.address is None:
                groups([resources_here()], wanted)  # a local Ray believes whatever it is told to have
                workers, gpu_workers = wanted.workers or 0, wanted.gpu_workers or 0
                connection = session.local(workers + gpu_workers, math.ceil(gpu_workers * wanted.gpus_per_worker))
            else:
                connection = session.remote(place.address)
            resources = stack.enter_context(connection)
            stop_on_signals()
            cut = groups(resources, wanted)
            if place.address is not None:
                check_store_everywhere(store)
        device = "cuda" if any(group.device == "cuda" for group in cut) else "cpu"
        map_tasks = partial(tasks.map_tasks, patience=place.patience)
        yield Runners(map_tasks, partial(fits.pull, workers=cut, patience=place.patience), device)


def settle(plan: Plan, place: Place, progress: Progress) -> Place:
    """The place of this plan; if it was left open and Ray is not worth its start, that is told."""
    seconds = [pack.seconds for pack in plan.packs("cpu")] if place.is_open else []
    settled = place.settled(seconds)
    if settled != place:
        progress.say(f"{counted(plan.left, 'trial')} need about {clock(sum(seconds))} of a core: trained {settled}")
    return settled


def check_store_everywhere(store: Store) -> None:
    """Finds a file of ours from every node.

    Raises:
        ClusterError: a node can't see it; which one, and what to do.

    """
    from cluster.nodes import on_every_node

    path = f"visible-{secrets.token_hex(8)}"
    store.put(path, b"sumsquares")
    try:
        blind = [node for node, seen in on_every_node(partial(sees, store.root), path).items() if not seen]
    finally:
        store.delete(path)
    if blind:
        raise ClusterError(
            f"the workers on {', '.join(blind)} can't see {store.describe()}; "
            "use a folder that all nodes share, or an object store: --store s3://bucket/prefix"
        )


def sees(root: str, path: str) -> bool:
    """Whether a store has a file, asked from where this runs."""
    return Store(root).exists(path)


def generate_datasets(plan: Plan, store: Store, here: Runners, progress: Progress) -> None:
    """Has all missing shards made, if there is room for them."""
    store.probe(plan.bytes_needed)
    if plan.rows_left:
        map_tasks = inline.map_tasks if plan.rows_left <= INLINE_ROWS else here.map_tasks
        with progress.generating(plan) as on_made:
            generate(store, plan.datasets, map_tasks, on_made)


def train_packs(plan: Plan, store: Store, memory_limit: int, here: Runners, progress: Progress) -> tuple[Failure, ...]:
    """Trains all packs of the plan and returns those that were given up; what they replace is deleted at last.

    Raises:
        StorageError: results could not be written.

    """
    packs = plan.packs(here.device)
    if not packs:
        return ()
    failures: tuple[Failure, ...] = ()
    make_work = partial(worker, store.root, memory_limit, plan.spec.engine)
    with progress.training(packs) as show:

        def on_view(view: View) -> None:
            nonlocal failures
            failures = tuple(view.failures)
            show(view)

        here.pull(make_work, [item_of(pack) for pack in packs], halves, on_view)
    for failure in failures:
        if failure.kind == StorageError.__name__:
            raise StorageError(failure.reason.removeprefix(f"{failure.kind}: "))
    if not failures:
        for path in set(plan.replaced) - {f"trials/{pack.id}.parquet" for pack in packs}:
            store.delete(path)
    return failures


def item_of(pack: Pack) -> Item:
    """A pack as a piece of work."""
    return Item(f"pack {pack.id}", pack.seconds, pack)


def halves(pack: Pack) -> list[Item]:
    """Two pieces of work in place of one."""
    return [item_of(half) for half in pack.halves()]


def summarize_run(
    spec: JobSpec, store: Store, timing: Timing, progress: Progress, read: Callable[[Store], Results] = read_trials
) -> Summary:
    """Aggregates what the store has of a spec, and writes the run's summary and report."""
    with timing.stage("summarize"):
        stored = read(store)
        for problem in stored.problems:
            progress.warn(problem.message)
        expected = trials(spec)
        summary = summarize(expected, stored.table)
        best = {
            name: found and _with_samples(store, found, expected, stored.table, progress)
            for name, found in summary.best.items()
        }
        summary = replace(summary, best=best)
    folder = run_folder(spec.name)
    facts = environment()
    store.put(f"{folder}/summary.parquet", summary.to_parquet())
    store.put(f"{folder}/report.html", report(spec, summary, facts).encode())
    store.put(f"{folder}/summary.json", summary.to_json(spec.name, spec.digest, facts, timing.seconds))
    return summary


def _with_samples(
    store: Store, found: dict[str, Any], expected: Sequence[Trial], results: pa.Table, progress: Progress
) -> dict[str, Any]:
    """The best variant of a dataset together with what its best trial makes of the first test rows.

    Weights that are found damaged are deleted, so that the next run trains them anew; there are no samples then.
    """
    best = found["trial"]
    trial = next(t for t in expected if t.seed == best["seed"] and t.id == best["trial_id"])
    (pack,) = results.filter(pc.equal(results["trial_id"], trial.id))["pack"].to_pylist()
    try:
        table = [asdict(sample) | {"error": sample.error} for sample in samples(store, pack, trial)]
    except (DamagedResult, FileNotFoundError) as error:
        progress.warn(f"{error}; deleted, run again to train its pack anew")
        store.delete(f"trials/{pack}.safetensors")
        table = []
    return {**found, "samples": table}
