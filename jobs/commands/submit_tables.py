"""The tables of a spec that is sent to a cluster: files of this machine are read into the store that both see."""

from __future__ import annotations

import shlex
import time

from sumsquares.cluster.submission import Job, Jobs
from sumsquares.cluster.workers import ClusterError
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.stages.imported import import_table, plan_table
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store

START_SECONDS = 60.0
"""Seconds within which a job must have started and ended that only looks for a file."""


def bring_tables(jobs: Jobs, spec: JobSpec, store: Store, tables: TableReader, progress: Progress) -> None:
    """Reads the files that the cluster has not, those without an address, into the store.

    Raises:
        ClusterError: the store is a folder that the cluster doesn't see.
        LostRows, ChangedTable: the file is gone, or it was changed while it was read.
        StorageError: the store failed, or has no room.

    """
    plans = [plan_table(store, each) for each in spec.datasets if isinstance(each, TableDataset) and is_local(each)]
    if not plans:
        return  # the store may be a folder that only the cluster has
    if "://" not in store.root:
        with progress.doing("looking for a file from the cluster"):
            check_seen(jobs, store)
    missing = [plan for plan in plans if not plan.is_complete]
    for plan in missing:
        tables.check(plan.dataset)
    store.probe(sum(plan.bytes_needed for plan in missing))
    tables.remember()
    for plan in missing:
        table = plan.dataset
        with progress.doing(f"reading {table.file}"):
            import_table(store, table, tables.batches(table))
        progress.say(f"dataset {table.name}: {counted(table.rows, 'row')} of {table.file} read into {store.describe()}")


def is_local(table: TableDataset) -> bool:
    """Whether a table's file is one of this machine, which a cluster needn't have."""
    return "://" not in table.file


def check_seen(jobs: Jobs, store: Store) -> None:
    """Looks for a test file in a folder from the cluster.

    Raises:
        ClusterError: it isn't there.

    """
    with store.trial_file() as (root, path):
        ended = _ended(jobs, f"sees-{path.removeprefix('.')}", shlex.join(["test", "-e", f"{root}/{path}"]))
    if ended.status != "SUCCEEDED":
        raise ClusterError(
            f"the cluster can't see {store.describe()}, into which the rows of the spec's tables are read; use a "
            "folder that this machine and the cluster share, or an object store: --store s3://bucket/prefix"
        )


def _ended(jobs: Jobs, name: str, entrypoint: str) -> Job:
    """Runs a short command on the cluster's head."""
    job_id, _ = jobs.submit(name, entrypoint, None, {})
    end = time.monotonic() + START_SECONDS
    while not (job := jobs.get(job_id)).is_over:
        if time.monotonic() > end:
            jobs.stop(job_id)
            raise ClusterError(f"the cluster hasn't run job {job_id} within {START_SECONDS:.0f} s; try again later")
        time.sleep(0.2)
    return job
