"""The generate stage: makes the missing shards, reads missing tables, then measures the facts of the datasets."""

from __future__ import annotations

from collections.abc import Callable

from sumsquares.cluster import inline
from sumsquares.datasets.shards import SHARD_ROWS
from sumsquares.jobs.pipeline.runtime import Runners, Runtime
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.stages.generate import DatasetPlan, Made, generate
from sumsquares.jobs.stages.imported import TablePlan, import_table
from sumsquares.jobs.stages.plan import Plan

INLINE_ROWS = 32 * SHARD_ROWS
"""Up to this many rows are generated in this process: it takes 1 s, starting another 0.6 s and a Ray worker 2 s."""


def generate_datasets(plan: Plan, runtime: Runtime, runners: Runners) -> None:
    """Makes all missing shards, reads the missing tables in this process, and measures the facts of the datasets.

    Raises:
        LostRows: the file of a table is gone.
        ChangedTable: it was changed while it was read.

    """
    if plan.rows_left:
        generated = [each for each in plan.datasets if isinstance(each, DatasetPlan)]
        map_tasks = inline.map_tasks if generated_rows(plan) <= INLINE_ROWS else runners.map_tasks
        with runtime.progress.generating(plan) as on_made:
            generate(runtime.store, generated, map_tasks, on_made)
            for each in plan.datasets:
                if isinstance(each, TablePlan) and not each.is_complete:
                    _import(each, runtime, on_made)
    with runtime.progress.doing("measuring datasets"):
        for each in plan.datasets:
            for split in each.dataset.splits:
                facts_of(runtime.store, split)


def generated_rows(plan: Plan) -> int:
    """Returns how many rows are to be generated; tables are read by one process."""
    return sum(each.rows for each in plan.datasets if isinstance(each, DatasetPlan))


def _import(plan: TablePlan, runtime: Runtime, on_made: Callable[[Made], None]) -> None:
    table = plan.dataset
    rows = runtime.tables.batches(table)
    import_table(runtime.store, table, rows, lambda shard: on_made(Made(table.digest, shard, generated=True)))
