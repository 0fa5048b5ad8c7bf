"""The queue that workers pull from: who works on what, what comes back when a worker dies, what is given up.

Plain and synchronous, so that it can be tested without Ray; `ray_train.py` makes an actor of it. Workers are named
`GROUP-RANK`; a group starts and ends as a whole.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from sumsquares.cluster.work import Failure, Payload, ProgressSnapshot, Result, SplitWork, WorkItem

ATTEMPTS = 3
"""Tries of one piece; then it is split, and one that cannot be split is given up by name."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker tells of an exception."""

    reason: str
    """One line."""
    traceback: str
    kind: str
    """The exception's class name."""
    can_be_mended: bool
    """Whether trying again can help: not where the input itself is wrong."""
    ends_run: bool
    """Whether the exception says that the next piece will fail as well: a class attribute `ends_run` of its own."""

    @classmethod
    def of(cls, error: Exception) -> Told:
        """About the exception that is being handled."""
        return cls(
            reason=describe(error),
            traceback=traceback.format_exc(),
            kind=type(error).__name__,
            can_be_mended=not isinstance(error, (ValueError, TypeError, AssertionError)),
            ends_run=getattr(error, "ends_run", False),
        )


class WorkQueue:
    """Hands out the costliest piece first and takes back what a lost worker had.

    `split` gets the payload of a piece that failed or lost its worker `ATTEMPTS` times.
    """

    def __init__(self, items: Sequence[WorkItem], split: SplitWork) -> None:
        self._pending = [(-item.cost, item.key, item) for item in items]
        heapify(self._pending)
        self._split = split
        self._attempts: dict[str, int] = {}
        self._held: dict[str, tuple[WorkItem, float]] = {}  # by worker: its piece and the share done
        self._results: list[tuple[str, Result]] = []
        self._failures: list[Failure] = []
        self._notes: list[str] = []
        self._stopped = False
        self._heard: dict[str, float] = {}  # by group with workers: when one of them was heard of
        self._sizes: dict[str, int] = {}
        self._lost: set[str] = set()  # groups that have no workers any more

    def register(self, group: str, rank: int, size: int) -> None:
        """Worker `rank` of a group of `size` has started: what its predecessor had goes back.

        A group that restarts smaller has no successors for all its workers.
        """
        if self._sizes.get(group, size) != size:
            self._notes.append(f"group {group} goes on with {size} of its workers, before {self._sizes[group]}")
        self._sizes[group] = size
        self._lost.discard(group)
        self._heard[group] = time.monotonic()
        for worker in self._workers_of(group):
            if _rank(worker) == rank or _rank(worker) >= size:
                self._push(self._held.pop(worker)[0])  # nobody's fault: whoever died was told of by `lost`

    def lost(self, group: str, dead: Collection[int]) -> None:
        """Workers of these ranks died, and their group ends with them: what it had goes back to all.

        Only those that died have tried in vain.
        """
        self._lost.add(group)
        self._heard.pop(group, None)
        for worker in self._workers_of(group):
            item, _ = self._held.pop(worker)
            if _rank(worker) in dead:
                self._again(item, Failure(item.key, "its worker died (killed, out of memory, or with its node)", ""))
            else:
                self._push(item)

    def take(self, worker: str) -> tuple[str, Payload] | None:
        """The next piece for this worker, or None when there is nothing left to take."""
        if self._stopped or not self._pending or _group(worker) in self._lost:
            return None
        self._hear(worker)
        item = heappop(self._pending)[2]
        self._held[worker] = (item, 0.0)
        return item.key, item.payload

    def heartbeat(self, worker: str, share: float) -> None:
        """Progress of the worker's piece."""
        self._hear(worker)
        if worker in self._held:
            self._held[worker] = (self._held[worker][0], share)

    def done(self, worker: str, result: Result) -> None:
        """The worker finished its piece; it doesn't count if that went back before, as its group was lost."""
        self._hear(worker)
        if worker in self._held:
            item, _ = self._held.pop(worker)
            self._results.append((item.key, result))

    def fail(self, worker: str, told: Told) -> None:
        """The worker's function raised."""
        self._hear(worker)
        if worker not in self._held:
            return
        item, _ = self._held.pop(worker)
        failure = Failure(item.key, told.reason, told.traceback, told.kind)
        if told.can_be_mended and not told.ends_run:
            self._again(item, failure)
        else:
            self._failures.append(failure)
            self._stopped = self._stopped or told.ends_run

    def snapshot(self) -> ProgressSnapshot:
        """What has happened since the last look, and what is going on."""
        running = {item.key: share for item, share in self._held.values()}
        left, now = len(self._pending) + len(running), time.monotonic()
        heard = {group: now - at for group, at in self._heard.items()}
        snapshot = ProgressSnapshot(self._results, running, list(self._failures), left, self._notes, heard)
        self._results, self._notes = [], []
        return snapshot

    def _again(self, item: WorkItem, failure: Failure) -> None:
        attempts = self._attempts[item.key] = self._attempts.get(item.key, 0) + 1
        if attempts < ATTEMPTS:
            self._push(item)
            self._notes.append(f"{item.key}: {failure.reason}; trying again ({attempts + 1} of {ATTEMPTS})")
            return
        parts = self._split(item.payload)
        if not parts:
            self._failures.append(failure)
            return
        for part in parts:
            self._push(part)
        self._notes.append(f"{item.key}: {failure.reason} {ATTEMPTS} times; split in two")

    def _hear(self, worker: str) -> None:
        if _group(worker) in self._heard:
            self._heard[_group(worker)] = time.monotonic()

    def _workers_of(self, group: str) -> list[str]:
        return [worker for worker in self._held if _group(worker) == group]

    def _push(self, item: WorkItem) -> None:
        heappush(self._pending, (-item.cost, item.key, item))


def _group(worker: str) -> str:
    return worker.rpartition("-")[0]


def _rank(worker: str) -> int:
    return int(worker.rpartition("-")[2])


def describe(error: BaseException) -> str:
    """One line about an exception."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
