"""What the commands do: each makes its calls, prints for people or as JSON, and returns an exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from sumsquares.cluster.work import Failure
from sumsquares.jobs import exits
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.pipeline.run import INLINE_ROWS, generate_datasets, summarize_run, train_packs
from sumsquares.jobs.pipeline.runners import Workplace
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import JobSpec, load_spec
from sumsquares.jobs.stages.foreign import check_run
from sumsquares.jobs.stages.placement import Place
from sumsquares.jobs.stages.plan import RETRAINED, Plan, make_plan
from sumsquares.jobs.stages.run_files import begin_run, difference_to_earlier, run_folder
from sumsquares.jobs.stages.timing import Timing
from sumsquares.jobs.storage.store import StorageError, Store

WIDTH = 100
"""Columns of what is printed where neither a terminal nor COLUMNS says how many there are."""


@dataclass(frozen=True)
class Shared:
    """Options of every command."""

    store: str
    json: bool
    quiet: bool

    def progress(self) -> Progress:
        """Where people look while it runs."""
        return Progress(self.quiet)


def run(path: Path, max_trials: int, place: Place, shared: Shared, all_variants: bool = False) -> int:
    """The whole run."""
    timing, progress = Timing(), shared.progress()
    spec, store = _begin(path, max_trials, shared, progress)
    with timing.stage("plan"):
        plan = _planned(spec, store, progress, ends_in_summary=True)
    with Workplace(place, store, progress, timing) as workplace:
        here = workplace.prepare_training(plan)
        _tell_difference(store, spec, progress)
        begin_run(store, spec)
        with timing.stage("generate"):
            generate_datasets(plan, store, here, progress)
        with timing.stage("train"):
            failures = train_packs(plan, store, place.memory_limit, here, progress)
    return _finish(spec, store, timing, failures, shared, progress, all_variants)


def generate(path: Path, max_trials: int, place: Place, shared: Shared) -> int:
    """The datasets alone."""
    timing, progress = Timing(), shared.progress()
    spec, store = _begin(path, max_trials, shared, progress)
    plan = _planned(spec, store, progress)
    with Workplace(place, store, progress, timing) as workplace:
        here = workplace.prepare_tasks(plan, needs_ray=plan.rows_left > INLINE_ROWS)
        with timing.stage("generate"):
            generate_datasets(plan, store, here, progress)
    made = {each.dataset.name: {"digest": each.dataset.digest, "rows": each.rows} for each in plan.datasets}
    names = ", ".join(made)
    _print(shared, {"datasets": made, "timing": timing.seconds}, f"complete in {store.root}/datasets: {names}")
    return exits.OK


def train(path: Path, max_trials: int, place: Place, shared: Shared) -> int:
    """The missing trials alone."""
    timing, progress = Timing(), shared.progress()
    spec, store = _begin(path, max_trials, shared, progress)
    plan = _planned(spec, store, progress)
    if plan.rows_left and plan.todo:
        raise UsageError(
            f"{counted(plan.rows_left, 'row')} missing in its datasets: run `sumsquares generate {path}` first"
        )
    with Workplace(place, store, progress, timing) as workplace:
        here = workplace.prepare_training(plan)
        begin_run(store, spec)
        with timing.stage("train"):
            failures = train_packs(plan, store, place.memory_limit, here, progress)
    _tell_failures(failures, progress)
    left = make_plan(spec, store).left
    _print(
        shared,
        {"trained": plan.left - left, "left": left, "timing": timing.seconds},
        f"trained {counted(plan.left - left, 'trial')}, {left:,} left",
    )
    return exits.INCOMPLETE if left else exits.OK


def summarize(path: Path, max_trials: int, shared: Shared, all_variants: bool = False) -> int:
    """The summary alone."""
    progress = shared.progress()
    spec, store = _begin(path, max_trials, shared, progress)
    try:
        store.probe()
    except StorageError as error:
        if not _has_results(spec, store):
            raise
        progress.warn(f"{error}. The summary is printed and not written")
        return _finish(spec, store, Timing(), (), shared, progress, all_variants, writes=False)
    check_run(store, spec.name)
    _tell_difference(store, spec, progress)
    return _finish(spec, store, Timing(), (), shared, progress, all_variants)


def plan(path: Path, max_trials: int, place: Place, shared: Shared) -> int:
    """The plan alone, with its cost."""
    from sumsquares.jobs.show.plan_text import plan_facts, plan_text
    from sumsquares.jobs.stages.cost import estimate

    spec, store = load_spec(path, max_trials), Store(shared.store)
    planned = make_plan(spec, store)
    packs = planned.packs(place.device)
    place = place.settled([pack.seconds for pack in packs])
    cost = estimate(packs, place.count)
    _print(shared, plan_facts(planned, packs, cost, place), plan_text(planned, packs, cost, place))
    return exits.OK


def predict(run: str, numbers: Sequence[int], dataset: str | None, trial_id: str | None, shared: Shared) -> int:
    """Answers of trained models."""
    from sumsquares.jobs.commands.predict import ask_run

    replies = ask_run(Store(shared.store), run, numbers, dataset, trial_id)
    facts = [reply.facts for reply in replies]
    lines = [line for reply in replies for line in (reply.title, *(f"  {line}" for line in reply.lines))]
    _print(shared, {"run": run, "answers": facts}, "\n".join(lines))
    return exits.OK


def _begin(path: Path, max_trials: int, shared: Shared, progress: Progress) -> tuple[JobSpec, Store]:
    """The spec and the store, told to people."""
    spec, store = load_spec(path, max_trials), Store(shared.store)
    progress.say(f"run {spec.name}: {path}, store {store.root}")
    return spec, store


def _planned(spec: JobSpec, store: Store, progress: Progress, ends_in_summary: bool = False) -> Plan:
    """The plan, told to people; a summary tells what is still wrong with the results by then."""
    plan = make_plan(spec, store)
    told = [problem for problem in plan.problems if not ends_in_summary or problem.kind in RETRAINED]
    progress.warn_all(problem.message for problem in told)
    progress.warn_all(note for dataset in plan.datasets for note in dataset.notes)
    done = len(plan.trials) - plan.left
    progress.say(
        f"{counted(len(plan.trials), 'trial')} of {counted(plan.variants, 'variant')} "
        f"on {counted(len(plan.datasets), 'dataset')}; "
        f"{done:,} trained before, {plan.left:,} to train"
    )
    return plan


def _tell_difference(store: Store, spec: JobSpec, progress: Progress) -> None:
    lines = difference_to_earlier(store, spec)
    progress.warn_all(f"the spec of run {spec.name} has changed: {line}" for line in lines)


def _tell_failures(failures: Sequence[Failure], progress: Progress) -> None:
    progress.warn_all(str(failure) for failure in failures)
    if exits.is_debugging():
        progress.warn_all(failure.traceback for failure in failures if failure.traceback)


def _has_results(spec: JobSpec, store: Store) -> bool:
    """Whether there is anything to print of a store that can't be written."""
    plan = make_plan(spec, store)
    return plan.left < len(plan.trials)


def _finish(
    spec: JobSpec,
    store: Store,
    timing: Timing,
    failures: Sequence[Failure],
    shared: Shared,
    progress: Progress,
    all_variants: bool = False,
    writes: bool = True,
) -> int:
    """Summarises, prints, and says how it went."""
    from sumsquares.jobs.show.tables import result_tables

    _tell_failures(failures, progress)
    published = summarize_run(spec, store, timing, progress, writes=writes)
    if shared.json:
        sys.stdout.write(published.summary_json.decode())
    else:
        console = _console()
        for table in result_tables(published.summary, console.width, all_variants):
            console.print(table)
        if published.has_files:
            folder = f"{store.root}/{run_folder(spec.name)}"
            console.print(
                f"summary: {folder}/summary.json, summary.parquet and trials.parquet", soft_wrap=True, highlight=False
            )
            console.print(f"report:  {folder}/report.html", soft_wrap=True, highlight=False)
    return _judge(published.summary, failures, progress)


def _judge(summary: Summary, failures: Sequence[Failure], progress: Progress) -> int:
    """The exit code of a run that came to its end."""
    damaged = [failure for failure in failures if failure.kind.startswith(("Damaged", "Foreign"))]
    counts = summary.counts
    if counts.ok < counts.total:
        progress.warn(f"{counted(counts.diverged, 'trial')} diverged, {counts.missing:,} missing, of {counts.total:,}")
    if damaged:
        return exits.DATA
    return exits.OK if counts.ok == counts.total else exits.INCOMPLETE


def _console() -> Console:
    told = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(highlight=False) if told else Console(highlight=False, width=WIDTH)


def _print(shared: Shared, facts: dict[str, Any], text: str) -> None:
    sys.stdout.write((json.dumps(facts, allow_nan=False, indent=1) if shared.json else text) + "\n")
