"""The launcher's side of one worker process: its start, the thread that answers it, its end. Used by processes.py."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import Empty, SimpleQueue
from typing import Any

from sumsquares.cluster.out_of_memory import kills
from sumsquares.cluster.queue import WorkQueue
from sumsquares.cluster.signals import start
from sumsquares.cluster.work import MakeWork, ProgressSnapshot, SplitWork, WorkItem, describe
from sumsquares.cluster.worker_process import serve

JOIN_SECONDS = 5.0
"""Seconds to wait for the end of a process. One that waits for a file server that is gone can't even be killed."""


class Shared:
    """What the threads of all workers of a run share."""

    def __init__(self, items: Sequence[WorkItem], split: SplitWork) -> None:
        self.lock = threading.Lock()
        """Held while the queue and the counts are used."""
        self.queue = WorkQueue(items, split)
        self.early_deaths = 0
        """Processes that have died before asking for work since the last one asked for the first time."""
        self.deaths = 0
        """Processes that have died since an item was finished."""
        self._notes: list[str] = []
        self.ended: SimpleQueue[WorkerHandle] = SimpleQueue()
        """The workers whose thread has ended."""

    def next_ended(self, seconds: float) -> WorkerHandle | None:
        """Returns the next worker whose thread has ended, or None after so many seconds.

        Raises whatever ended the thread, if that is not the process's end.
        """
        try:
            worker = self.ended.get(timeout=seconds)
        except Empty:
            return None
        if worker.error is not None:
            raise worker.error
        return worker

    def note(self, text: str) -> None:
        """Adds a message for people to the next snapshot."""
        self._notes.append(text)

    def snapshot(self) -> ProgressSnapshot:
        """Returns that of the queue, with our own notes."""
        notes, self._notes = self._notes, []
        with self.lock:
            snapshot = self.queue.snapshot()
        return replace(snapshot, notes=[*snapshot.notes, *notes])


class WorkerHandle:
    """A process and the pipe to it."""

    def __init__(self, rank: int, make_work: MakeWork, shared: Shared) -> None:
        self._rank = rank
        self._group = f"local{rank}"
        """A group of one: when it dies, the others continue."""
        self._make_work, self._shared = make_work, shared
        self._process: SpawnProcess | None = None
        self._kills = kills()
        self._silence = 0.0
        """Seconds since the last message, without the time for which the launcher itself was stopped."""
        self._reason = ""
        """Why it ended, if it isn't its exit code that says so."""
        self.has_asked = False
        """Whether it has asked for work."""
        self.is_finished = False
        """Whether it has received the answer that no item is left."""
        self._is_lost = False
        """Whether its item has returned to the queue: whatever it may still say doesn't count."""
        self.error: BaseException | None = None
        """What ended the thread, if that is not the process's end."""

    def start(self) -> None:
        """Starts the process and the thread. If that fails, it counts as a process that has died."""
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold
        try:
            pipe, worker_end = context.Pipe()
            with worker_end:
                self._process = context.Process(target=serve, args=(worker_end, self._make_work), daemon=True)
                start(self._process)
            threading.Thread(target=self._answer_all, args=(pipe,), daemon=True).start()
        except (OSError, RuntimeError) as error:  # too many processes, files or threads, or no memory
            self._reason = describe(error)
            self._shared.ended.put(self)

    def successor(self) -> WorkerHandle:
        """Returns the worker that takes its place."""
        return WorkerHandle(self._rank, self._make_work, self._shared)

    def is_silent(self, seconds: float, limit: float) -> bool:
        """Whether it has sent nothing for longer than the limit, after this many more seconds."""
        self._silence += seconds
        if self._silence <= limit:
            return False
        self._reason = f"no sign of life for {limit / 60:.3g} minutes"
        return True

    def lose(self) -> str:
        """Ends the process, returns its item to the queue and counts its death; returns the reason."""
        shared = self._shared
        if not self._reason:
            self._join()  # the pipe is closed before the process has ended, and its exit code is worth the wait
        self.end()
        reason = self._reason or self._how_it_ended()
        with shared.lock:
            self._is_lost = True
            shared.deaths += 1
            shared.early_deaths += not self.has_asked
            shared.queue.lost(self._group, [0], f"its worker died ({reason})")
            shared.queue.register(self._group, 0, 1)
        return reason

    def kill(self) -> None:
        """Ends the process at once: it leaves nothing half-written, and SIGTERM would not end one that is stopped."""
        if self._process is not None and self._process.pid is not None:
            self._process.kill()

    def end(self) -> None:
        """Ends the process, and waits until it has ended."""
        self.kill()
        self._join()

    def _join(self) -> None:
        if self._process is not None and self._process.pid is not None:
            self._process.join(JOIN_SECONDS)

    def _how_it_ended(self) -> str:
        """From its exit code."""
        code = self._process.exitcode if self._process is not None else None
        if code is None or code >= 0:
            return f"exit code {code}"
        number = -code
        name = signal.Signals(number).name if number in {*signal.Signals} else f"signal {number}"
        is_out_of_memory = number == signal.SIGKILL and kills() > self._kills
        return f"killed by {name}{', out of memory' * is_out_of_memory}"

    def _answer_all(self, pipe: Connection) -> None:
        """The thread: answers the process until no work is left for it, or it has died."""
        try:
            with pipe:
                while not self.is_finished:
                    self._answer(pipe, *pipe.recv())
        except (EOFError, OSError):  # it has died, perhaps in the middle of a message
            pass
        except BaseException as error:  # raised by the main thread
            self.error = error
        self._shared.ended.put(self)

    def _answer(self, pipe: Connection, kind: str, *arguments: Any) -> None:
        shared, self._silence = self._shared, 0.0
        if kind == "ended":
            (self._reason,) = arguments
            return
        with shared.lock:
            if self._is_lost:
                return
            answer = getattr(shared.queue, kind)(f"{self._group}-0", *arguments)
            if kind in ("done", "fail"):
                shared.deaths = 0
            if kind == "take" and not self.has_asked:
                self.has_asked, shared.early_deaths = True, 0
        if kind == "take":
            pipe.send(answer)
            self.is_finished = answer is None
