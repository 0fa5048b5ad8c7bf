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
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from cluster.driver_process import serve
from cluster.signals import start, uninterrupted
from cluster.work import Halve, Item, MakeWork, OnView, Target
from cluster.workers import ClusterError, Group, Resources

A = TypeVar("A")
B = TypeVar("B")
TEMPORARY = "/tmp"  # noqa: S108  a folder of a random name is made in it, with mode 0700
END_SECONDS = 20.0
"""Until a driver that was told to end is killed; it stops Ray in 1 to 2 s where the machine is idle."""
STOP_SECONDS = 2.0
"""The same where the run was stopped or has failed: a job of a cluster has 3 s from SIGTERM to SIGKILL."""


class Driver:
    """A connection to Ray, held by another process; `connected` makes it.

    Every method raises ClusterError when Ray or the driver itself is lost.
    """

    def __init__(self, target: Target) -> None:
        # Of this user alone, and not deep: a socket's path has 107 characters at most.
        self._folder = tempfile.TemporaryDirectory(
            prefix="sumsquares-", dir=os.environ.get("RAY_TMPDIR", TEMPORARY), ignore_cleanup_errors=True
        )
        self._target = target = replace(target, folder=self._folder.name)
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, target))
        start(self._process)
        theirs.close()

    def resources(self) -> list[Resources]:
        """What the nodes have."""
        found: list[Resources] = self._ask("resources")
        return found

    def map_tasks(self, function: Callable[[A], B], arguments: Iterable[A], patience: float) -> Iterator[B]:
        """As `tasks.map_tasks`."""
        return self._told("map_tasks", function, list(arguments), patience)

    def pull(
        self,
        make_work: MakeWork,
        items: Sequence[Item],
        halve: Halve,
        on_view: OnView,
        workers: Sequence[Group],
        patience: float,
    ) -> None:
        """As `fits.pull`."""
        for view in self._told("pull", make_work, items, halve, workers, patience):
            on_view(view)

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
        self._process.terminate()
        self._end(STOP_SECONDS)

    def _end(self, seconds: float) -> None:
        self._process.join(seconds)
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._folder.cleanup()

    def _ask(self, name: str, *arguments: Any) -> Any:
        (answer,) = self._told(name, *arguments)
        return answer

    def _told(self, name: str, *arguments: Any) -> Iterator[Any]:
        """What the driver tells of a request until it has carried it out."""
        self._send((name, arguments))
        while True:
            try:
                kind, value = self._pipe.recv()
            except (EOFError, OSError) as error:
                raise self._lost() from error
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

    def _lost(self) -> ClusterError:
        """The driver has died without a word."""
        self._process.join(STOP_SECONDS)
        code = self._process.exitcode
        how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
        return ClusterError(
            f"{self._target} was lost: the process that was connected to it {how}; what was finished is kept, "
            "run again to go on"
        )


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
