"""Runs work in this process, one item after the other, without Ray: `--workers 0`, and small work everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from sumsquares.cluster.queue import WorkQueue
from sumsquares.cluster.work import Failure, MakeWork, OnProgress, SplitWork, WorkItem

A = TypeVar("A")
B = TypeVar("B")
SNAPSHOT_SECONDS = 0.2
"""Seconds between two snapshots."""


def map_tasks(function: Callable[[A], B], arguments: Iterable[A]) -> Iterator[B]:
    """Returns the function's results, in the order of the arguments."""
    return map(function, arguments)


def run_workers(make_work: MakeWork, items: Sequence[WorkItem], split: SplitWork, on_progress: OnProgress) -> None:
    """Runs all items on the CPU; calls `on_progress` several times a second and once at the end."""
    queue = WorkQueue(items, split)
    work = make_work("cpu")
    last_snapshot = 0.0

    def heartbeat(share: float) -> None:
        nonlocal last_snapshot
        queue.heartbeat("inline-0", share)
        if time.monotonic() - last_snapshot > SNAPSHOT_SECONDS:
            last_snapshot = time.monotonic()
            on_progress(queue.snapshot())

    while (taken := queue.take("inline-0")) is not None:
        try:
            queue.done("inline-0", work(taken[1], heartbeat))
        except Exception as error:  # any exception fails its item, not the run
            queue.fail("inline-0", Failure.of(taken[0], error))
        heartbeat(0.0)
    on_progress(queue.snapshot())
