"""The story of a run: plan, refuse, generate, train, summarise. `sumsquares run` and the nights both use it.

Written to the store, in this order: datasets, packs, and at the end the run's own files (stages/run_files.py).
"""

from __future__ import annotations

from collections.abc import Callable

from sumsquares.jobs.pipeline.generating import generate_datasets
from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.planning import plan_run, warn_of_changes
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.pipeline.summarizing import summarize_run
from sumsquares.jobs.pipeline.training import train_packs
from sumsquares.jobs.results.stored import Results, read_trials
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.stages.run_files import begin_run
from sumsquares.jobs.storage.store import Store


def run_spec(
    spec: JobSpec,
    runtime: Runtime,
    read: Callable[[Store], Results] = read_trials,
    check: Callable[[], object] = lambda: None,
    is_derived: bool = False,
    has_baselines: bool = True,
) -> RunOutcome:
    """Trains what the store lacks of a spec, and publishes its summary.

    `read` returns the stored results; a night passes one that caches them. `check` is called between the stages and
    raises if the run must not go on; a night passes one that checks its lock. A spec that `is_derived` from what was
    asked for differs from the one before it as a matter of course: that is no warning. Without `has_baselines` none are
    measured for the summary.

    Raises:
        Refusals, before anything is written: see Runtime.prepare_training.
        StorageError: the store failed; what was committed before stays.

    """
    timing = runtime.timing
    with timing.stage("plan"):
        plan = plan_run(spec, runtime, read, ends_in_summary=True)

    # Everything that can refuse the run comes before begin_run, the first write: a refusal leaves the store as it was.
    runners = runtime.prepare_training(plan)
    if not is_derived:
        warn_of_changes(spec, runtime)
    begin_run(runtime.store, spec)

    with timing.stage("generate"):
        generate_datasets(plan, runtime, runners)
    check()
    with timing.stage("train"):
        failures = train_packs(plan, runtime, runners)
    # The summary is made by this process: it holds no worker, and a cluster lost from here on costs nothing.
    runtime.release()
    check()

    # Failed packs are missing from the summary, but don't prevent it: what was trained is worth reading.
    return summarize_run(spec, runtime, read, failures, is_derived=is_derived, has_baselines=has_baselines)
