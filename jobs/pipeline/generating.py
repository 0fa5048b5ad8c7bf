"""The generate stage: makes the missing shards, then measures the facts of the datasets."""

from __future__ import annotations

from sumsquares.cluster import inline
from sumsquares.datasets.shards import SHARD_ROWS
from sumsquares.jobs.pipeline.runtime import Runners, Runtime
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.stages.generate import generate
from sumsquares.jobs.stages.plan import Plan

INLINE_ROWS = 32 * SHARD_ROWS
"""Up to this many rows are generated in this process: it takes 1 s, starting another 0.6 s and a Ray worker 2 s."""


def generate_datasets(plan: Plan, runtime: Runtime, runners: Runners) -> None:
    """Makes all missing shards, and measures the facts of the datasets."""
    if plan.rows_left:
        map_tasks = inline.map_tasks if plan.rows_left <= INLINE_ROWS else runners.map_tasks
        with runtime.progress.generating(plan) as on_made:
            generate(runtime.store, plan.datasets, map_tasks, on_made)
    for each in plan.datasets:
        facts_of(runtime.store, each.dataset)
