"""The commands about one spec: the whole run, and its stages one by one. Each prints, and returns an exit code."""

from __future__ import annotations

from pathlib import Path

from sumsquares.jobs import exits
from sumsquares.jobs.commands.printing import DEFAULT, Shown, print_outcome
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.pipeline.failures import code_of
from sumsquares.jobs.pipeline.generating import INLINE_ROWS, generate_datasets, generated_rows
from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.planning import plan_run, tell_of_tables, warn_of_changes, warn_of_tables
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.pipeline.summarizing import summarize_run
from sumsquares.jobs.pipeline.training import train_packs
from sumsquares.jobs.results.earlier import as_stored
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.job_spec import JobSpec, load_spec
from sumsquares.jobs.stages.foreign import check_run
from sumsquares.jobs.stages.gpu_torch import no_torch
from sumsquares.jobs.stages.placement import IN_PROCESS, Placement
from sumsquares.jobs.stages.plan import make_plan
from sumsquares.jobs.stages.run_files import begin_run
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import StorageError, Store


def run(path: Path, max_trials: int, placement: Placement, shared: Shared, shown: Shown = DEFAULT) -> int:
    """Runs a spec from plan to summary, and prints the results."""
    spec, runtime = _begin(path, max_trials, shared, placement)
    with runtime:
        outcome = run_spec(spec, runtime)
    return print_outcome(outcome, spec, runtime, shared, shown)


def generate(path: Path, max_trials: int, placement: Placement, shared: Shared) -> int:
    """Generates the missing datasets."""
    spec, runtime = _begin(path, max_trials, shared, placement)
    timing = runtime.timing
    with runtime:
        plan = plan_run(spec, runtime)
        runners = runtime.prepare_tasks(plan, are_many=generated_rows(plan) > INLINE_ROWS)
        with timing.stage("generate"):
            generate_datasets(plan, runtime, runners)
    made = {each.dataset.name: {"digest": each.dataset.digest, "rows": each.rows} for each in plan.datasets}
    names = ", ".join(made)
    shared.print({"datasets": made, "timing": timing.seconds}, f"complete in {runtime.store.root}/datasets: {names}")
    return exits.OK


def train(path: Path, max_trials: int, placement: Placement, shared: Shared) -> int:
    """Trains the missing trials."""
    spec, runtime = _begin(path, max_trials, shared, placement)
    timing = runtime.timing
    with runtime:
        plan = plan_run(spec, runtime)
        if plan.rows_left and plan.todo:
            raise UsageError(
                f"{counted(plan.rows_left, 'row')} missing in its datasets: run `sumsquares generate {path}` first"
            )
        runners = runtime.prepare_training(plan)
        begin_run(runtime.store, spec)
        with timing.stage("train"):
            failures = train_packs(plan, runtime, runners)
    left = make_plan(spec, runtime.store).left
    trained = plan.left - left
    shared.print(
        {"trained": trained, "left": left, "timing": timing.seconds},
        f"trained {counted(trained, 'trial')}, {left:,} left",
    )
    return code_of(failures, is_complete=not left)


def summarize(path: Path, max_trials: int, shared: Shared, shown: Shown = DEFAULT) -> int:
    """Aggregates the trained trials, and prints the results."""
    spec, runtime = _begin(path, max_trials, shared, IN_PROCESS)
    with runtime:
        outcome, spec = _summarized(spec, runtime)
    return print_outcome(outcome, spec, runtime, shared, shown)


def _summarized(spec: JobSpec, runtime: Runtime) -> tuple[RunOutcome, JobSpec]:
    """Aggregates the stored results of a spec; also returns the spec at the training version of most of them."""
    runtime.hold(spec.name)
    with runtime.progress.doing("reading results"):
        stored = read_trials(runtime.store)
    spec = as_stored(spec, set(stored.table["trial_id"].to_pylist()))
    if spec.is_earlier:
        runtime.progress.say(
            "summarised are the results of an earlier version; `sumsquares run` trains these trials again, "
            "and gets other numbers"
        )
    writes = _can_write(spec, runtime)
    if writes:
        check_run(runtime.store, spec.name)
        warn_of_changes(spec, runtime)
    return summarize_run(spec, runtime, lambda _: stored, writes=writes), spec


def plan(path: Path, max_trials: int, placement: Placement, shared: Shared) -> int:
    """Prints the plan with its cost."""
    from sumsquares.jobs.show.plan_text import plan_facts, plan_text
    from sumsquares.jobs.stages.cost import estimate, estimate_on_gpus

    spec, runtime = _load(path, max_trials, shared, placement)
    warn_of_tables(spec, runtime.tables, runtime.progress)
    with runtime.progress.doing("comparing spec and store"):
        placement = placement.of_engine(spec.engine)
        planned = make_plan(spec, runtime.store, no_torch=no_torch(placement))
        packs = planned.packs(placement.device)
    placement = placement.resolved([pack.expected_seconds for pack in packs])
    if placement.device == "cuda":
        cost = estimate_on_gpus(packs, placement, planned.cpu_engine)
    else:
        with runtime.progress.doing("measuring a few steps"):
            cost = estimate(packs, placement.count)
    shared.print(plan_facts(planned, packs, cost, placement), plan_text(planned, packs, cost, placement))
    return exits.OK


def _begin(path: Path, max_trials: int, shared: Shared, placement: Placement) -> tuple[JobSpec, Runtime]:
    """Loads the spec, and reports it with its store; starts nothing."""
    spec, runtime = _load(path, max_trials, shared, placement)
    runtime.progress.say(f"run {spec.name}: {path}, store {runtime.store.root}")
    tell_of_tables(spec, runtime.tables, runtime.progress)
    return spec, runtime


def _load(path: Path, max_trials: int, shared: Shared, placement: Placement) -> tuple[JobSpec, Runtime]:
    store, progress = Store(shared.store), shared.progress()
    tables = TableReader(store)
    with progress.doing(f"reading {path}"):
        spec = load_spec(path, max_trials, tables.resolve)
    return spec, Runtime(placement, store, progress, tables=tables)


def _can_write(spec: JobSpec, runtime: Runtime) -> bool:
    """Whether the store is writable. One that isn't must at least have results of the spec to print."""
    try:
        runtime.store.probe()
    except StorageError as error:
        plan = make_plan(spec, runtime.store)
        if plan.left == len(plan.trials):
            raise
        runtime.progress.warn(f"{error}. The summary is printed and not written")
        return False
    return True
