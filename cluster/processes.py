"""Runs work in processes of this machine, without Ray. The processes' own code is in worker_process.py.

A process that dies or hangs is replaced, and its item returns to the queue. Only ray_train.py offers several machines
and GPUs.

Each process has a thread here that answers it, so that one that stops in the middle of a message delays no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TypeVar

from sumsquares.cluster.queue import HUNG_SECONDS
from sumsquares.cluster.sendable import sendable
from sumsquares.cluster.work import Heartbeat, MakeWork, OnProgress, ProgressSnapshot, SplitWork, Work, WorkItem
from sumsquares.cluster.worker_handle import Shared, WorkerHandle
from sumsquares.cluster.workers import ClusterError

A = TypeVar("A")
B = TypeVar("B")
LOOK_SECONDS = 0.5
"""Seconds between two snapshots, and between two looks for hung processes."""
EARLY_DEATHS = 3
"""Processes that may die one after the other before they ask for work; after more, none is assumed able to start."""
DEATHS = 100
"""Processes that may die one after the other without an item being finished."""


def run_workers(
    make_work: MakeWork, items: Sequence[WorkItem], split: SplitWork, on_progress: OnProgress, processes: int
) -> None:
    """Runs all items on the CPU; calls `on_progress` twice a second and once at the end.

    Raises:
        ClusterError: processes die before they ask for work, or whatever they work at.

    """
    with closing(_snapshots(make_work, items, split, processes)) as snapshots:
        for snapshot in snapshots:
            on_progress(snapshot)


def map_tasks(function: Callable[[A], B], arguments: Iterable[A], processes: int) -> Iterator[B]:
    """Yields the function's results as they arrive; re-raises the function's own exceptions.

    Raises:
        ClusterError: as `run_workers`, or processes died each time that they worked at one of the arguments.

    """
    items = [WorkItem(f"task {number:09}", 0.0, argument) for number, argument in enumerate(arguments)]
    make_work = partial(_caller, function)
    with closing(_snapshots(make_work, items, lambda _payload: [], min(processes, len(items)))) as snapshots:
        for snapshot in snapshots:
            for _, (result, error) in snapshot.results:
                if error is not None:
                    raise error
                yield result
            for failure in snapshot.failures:
                raise ClusterError(f"{failure.key} of {len(items):,} failed: {failure.reason}; run again to resume")


def _caller(function: Callable[[A], B], _device: str) -> Work:
    """Returns a function that returns the result, or the exception itself: a Failure has only its text."""

    def call(argument: A, _heartbeat: Heartbeat) -> tuple[B | None, Exception | None]:
        try:
            return function(argument), None
        except Exception as error:
            return None, sendable(error, "a worker process")

    return call


def _snapshots(
    make_work: MakeWork, items: Sequence[WorkItem], split: SplitWork, processes: int
) -> Generator[ProgressSnapshot]:
    """Runs all items, and yields what happens. It must be closed, and run in a thread that outlives the processes."""
    shared = Shared(items, split)
    workers = [WorkerHandle(rank, make_work, shared) for rank in range(processes)]
    looked = shown = time.monotonic()
    try:
        for worker in workers:
            worker.start()
        while workers:
            ended = shared.next_ended(LOOK_SECONDS)
            looked, before = time.monotonic(), looked
            # If more time has passed, this process was stopped, as by Ctrl-Z, and the workers perhaps as well.
            ran = min(looked - before, 2 * LOOK_SECONDS)
            silent = {worker for worker in workers if worker.is_silent(ran, HUNG_SECONDS)}
            for worker in [worker for worker in workers if worker is ended or worker in silent]:
                workers.remove(worker)
                if worker.is_finished:
                    worker.end()
                else:
                    _replace(worker, workers, shared)
            if looked - shown >= LOOK_SECONDS:
                shown = looked
                yield shared.snapshot()
    finally:
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.end()
    yield shared.snapshot()


def _replace(worker: WorkerHandle, others: list[WorkerHandle], shared: Shared) -> None:
    """Starts a process in place of a dead or hung one, unless others work and this one has failed to start too often.

    Raises:
        ClusterError: too many have died.

    """
    reason = worker.lose()
    if shared.deaths > DEATHS:
        raise ClusterError(
            f"{shared.deaths} worker processes died one after the other, and none finished anything "
            f"(the last one: {reason}); finished work is kept, run again to resume"
        )
    if not worker.has_asked and shared.early_deaths > EARLY_DEATHS:
        if not any(other.has_asked for other in others):
            raise ClusterError(
                f"worker processes end before they ask for work (the last one: {reason}); "
                "--workers 0 runs in this process"
            )
        shared.note(f"a worker process can't be started ({reason}); the run continues with {len(others)}")
        return
    if not worker.has_asked:
        shared.note(f"a worker process ended before it asked for work ({reason}); another one is started")
    others.append(worker.successor())
    others[-1].start()
