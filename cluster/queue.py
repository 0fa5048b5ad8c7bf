"""The work queue: which worker has which item, what returns when a worker dies, and what is given up.

Plain and synchronous, so that it can be tested without Ray; `ray_train.py` makes an actor of it, and `processes.py`
holds a lock. Workers are named `GROUP-RANK`; a group starts and ends as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush

from sumsquares.cluster.work import Failure, Payload, ProgressSnapshot, Result, SplitWork, WorkItem

ATTEMPTS = 3
"""Attempts at one item; after that it is split, and an item that cannot be split is given up."""
WORKER_DIED = "its worker died (killed, out of memory, or with its node)"
HEARTBEAT_SECONDS = 0.5
"""Seconds between two heartbeats of a worker."""
HUNG_SECONDS = 900.0
"""Seconds without a heartbeat until a worker counts as hung, and is replaced."""


class WorkQueue:
    """Hands out the costliest item first, after those marked as first, and takes back the items of lost workers.

    `split` is called with the payload of an item after `ATTEMPTS` failed attempts.
    """

    def __init__(self, items: Sequence[WorkItem], split: SplitWork) -> None:
        self._pending = [_place(item) for item in items]
        heapify(self._pending)
        self._split = split
        self._attempts: dict[str, int] = {}
        self._held: dict[str, tuple[WorkItem, float]] = {}  # by worker: its item and the share done
        self._results: list[tuple[str, Result]] = []
        self._failures: list[Failure] = []
        self._notes: list[str] = []
        self._stopped = False
        self._heard: dict[str, float] = {}  # by group with workers: time of the last sign of life
        self._sizes: dict[str, int] = {}
        self._lost: set[str] = set()  # groups without workers
        self._logs: dict[str, str] = {}  # by worker

    def register(self, group: str, rank: int, size: int, logs: str = "") -> None:
        """Records that worker `rank` of a group of `size` has started; its predecessor's item returns to the queue.

        After a restart with fewer workers, the items of all ranks that no longer exist return as well.
        """
        if self._sizes.get(group, size) != size:
            self._notes.append(f"group {group} was resized from {self._sizes[group]} to {size} workers")
        self._sizes[group] = size
        self._lost.discard(group)
        self._heard[group] = time.monotonic()
        self._logs[f"{group}-{rank}"] = logs
        for worker in self._workers_of(group):
            if _rank(worker) == rank or _rank(worker) >= size:
                # Doesn't count as an attempt: `lost` already charged the worker that died.
                self._push(self._held.pop(worker)[0])

    def lost(self, group: str, dead: Collection[int], reason: str = WORKER_DIED) -> None:
        """Records that the workers of these ranks died, which ends their group: its items return to the queue.

        Only the dead workers' items are charged with an attempt, and the reason is told.
        """
        self._lost.add(group)
        self._heard.pop(group, None)
        for worker in self._workers_of(group):
            item, _ = self._held.pop(worker)
            if _rank(worker) in dead:
                self._retry(item, Failure(item.key, "", reason, logs=self._logs.get(worker, "")))
            else:
                self._push(item)

    def take(self, worker: str) -> tuple[str, Payload] | None:
        """Returns the next item's key and payload, or None if nothing is left to take."""
        if self._stopped or not self._pending or _group(worker) in self._lost:
            return None
        self._hear(worker)
        item = heappop(self._pending)[-1]
        self._held[worker] = (item, 0.0)
        return item.key, item.payload

    def heartbeat(self, worker: str, share: float) -> None:
        """Records the progress of the worker's item."""
        self._hear(worker)
        if worker in self._held:
            self._held[worker] = (self._held[worker][0], share)

    def done(self, worker: str, result: Result) -> None:
        """Records the worker's result, unless its group was lost and the item has already returned to the queue."""
        self._hear(worker)
        if worker in self._held:
            item, _ = self._held.pop(worker)
            self._results.append((item.key, result))

    def fail(self, worker: str, failure: Failure) -> None:
        """Records that the worker's function raised."""
        self._hear(worker)
        if worker not in self._held:
            return
        item, _ = self._held.pop(worker)
        if failure.retryable and not failure.fatal:
            self._retry(item, failure)
        else:
            self._failures.append(failure)
            self._stopped = self._stopped or failure.fatal

    def snapshot(self) -> ProgressSnapshot:
        """Returns what happened since the previous snapshot, and what is in progress."""
        running = {item.key: share for item, share in self._held.values()}
        left, now = len(self._pending) + len(running), time.monotonic()
        heard = {group: now - at for group, at in self._heard.items()}
        snapshot = ProgressSnapshot(self._results, running, list(self._failures), left, self._notes, heard)
        self._results, self._notes = [], []
        return snapshot

    def _retry(self, item: WorkItem, failure: Failure) -> None:
        """Returns the item to the queue, whole or split, or gives it up."""
        attempts = self._attempts[item.key] = self._attempts.get(item.key, 0) + 1
        if attempts < ATTEMPTS:
            self._push(item)
            ended = ", which ended its worker" if failure.ends_worker else ""
            self._notes.append(f"{item.key}: {failure.reason}{ended}; trying again ({attempts + 1} of {ATTEMPTS})")
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
        heappush(self._pending, _place(item))


def _place(item: WorkItem) -> tuple[bool, float, str, WorkItem]:
    """The order of items; their keys differ."""
    return not item.is_first, -item.cost, item.key, item


def _group(worker: str) -> str:
    return worker.rpartition("-")[0]


def _rank(worker: str) -> int:
    return int(worker.rpartition("-")[2])
