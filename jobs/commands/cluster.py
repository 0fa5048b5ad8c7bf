"""What the commands that speak to a cluster do: each makes its calls, prints, and returns an exit code."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sumsquares.cluster.submission import Job, Jobs
from sumsquares.jobs import exits
from sumsquares.jobs.commands import submit as submitting
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.submit_tables import bring_tables
from sumsquares.jobs.pipeline.planning import tell_of_tables
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.stages.placement import PlacementOptions
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store

STOP_SECONDS = 30.0
"""Seconds within which a stopped job must have ended."""


def connect(address: str | None, headers: Sequence[str], verify: str | None) -> Jobs:
    """Returns the jobs of the cluster that the options or the environment name."""
    logging.disable(logging.INFO)  # Ray's client logs its uploads and connections
    return Jobs(submitting.endpoint(address, headers, verify, os.environ))


def submit(jobs: Jobs, path: Path, max_trials: int, options: PlacementOptions, wait: bool, shared: Shared) -> int:
    """Submits the spec or attaches to its job; with `wait`, follows the job to its end."""
    options.placement("auto")  # rejects wrong options before the cluster is asked
    store, progress = Store(shared.store), shared.progress()
    tables = TableReader(store)
    with progress.doing(f"reading {path}"):
        spec = load_spec(path, max_trials, tables.resolve)
    tell_of_tables(spec, tables, progress)
    bring_tables(jobs, spec, store, tables, progress)
    with progress.doing("submitting the job"):
        job_id, is_new = submitting.submit(jobs, spec, store, options, max_trials)
    if not shared.quiet:
        sys.stderr.write(f"{'submitted' if is_new else 'attached to the running'} job {job_id}\n")
    if not wait:
        shared.print({"job": job_id, "new": is_new}, job_id)
        return exits.OK
    job = _followed(jobs, job_id, progress, _ignore if shared.json else _show)
    if shared.json:
        shared.print(_facts(job), "")
    elif job.status != "SUCCEEDED":
        why = job.message.partition(", last available logs")[0]
        sys.stderr.write(f"sumsquares: job {job_id} {job.status.lower()}: {why}\n")
    return submitting.exit_code_of(job)


def _followed(jobs: Jobs, job_id: str, progress: Progress, show: Callable[[str], None]) -> Job:
    """Follows a job to its end; until it says something itself, this process says that it waits."""
    with ExitStack() as waiting:
        waiting.enter_context(progress.doing(f"waiting for job {job_id}"))

        def show_first(text: str) -> None:
            if show is not _ignore:
                waiting.close()
            show(text)

        return jobs.follow(job_id, show_first)


def status(jobs: Jobs, job_id: str, shared: Shared) -> int:
    """Prints one line about a job."""
    job = jobs.get(job_id)
    shared.print(_facts(job), _line(job))
    return submitting.exit_code_of(job) if job.is_over else exits.OK


def logs(jobs: Jobs, job_id: str, follow: bool) -> int:
    """Prints what a job has printed."""
    job = jobs.get(job_id)
    if follow:
        return submitting.exit_code_of(jobs.follow(job.id, _show))
    sys.stdout.write(jobs.logs(job.id))
    return exits.OK


def stop(jobs: Jobs, job_id: str, shared: Shared) -> int:
    """Stops a job and waits for its end."""
    job = jobs.get(job_id)
    if not job.is_over:
        jobs.stop(job.id)
    end = time.monotonic() + STOP_SECONDS
    while not (job := jobs.get(job.id)).is_over and time.monotonic() < end:
        time.sleep(0.5)
    shared.print(_facts(job), _line(job))
    return exits.OK if job.is_over else exits.CLUSTER


def list_jobs(jobs: Jobs, shared: Shared) -> int:
    """Prints a line per job."""
    found = jobs.list()
    shared.print({"jobs": [_facts(job) for job in found]}, "\n".join(map(_line, found)) or "no jobs")
    return exits.OK


def _facts(job: Job) -> dict[str, Any]:
    return {"job": job.id, **{name: value for name, value in asdict(job).items() if name != "id"}}


def _line(job: Job) -> str:
    began = datetime.fromtimestamp(job.started, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if job.started else "not started"
    seconds = (job.ended or time.time()) - job.started if job.started else 0.0
    code = "" if job.exit_code is None else f", exit code {job.exit_code}"
    return f"{job.id}  {job.status}{code}  {began}, {seconds:.0f} s"


def _show(text: str) -> None:
    """Prints a text at once, also if stdout is a pipe or a file."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _ignore(_text: str) -> None:
    """Drops a log: with --json it isn't shown."""
