"""The driver as the launcher sees it: a process of ours that holds the connection to Ray, and is spoken to by a pipe.

Ray ends the process that is connected to it when its own processes die, and may do so in the middle of a signal, before
any handler of ours has run. The launcher has to say what happened, to record it and to free locks: so it is never
connected itself. If the launcher dies, the driver ends, and a Ray of its own with it. What the driver does is in
driver_process.py.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import wait
from typing import Any, TypeVar

from sumsquares.cluster.driver_process import serve
from sumsquares.cluster.private_folder import PrivateFolder
from sumsquares.cluster.process_table import processes
from sumsquares.cluster.signals import start, uninterrupted
from sumsquares.cluster.work import MakeWork, OnProgress, SplitWork, Target, WorkItem
from sumsquares.cluster.workers import ClusterError, Group, Resources

A = TypeVar("A")
B = TypeVar("B")
END_SECONDS = 20.0
"""Until a driver that was told to end is killed; it stops Ray in 1 to 2 s where the machine is idle."""
STOP_SECONDS = 2.0
"""The same where the run was stopped or has failed: a job of a cluster has 3 s from SIGTERM to SIGKILL."""
LOOK_SECONDS = 1.0
"""Between two looks at the servers of a Ray of our own."""
SERVERS = ("gcs_server", "raylet")
"""Those that a Ray can't do without."""


class Driver:
    """A connection to Ray, held by another process; `connected` makes it.

    Every method raises ClusterError when Ray or the driver itself is lost.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._folder = None if target.address else PrivateFolder()
        if self._folder:
            target = replace(target, folder=self._folder.path)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, target))
        start(self._process)
        self._has_ended = False
        theirs.close()
        self._servers = {(self._process.pid, name) for name in SERVERS if not target.address}
        self._alive: dict[int, str] = {}
        """By process id, the servers that ran when they were looked for last."""
        self._looked = time.monotonic()

    def resources(self) -> list[Resources]:
        """What the nodes have."""
        found: list[Resources] = self._ask("resources")
        return found

    def map_tasks(self, function: Callable[[A], B], arguments: Iterable[A], patience: float) -> Iterator[B]:
        """As `ray_tasks.map_tasks`."""
        return self._told("map_tasks", function, list(arguments), patience)

    def run_workers(
        self,
        make_work: MakeWork,
        items: Sequence[WorkItem],
        split: SplitWork,
        on_progress: OnProgress,
        workers: Sequence[Group],
        patience: float,
    ) -> None:
        """As `ray_train.run_workers`."""
        for snapshot in self._told("run_workers", make_work, items, split, workers, patience):
            on_progress(snapshot)

    def on_every_node(self, function: Callable[[A], B], argument: A) -> dict[str, B]:
        """As `nodes.on_every_node`."""
        answers: dict[str, B] = self._ask("on_every_node", function, argument)
        return answers

    def close(self) -> None:
        """Ends the driver, which ends its Ray or leaves the cluster."""
        self._send(None)
        self._end(END_SECONDS)

    def stop(self) -> None:
        """Ends the driver in the middle of its work."""
        if not self._has_ended:
            self._process.terminate()
        self._end(STOP_SECONDS)

    def _end(self, seconds: float) -> None:
        if self._has_ended:
            return
        wait([self._process.sentinel], seconds)
        self._process.kill()
        for each in processes():  # before the driver is reaped: until then its number is no other's
            if each.session == self._process.pid:
                with suppress(ProcessLookupError):
                    os.kill(each.pid, signal.SIGKILL)
        self._process.join()
        self._has_ended = True
        self._pipe.close()
        if self._folder:
            self._folder.remove()

    def _ask(self, name: str, *arguments: Any) -> Any:
        (answer,) = self._told(name, *arguments)
        return answer

    def _told(self, name: str, *arguments: Any) -> Iterator[Any]:
        """What the driver tells of a request until it has carried it out."""
        self._send((name, arguments))
        while True:
            kind, value = self._heard()
            if kind == "done":
                return
            if kind == "failed":
                raise value
            yield value

    def _send(self, request: tuple[str, Any] | None) -> None:
        try:
            self._pipe.send(request)
        except OSError:  # it has died: the next answer, or the end, says so
            return

    def _heard(self) -> tuple[str, Any]:
        """The next message; meanwhile the servers of a Ray of our own are watched."""
        try:
            while not self._pipe.poll(LOOK_SECONDS):
                self._check_servers()
            if time.monotonic() - self._looked > LOOK_SECONDS:
                self._check_servers()
            message: tuple[str, Any] = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(STOP_SECONDS)
            code = self._process.exitcode
            how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
            raise self._lost(f"the process that was connected to it {how}") from error
        return message

    def _check_servers(self) -> None:
        """Ray itself takes up to a minute to find out, in which the driver may not even be able to run a thread."""
        self._looked = time.monotonic()
        alive = {each.pid: each.name for each in processes() if (each.parent, each.name) in self._servers}
        if dead := sorted(self._alive[pid] for pid in self._alive.keys() - alive.keys()):
            raise self._lost(f"its {' and '.join(dead)} ended")
        self._alive = alive

    def _lost(self, why: str) -> ClusterError:
        return ClusterError(f"{self._target} was lost: {why}; what was finished is kept, run again to go on")


@contextmanager
def connected(target: Target) -> Iterator[Driver]:
    """Starts a driver and connects it; on leaving, both end.

    Raises:
        ClusterError: there is no connection; why, and what to do.

    """
    driver = None
    try:
        with uninterrupted():
            driver = Driver(target)
        yield driver
        driver.close()
    finally:
        if driver is not None:
            driver.stop()
