"""The launcher's side of the driver: a child process that holds the connection to Ray and is controlled over a pipe.

Ray may end a process that is connected to it when Ray's own processes die, even in the middle of a signal and before
any Python handler has run. The launcher must still report and record what happened and release its locks, so it never
connects to Ray itself. If the launcher dies, the driver ends, and its local Ray with it. The driver's own code is in
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
from sumsquares.cluster.work import CutWork, MakeWork, OnProgress, SplitWork, Target, WorkItem
from sumsquares.cluster.workers import ClusterError, Group, Resources

A = TypeVar("A")
B = TypeVar("B")
CLOSE_SECONDS = 20.0
"""Seconds until a driver that was asked to end is killed; stopping Ray takes 1 to 2 s on an idle machine."""
STOP_SECONDS = 2.0
"""The same after an interrupt or an error: a cluster job has 3 s between SIGTERM and SIGKILL."""
CHECK_SECONDS = 1.0
"""Seconds between two checks of a local Ray's servers."""
SERVERS = ("gcs_server", "raylet")
"""The processes that Ray cannot do without."""


class Driver:
    """A connection to Ray, held by another process; use `connected` to create one.

    Every method raises ClusterError when Ray or the driver is lost.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._folder = None if target.address else PrivateFolder()
        if self._folder:
            target = replace(target, folder=self._folder.path)
        context = multiprocessing.get_context("spawn")
        self._pipe, driver_end = context.Pipe()
        self._process = context.Process(target=serve, args=(driver_end, target))
        start(self._process)
        self._has_ended = False
        driver_end.close()
        self._servers = {(self._process.pid, name) for name in SERVERS if not target.address}
        self._alive: dict[int, str] = {}
        """Names by process id of the servers that ran at the last check."""
        self._last_check = time.monotonic()

    def resources(self) -> list[Resources]:
        """Returns the resources of each node."""
        found: list[Resources] = self._ask("resources")
        return found

    def map_tasks(self, function: Callable[[A], B], arguments: Iterable[A], patience: float) -> Iterator[B]:
        """See `ray_tasks.map_tasks`."""
        return self._request("map_tasks", function, list(arguments), patience)

    def run_workers(
        self,
        make_work: MakeWork,
        items: Sequence[WorkItem],
        split: SplitWork,
        on_progress: OnProgress,
        workers: Sequence[Group],
        patience: float,
        cut: CutWork | None = None,
    ) -> None:
        """See `ray_train.run_workers`."""
        for snapshot in self._request("run_workers", make_work, items, split, workers, patience, cut):
            on_progress(snapshot)

    def on_every_node(self, function: Callable[[A], B], argument: A) -> dict[str, B]:
        """See `nodes.on_every_node`."""
        answers: dict[str, B] = self._ask("on_every_node", function, argument)
        return answers

    def close(self) -> None:
        """Asks the driver to end, which stops its local Ray or disconnects from the cluster."""
        self._send(None)
        self._end(CLOSE_SECONDS)

    def stop(self) -> None:
        """Ends the driver in the middle of its work; does nothing after `close`."""
        if not self._has_ended:
            self._process.terminate()
        self._end(STOP_SECONDS)

    def _end(self, seconds: float) -> None:
        """Waits for the driver, then kills what is left of its session and deletes its folder."""
        if self._has_ended:
            return
        wait([self._process.sentinel], seconds)
        self._process.kill()
        # Before the driver is reaped by `join`: until then its process id cannot be reused.
        for each in processes():
            if each.session == self._process.pid:
                with suppress(ProcessLookupError):
                    os.kill(each.pid, signal.SIGKILL)
        self._process.join()
        self._has_ended = True
        self._pipe.close()
        if self._folder:
            self._folder.remove()

    def _ask(self, name: str, *arguments: Any) -> Any:
        (answer,) = self._request(name, *arguments)
        return answer

    def _request(self, name: str, *arguments: Any) -> Iterator[Any]:
        """Sends a request and yields the driver's replies until it is complete."""
        self._send((name, arguments))
        while True:
            kind, value = self._receive()
            if kind == "done":
                return
            if kind == "failed":
                raise value
            yield value

    def _send(self, request: tuple[str, Any] | None) -> None:
        try:
            self._pipe.send(request)
        except OSError:  # it has died, which the next `_receive` or `_end` reports
            return

    def _receive(self) -> tuple[str, Any]:
        """Returns the next message; checks the servers of a local Ray while waiting."""
        try:
            while not self._pipe.poll(CHECK_SECONDS):
                self._check_servers()
            # The servers are checked even if the driver sends without a pause.
            if time.monotonic() - self._last_check > CHECK_SECONDS:
                self._check_servers()
            message: tuple[str, Any] = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(STOP_SECONDS)
            code = self._process.exitcode
            how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
            raise self._lost(f"the process that was connected to it {how}") from error
        return message

    def _check_servers(self) -> None:
        """Raises ClusterError if a server has ended.

        Ray itself takes up to a minute to notice, during which the driver may not even be able to run a thread.
        """
        self._last_check = time.monotonic()
        alive = {each.pid: each.name for each in processes() if (each.parent, each.name) in self._servers}
        # The servers of a driver that has died end with it; the driver's death, which `recv` reports, is the cause.
        if (dead := sorted(self._alive[pid] for pid in self._alive.keys() - alive.keys())) and not self._is_dead():
            raise self._lost(f"its {' and '.join(dead)} ended")
        self._alive = alive

    def _is_dead(self) -> bool:
        return bool(wait([self._process.sentinel], 0))  # unlike `is_alive`, it doesn't reap the process

    def _lost(self, why: str) -> ClusterError:
        return ClusterError(f"{self._target} was lost: {why}; finished work is kept, run again to resume")


@contextmanager
def connected(target: Target) -> Iterator[Driver]:
    """Starts a driver and connects it; ends both on exit.

    Raises:
        ClusterError: the connection failed; the message says why and what to do.

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
