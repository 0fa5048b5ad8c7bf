"""The work queue: which worker has which item, what returns when a worker dies, and what is given up.

Plain and synchronous, so that it can be tested without Ray; `ray_train.py` makes an actor of it, and `processes.py`
holds a lock. Workers are named `GROUP-RANK`; a group starts and ends as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush

from sumsquares.cluster.sharing import At, SharedItems, whole
from sumsquares.cluster.work import CutWork, Failure, Payload, ProgressSnapshot, Result, SplitWork, WorkItem

ATTEMPTS = 3
"""Attempts at one item; after that it is split, and an item that cannot be split is given up."""
WORKER_DIED = "its worker died (killed, out of memory, or with its node)"
DEATHS = 10
"""Times in a row that a group ends by its workers' own errors, with nothing finished in between, until it is given up.
Workers that are killed or lost with their node don't count: a cloud may take nodes away as often as it likes."""
HEARTBEAT_SECONDS = 0.5
"""Seconds between two heartbeats of a worker."""
HUNG_SECONDS = 900.0
"""Seconds without a heartbeat until a worker counts as hung, and is replaced."""
SEEN_SECONDS, SEEN_SHARE = 1.0, 0.1
"""From these on, the share done of an item tells when its worker will be free."""


@dataclass(slots=True)
class _Held:
    """An item that a worker has."""

    item: WorkItem
    since: float
    share: float = 0.0
    """Of it, done."""


class WorkQueue:
    """Hands out the costliest item first, after those marked as first, and takes back the items of lost workers.

    `split` is called with the payload of an item after `ATTEMPTS` failed attempts. With `cut`, workers have several
    kinds of device, and share the items as sharing.py describes.
    """

    def __init__(
        self,
        items: Sequence[WorkItem],
        split: SplitWork,
        cut: CutWork | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pending: SharedItems | _Pending = _Pending(items) if cut is None else SharedItems(items, cut)
        self._split = split
        self._now = now
        self._attempts: dict[str, int] = {}
        self._held: dict[str, _Held] = {}  # by worker
        self._devices: dict[str, str] = {}  # by worker that may still take an item, where items are shared
        self._failing: set[str] = set()  # kinds of device that have failed since they last did an item
        self._results: list[tuple[str, Result]] = []
        self._failures: list[Failure] = []
        self._notes: list[str] = []
        self._stopped = False
        self._heard: dict[str, float] = {}  # by group with workers: time of the last sign of life
        self._sizes: dict[str, int] = {}
        self._lost: set[str] = set()  # groups without workers
        self._logs: dict[str, str] = {}  # by worker
        self._errors: dict[str, str] = {}  # by group, that end it
        self._deaths: dict[str, int] = {}  # by group, by such errors since it has finished an item
        self._given_up: dict[str, str] = {}  # groups that nothing more is given to, with the reason

    def register(self, group: str, rank: int, size: int, logs: str = "", device: str = "cpu") -> None:
        """Records that worker `rank` of a group of `size` has started; its predecessor's item returns to the queue.

        After a restart with fewer workers, the items of all ranks that no longer exist return as well.
        """
        if group in self._given_up:
            return
        if self._sizes.get(group, size) != size:
            self._notes.append(f"group {group} was resized from {self._sizes[group]} to {size} workers")
        self._sizes[group] = size
        self._lost.discard(group)
        self._heard[group] = self._now()
        self._logs[f"{group}-{rank}"] = logs
        for worker in _of_group(group, self._held):
            if _rank(worker) == rank or _rank(worker) >= size:
                # Doesn't count as an attempt: `lost` already charged the worker that died.
                self._pending.push(self._held.pop(worker).item)
        self._devices = {each: of for each, of in self._devices.items() if _group(each) != group or _rank(each) < size}
        self._devices[f"{group}-{rank}"] = device

    def lost(self, group: str, dead: Collection[int], reason: str = WORKER_DIED) -> None:
        """Records that the workers of these ranks died, which ends their group: its items return to the queue.

        Only the dead workers' items are charged with an attempt, and the reason is told.
        """
        self._lost.add(group)
        self._heard.pop(group, None)
        self._count_death(group)
        for worker in _of_group(group, self._held):
            item = self._held.pop(worker).item
            if _rank(worker) in dead:
                self._retry(worker, item, Failure(item.key, "", reason, logs=self._logs.get(worker, "")))
            else:
                self._pending.push(item)
        for worker in _of_group(group, self._devices):
            del self._devices[worker]

    def take(self, worker: str) -> tuple[str, Payload] | None:
        """Returns the next item's key and payload, or None if nothing is left to take, or others will end it sooner."""
        item = None
        if not self._stopped and self._pending and _group(worker) not in self._lost:
            self._hear(worker)
            item = self._next(worker)
        if item is None:
            self._devices.pop(worker, None)  # it ends, and nothing more can be expected of it
            return None
        self._held[worker] = _Held(item, self._now())
        return item.key, item.payload

    def heartbeat(self, worker: str, share: float) -> None:
        """Records the progress of the worker's item."""
        self._hear(worker)
        if worker in self._held:
            self._held[worker].share = share

    def done(self, worker: str, result: Result) -> None:
        """Records the worker's result, unless its group was lost and the item has already returned to the queue."""
        self._hear(worker)
        if worker in self._held:
            held = self._held.pop(worker)
            self._deaths.pop(_group(worker), None)
            self._results.append((held.item.key, result))
            self._failing.discard(self._devices.get(worker, ""))
            if isinstance(self._pending, SharedItems):
                self._pending.took(held.item, self._devices[worker], self._now() - held.since)

    def fail(self, worker: str, failure: Failure) -> None:
        """Records that the worker's function raised."""
        self._hear(worker)
        if worker not in self._held:
            return
        item = self._held.pop(worker).item
        if failure.ends_worker:
            self._errors[_group(worker)] = failure.reason
        if failure.retryable and not failure.fatal:
            self._retry(worker, item, failure)
        else:
            self._failures.append(failure)
            self._stopped = self._stopped or failure.fatal

    def fail_to_start(self, worker: str, reason: str) -> None:
        """Records that the worker raised before it could take an item, which ends its process."""
        self._errors[_group(worker)] = reason

    def is_given_up(self, group: str) -> bool:
        """Whether the group gets nothing more, so that its workers needn't prepare for it."""
        return group in self._given_up

    def given_up(self) -> dict[str, str]:
        """Returns the groups that get nothing more, and why."""
        return dict(self._given_up)

    def snapshot(self) -> ProgressSnapshot:
        """Returns what happened since the previous snapshot, and what is in progress."""
        running = {held.item.key: held.share for held in self._held.values()}
        left, now = len(self._pending) + len(running), self._now()
        heard = {group: now - at for group, at in self._heard.items()}
        snapshot = ProgressSnapshot(self._results, running, list(self._failures), left, self._notes, heard)
        self._results, self._notes = [], []
        if isinstance(self._pending, SharedItems):
            cuts, self._pending.cuts = self._pending.cuts, []
            snapshot = replace(snapshot, cuts=cuts, seconds_left=self._pending.left(self._workers_but("")))
        return snapshot

    def _count_death(self, group: str) -> None:
        """Counts the end of a group by an error of its workers, and gives it up after DEATHS in a row."""
        if (reason := self._errors.pop(group, None)) is None:
            return
        self._deaths[group] = self._deaths.get(group, 0) + 1
        if self._deaths[group] >= DEATHS:
            self._given_up[group] = (
                f"group {group} was given up, as its workers ended {DEATHS} times in a row without finishing anything "
                f"(the last time by {reason})"
            )
            self._notes.append(self._given_up[group])

    def _next(self, worker: str) -> WorkItem | None:
        if isinstance(self._pending, SharedItems):
            # Nobody leaves the rest to workers that fail: whoever is sent away doesn't come back.
            others = [each for each in self._workers_but(worker) if each.device not in self._failing]
            return self._pending.pop(self._devices[worker], others)
        return self._pending.pop()

    def _workers_but(self, worker: str) -> list[At]:
        """Returns the other workers, and when they will have finished their items."""
        return [At(device, self._free_in(each, device)) for each, device in self._devices.items() if each != worker]

    def _free_in(self, worker: str, device: str) -> float:
        held = self._held.get(worker)
        if held is None:
            return 0.0
        assert isinstance(self._pending, SharedItems)
        spent = self._now() - held.since
        if spent > SEEN_SECONDS and held.share > SEEN_SHARE:
            return spent * (1 - held.share) / held.share
        return max(0.0, self._pending.expected(held.item, device) - spent)

    def _retry(self, worker: str, item: WorkItem, failure: Failure) -> None:
        """Returns the item to the queue, whole or split, or gives it up."""
        self._failing.add(device := self._devices.get(worker, ""))
        attempts = self._attempts[item.key] = self._attempts.get(item.key, 0) + 1
        if attempts < ATTEMPTS:
            self._pending.push(whole(item, device))
            ended = ", which ended its worker" if failure.ends_worker else ""
            self._notes.append(f"{item.key}: {failure.reason}{ended}; trying again ({attempts + 1} of {ATTEMPTS})")
            return
        parts = self._split(item.payload)
        if not parts:
            self._failures.append(failure)
            return
        for part in parts:
            self._pending.push(part)
        self._notes.append(f"{item.key}: {failure.reason} {ATTEMPTS} times; split in two")

    def _hear(self, worker: str) -> None:
        if _group(worker) in self._heard:
            self._heard[_group(worker)] = self._now()


class _Pending:
    """The items that no worker has, where any worker may have any of them."""

    def __init__(self, items: Sequence[WorkItem]) -> None:
        self._heap = [_place(item) for item in items]
        heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, item: WorkItem) -> None:
        """Adds an item."""
        heappush(self._heap, _place(item))

    def pop(self) -> WorkItem:
        """Returns the next one."""
        return heappop(self._heap)[-1]


def _place(item: WorkItem) -> tuple[bool, float, str, WorkItem]:
    """The order of items; their keys differ."""
    return not item.is_first, -item.cost, item.key, item


def _of_group(group: str, workers: Iterable[str]) -> list[str]:
    return [worker for worker in workers if _group(worker) == group]


def _group(worker: str) -> str:
    return worker.rpartition("-")[0]


def _rank(worker: str) -> int:
    return int(worker.rpartition("-")[2])
