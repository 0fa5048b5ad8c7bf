"""The plan stage: compares spec and store, and reports what it finds. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.stored import Results, read_trials
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.plan_text import in_words_earlier
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.show.table_words import left_out_words, rows_words, table_warnings
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.stages.gpu_torch import no_torch
from sumsquares.jobs.stages.plan import RETRAINED, Plan, make_plan
from sumsquares.jobs.stages.run_files import difference_to_earlier
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store


def plan_run(
    spec: JobSpec,
    runtime: Runtime,
    read: Callable[[Store], Results] = read_trials,
    ends_in_summary: bool = False,
) -> Plan:
    """Plans a run and reports it.

    If it ends in a summary, that reports the problems that training doesn't fix.
    """
    runtime.hold(spec.name)
    progress = runtime.progress
    with progress.doing("comparing spec and store"):
        plan = make_plan(spec, runtime.store, read, no_torch(runtime.placement.of_engine(spec.engine)))
    reported = [problem for problem in plan.problems if not ends_in_summary or problem.kind in RETRAINED]
    progress.warn_all(problem.message for problem in reported)
    progress.warn_all(note for dataset in plan.datasets for note in dataset.notes)
    done = len(plan.trials) - plan.left
    progress.say(
        f"{counted(len(plan.trials), 'trial')} of {counted(plan.variants, 'variant')} "
        f"on {counted(len(plan.datasets), 'dataset')}; "
        f"{done:,} trained before, {plan.left:,} to train"
    )
    if plan.earlier:
        progress.say(in_words_earlier(plan.earlier))
    return plan


def warn_of_changes(spec: JobSpec, runtime: Runtime) -> None:
    """Reports how the spec differs from that of the earlier run of its name."""
    lines = difference_to_earlier(runtime.store, spec)
    runtime.progress.warn_all(f"the spec of run {spec.name} has changed: {line}" for line in lines)


def tell_of_tables(spec: JobSpec, tables: TableReader, progress: Progress) -> None:
    """Reports what the tables of a spec hold, and what is left out of them."""
    for table in spec.datasets:
        if isinstance(table, TableDataset):
            progress.say(f"dataset {table.name}: {rows_words(table)}")
            for line in left_out_words(table):
                progress.say(f"dataset {table.name}: {line}")
    warn_of_tables(spec, tables, progress)


def warn_of_tables(spec: JobSpec, tables: TableReader, progress: Progress) -> None:
    """Reports what a person should know before training on tables."""
    progress.warn_all([*tables.notes, *table_warnings(spec)])
