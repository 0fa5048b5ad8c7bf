"""Works off a queue with processes of this machine, without Ray: for what is over before Ray would have started.

A process that dies is replaced, and its piece goes back to the queue; if the launcher dies, each ends with its piece.
What ray_train.py has beyond that is not here: more machines, GPUs, a watchdog for workers that hang.
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

LOOK_SECONDS = 0.2
"""Between two looks at the queue, and between two heartbeats of a worker."""
EARLY_DEATHS = 3
"""Processes that may die before they have asked for work; after that they are taken to be unable to start."""


def run_workers(
    make_work: MakeWork, items: Sequence[WorkItem], split: SplitWork, on_progress: OnProgress, processes: int
) -> None:
    """Works off all items on the CPU; `on_progress` is called several times a second and once at the end.

    Raises:
        ClusterError: more than EARLY_DEATHS processes ended before they asked for work.

    """
    queue = WorkQueue(items, split)
    workers: list[_Worker] = []
    looked = time.monotonic()
    early_deaths = 0
    try:
        workers += (_Worker(rank, make_work) for rank in range(processes))
        while workers:
            ready = wait([worker.pipe for worker in workers], LOOK_SECONDS)
            for index, worker in enumerate(workers):
                if worker.pipe in ready and not worker.answer(queue):
                    early_deaths += not worker.has_asked
                    if early_deaths > EARLY_DEATHS:
                        raise ClusterError(worker.obituary())
                    queue.lost(worker.group, [0])
                    queue.register(worker.group, 0, 1)
                    workers[index] = _Worker(worker.rank, make_work)
            workers = [worker for worker in workers if not worker.is_finished]
            if time.monotonic() - looked > LOOK_SECONDS:
                looked = time.monotonic()
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
        """Of its own: when it dies the others go on."""
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, make_work), daemon=True)
        start(self.process)
        theirs.close()
        self.has_asked = False
        """Whether it has come so far as to ask for work."""
        self.is_finished = False
        """Whether it was told that nothing is left."""

    def answer(self, queue: WorkQueue) -> bool:
        """Hears one message and answers it; False if the process has died instead."""
        try:
            kind, *told = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return False
        answer = getattr(queue, kind)(f"{self.group}-0", *told)
        if kind == "take":
            self.has_asked, self.is_finished = True, answer is None
            with suppress(OSError):  # it has died: the next message says so
                self.pipe.send(answer)
        return True

    def obituary(self) -> str:
        """What to say of one that died before it asked for work."""
        reason = f"worker processes end before they ask for work, the last one with exit code {self.process.exitcode}"
        return f"{reason}; --workers 0 runs in this process"


def _serve(pipe: Connection, make_work: MakeWork) -> None:
    """What each process runs: takes, works, tells, until nothing is left or the launcher is gone."""
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to all its processes: the launcher decides
        signal.signal(number, signal.SIG_IGN)
    unblock()
    work = make_work("cpu")
    last_heartbeat = 0.0

    def heartbeat(share: float) -> None:
        nonlocal last_heartbeat
        if time.monotonic() - last_heartbeat > LOOK_SECONDS:
            last_heartbeat = time.monotonic()
            pipe.send(("heartbeat", share))

    with suppress(EOFError, OSError):
        while (taken := _ask(pipe)) is not None:
            try:
                result = work(taken[1], heartbeat)
            except Exception as error:  # whatever a piece raises is that piece's failure, not the run's
                pipe.send(("fail", Failure.of(taken[0], error)))
            else:
                pipe.send(("done", result))


def _ask(pipe: Connection) -> tuple[str, Any] | None:
    pipe.send(("take",))
    taken: tuple[str, Any] | None = pipe.recv()
    return taken
