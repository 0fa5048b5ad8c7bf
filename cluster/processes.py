"""Runs work items in processes of this machine, without Ray: for work that would end before Ray has started.

A process that dies is replaced, and its item returns to the queue; if the launcher dies, each process ends at its next
heartbeat. Only ray_train.py offers several machines, GPUs, and a watchdog for hung workers.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from sumsquares.cluster.queue import WorkQueue
from sumsquares.cluster.signals import start, unblock
from sumsquares.cluster.work import Failure, MakeWork, OnProgress, SplitWork, WorkItem
from sumsquares.cluster.workers import ClusterError

INTERVAL_SECONDS = 0.2
"""Seconds between two snapshots, and between two heartbeats of a worker."""
EARLY_DEATHS = 3
"""Processes that may die before asking for work; after more, processes are assumed unable to start."""


def run_workers(
    make_work: MakeWork, items: Sequence[WorkItem], split: SplitWork, on_progress: OnProgress, processes: int
) -> None:
    """Runs all items on the CPU; calls `on_progress` several times a second and once at the end.

    Raises:
        ClusterError: more than EARLY_DEATHS processes ended before they asked for work.

    """
    queue = WorkQueue(items, split)
    workers: list[_Worker] = []
    last_snapshot = time.monotonic()
    early_deaths = 0
    try:
        workers += (_Worker(rank, make_work) for rank in range(processes))
        while workers:
            ready = wait([worker.pipe for worker in workers], INTERVAL_SECONDS)
            for index, worker in enumerate(workers):
                if worker.pipe in ready and not worker.answer(queue):
                    # A process that dies at work is replaced; if none can start, replacing them would never end.
                    early_deaths += not worker.has_asked
                    if early_deaths > EARLY_DEATHS:
                        raise ClusterError(worker.cannot_start())
                    queue.lost(worker.group, [0])
                    queue.register(worker.group, 0, 1)
                    workers[index] = _Worker(worker.rank, make_work)
            workers = [worker for worker in workers if not worker.is_finished]
            if time.monotonic() - last_snapshot > INTERVAL_SECONDS:
                last_snapshot = time.monotonic()
                on_progress(queue.snapshot())
    finally:
        for worker in workers:
            worker.process.terminate()
    on_progress(queue.snapshot())


class _Worker:
    """A process, and the launcher's end of the pipe to it."""

    def __init__(self, rank: int, make_work: MakeWork) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
        self.rank = rank
        self.group = f"local{rank}"
        """A group of one: when it dies, the others continue."""
        self.pipe, worker_end = context.Pipe()
        self.process = context.Process(target=_serve, args=(worker_end, make_work), daemon=True)
        start(self.process)
        worker_end.close()
        self.has_asked = False
        """Whether it has asked for work."""
        self.is_finished = False
        """Whether it has received the answer that no item is left."""

    def answer(self, queue: WorkQueue) -> bool:
        """Receives one message and answers it; returns False if the process has died instead."""
        try:
            kind, *arguments = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return False
        answer = getattr(queue, kind)(f"{self.group}-0", *arguments)
        if kind == "take":
            self.has_asked, self.is_finished = True, answer is None
            with suppress(OSError):  # it has died: the next `recv` says so
                self.pipe.send(answer)
        return True

    def cannot_start(self) -> str:
        """The error message after too many early deaths."""
        reason = f"worker processes end before they ask for work, the last one with exit code {self.process.exitcode}"
        return f"{reason}; --workers 0 runs in this process"


def _serve(pipe: Connection, make_work: MakeWork) -> None:
    """The main function of each process: takes and runs items until none is left or the launcher is gone."""
    # A terminal sends these to all of its processes; only the launcher reacts, and decides.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    unblock()
    work = make_work("cpu")
    last_heartbeat = 0.0

    def heartbeat(share: float) -> None:
        nonlocal last_heartbeat
        if time.monotonic() - last_heartbeat > INTERVAL_SECONDS:
            last_heartbeat = time.monotonic()
            pipe.send(("heartbeat", share))

    with suppress(EOFError, OSError):
        while (taken := _take(pipe)) is not None:
            try:
                result = work(taken[1], heartbeat)
            except Exception as error:  # any exception fails its item, not the run
                pipe.send(("fail", Failure.of(taken[0], error)))
            else:
                pipe.send(("done", result))


def _take(pipe: Connection) -> tuple[str, Any] | None:
    pipe.send(("take",))
    taken: tuple[str, Any] | None = pipe.recv()
    return taken
