"""A run from spec to summary, in stages. What is done is decided here; where it is done comes in as two functions.

Written to the store, in this order: datasets, packs, and at the end the run's own files (stages/run_files.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.cluster import inline
from sumsquares.cluster.work import Failure, ProgressSnapshot, WorkItem
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.facts import Facts
from sumsquares.datasets.shards import SHARD_ROWS
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.machine.environment import environment
from sumsquares.jobs.pipeline.runners import Runners
from sumsquares.jobs.results.evidence import with_evidence
from sumsquares.jobs.results.samples import samples
from sumsquares.jobs.results.stored import DamagedResult, Results, read_trials
from sumsquares.jobs.results.summary import Summary, summarize
from sumsquares.jobs.results.summary_file import SUMMARY, seal_summary
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.show.report import report
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.dataset_facts import facts_of
from sumsquares.jobs.stages.generate import generate
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.plan import Plan
from sumsquares.jobs.stages.run_files import difference_to_earlier, publish_run
from sumsquares.jobs.stages.timing import Timing
from sumsquares.jobs.stages.train import worker
from sumsquares.jobs.storage.store import StorageError, Store

INLINE_ROWS = 4 * SHARD_ROWS
"""So many rows are generated in this process: they take a second, and a Ray task's worker takes two to start."""


def generate_datasets(plan: Plan, store: Store, here: Runners, progress: Progress) -> None:
    """Has all missing shards made, and the facts of the datasets measured."""
    if plan.rows_left:
        map_tasks = inline.map_tasks if plan.rows_left <= INLINE_ROWS else here.map_tasks
        with progress.generating(plan) as on_made:
            generate(store, plan.datasets, map_tasks, on_made)
    for each in plan.datasets:
        facts_of(store, each.dataset)


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

        def on_progress(snapshot: ProgressSnapshot) -> None:
            nonlocal failures
            failures = tuple(snapshot.failures)
            show(snapshot)

        here.run_workers(make_work, [item_of(pack) for pack in packs], split, on_progress)
    for failure in failures:
        if failure.fatal:
            raise StorageError(failure.message)
    if not failures:
        for path in set(plan.replaced) - {f"trials/{pack.id}.parquet" for pack in packs}:
            store.delete(path)
    return failures


def item_of(pack: Pack) -> WorkItem:
    """A pack as a piece of work."""
    return WorkItem(f"pack {pack.id}", pack.seconds, pack)


def split(pack: Pack) -> list[WorkItem]:
    """Two pieces of work in place of one."""
    return [item_of(half) for half in pack.split()]


@dataclass(frozen=True)
class Published:
    """A run whose summary is in the store."""

    summary: Summary
    summary_json: bytes
    """What summary.json holds; another run of the name may have taken its place by the time that it is printed."""
    has_files: bool
    """Whether it is in the store: a run without any result doesn't replace an earlier run of another spec."""


def summarize_run(
    spec: JobSpec,
    store: Store,
    timing: Timing,
    progress: Progress,
    read: Callable[[Store], Results] = read_trials,
    writes: bool = True,
    publish: Callable[[Store, JobSpec, Mapping[str, bytes]], str | None] = publish_run,
) -> Published:
    """Aggregates what the store has of a spec, and writes the run's summary and report, unless it can't be written."""

    def on_lost(pack: str, error: Exception) -> None:
        """Deletes weights that are damaged, so that the next run trains them anew; there are no samples then."""
        progress.warn(f"{error}; {'deleted, ' if writes else ''}run again to train its pack anew")
        if writes:
            store.delete(f"trials/{pack}.safetensors")

    with timing.stage("summarize"):
        stored = read(store)
        progress.warn_all(problem.message for problem in stored.problems)
        summary = _summary(spec, store, stored, partial(facts_of, store), on_lost)
    files = _files(spec, summary, timing)
    if not writes:
        return Published(summary, files[SUMMARY], has_files=False)
    if summary.counts.missing == summary.counts.total and difference_to_earlier(store, spec):
        progress.warn("nothing was trained: the earlier run of this name, of another spec, stays in its place")
        return Published(summary, files[SUMMARY], has_files=False)
    if (aside := publish(store, spec, files)) is not None:
        progress.warn(f"the earlier run of this name, of another spec, is kept in {store.root}/{aside}")
    return Published(summary, files[SUMMARY], has_files=True)


def files_of_run(spec: JobSpec, store: Store) -> dict[str, bytes]:
    """The files beside a run's spec by name, the summary last; nothing is written.

    Raises:
        DataError: weights that the samples are made with are damaged or gone.

    """

    def on_lost(_pack: str, error: Exception) -> None:
        raise DataError(str(error)) from error

    summary = _summary(spec, store, read_trials(store), partial(facts_of, store, keeps=False), on_lost)
    return _files(spec, summary, Timing())


def _summary(
    spec: JobSpec,
    store: Store,
    stored: Results,
    facts: Callable[[NamedDataset], Facts],
    on_lost: Callable[[str, Exception], None],
) -> Summary:
    """The results of a spec, with what the best models make of some rows; `on_lost` is told which can't be asked."""
    expected = trials(spec)
    known = cache(facts)
    summary = summarize(expected, with_evidence(store, expected, stored.table, known), known)
    best = {
        name: found and _with_samples(store, found, expected, stored.table, on_lost)
        for name, found in summary.best.items()
    }
    return replace(summary, best=best)


def _files(spec: JobSpec, summary: Summary, timing: Timing) -> dict[str, bytes]:
    facts = environment()
    files = {
        "summary.parquet": summary.to_parquet(),
        "trials.parquet": summary.trials_to_parquet(),
        "report.html": report(spec, summary, facts).encode(),
    }
    files[SUMMARY] = seal_summary(spec, files, summary.to_json(spec.name, spec.digest, facts, timing.seconds))
    return files


def _with_samples(
    store: Store,
    found: dict[str, Any],
    expected: Sequence[Trial],
    results: pa.Table,
    on_lost: Callable[[str, Exception], None],
) -> dict[str, Any]:
    """The best variant of a dataset together with what its best trial makes of the first test rows."""
    best = found["trial"]
    trial = next(t for t in expected if t.seed == best["seed"] and t.id == best["trial_id"])
    (pack,) = results.filter(pc.equal(results["trial_id"], trial.id))["pack"].to_pylist()
    try:
        table = [asdict(sample) | {"error": sample.error} for sample in samples(store, pack, trial)]
    except (DamagedResult, FileNotFoundError) as error:
        on_lost(pack, error)
        table = []
    return {**found, "samples": table}
