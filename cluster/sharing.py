"""Items that workers of several kinds of device share, CPUs and GPUs, so that all of them end together.

Pure: it is given times, and knows the payload only by its caller's function. Each item has its expected seconds on each
kind of device. A worker gets an item that its kind is good at, compared with the others, and only as much of it as fits
this kind and the end of the run; the rest stays. Expectations are corrected by what finished items took.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from heapq import heappop, heappush
from typing import NamedTuple

from sumsquares.cluster.work import CutWork, WorkItem

SHARE_OF_REST = 0.5
"""Of the time until all could end together, what one item may take: expectations err, and later items mend it."""
SHARE_OF_FIRST = 0.1
"""The same, while nothing has been measured on that kind of device."""
SHORTEST = 1.0
"""Seconds: no item is cut for the end of the run so that it takes less."""
PRIOR_SECONDS = 1.0
"""Of measurements that weigh as much as the assumption that items take as long as expected."""
LOOKS = 16
"""Items that a worker is offered, near the end, until it is sent away."""


_Place = tuple[float, float, str]


class At(NamedTuple):
    """A worker that is there."""

    device: str
    free_in: float
    """Seconds until it has finished its item; 0 if it has none."""


class SharedItems:
    """The items that no worker has."""

    def __init__(self, items: Iterable[WorkItem], cut: CutWork) -> None:
        self._cut = cut
        self._items: dict[str, WorkItem] = {}
        self._orders: dict[str, list[tuple[_Place, str]]] = {}
        """For each kind of device, keys in the order in which it takes them; some are no longer there."""
        self._seconds: dict[str, float] = {}
        """By kind of device, of all items."""
        self._measured: dict[str, tuple[float, float]] = {}
        """By kind of device, measured and expected seconds of finished items."""
        self.cuts: list[tuple[str, dict[str, float]]] = []
        """Keys of items that were cut, with their parts and the share that each part is."""
        for item in items:
            self.push(item)

    def __len__(self) -> int:
        return len(self._items)

    def push(self, item: WorkItem) -> None:
        """Adds an item."""
        self._items[item.key] = item
        for device, seconds in item.seconds.items():
            heappush(self._orders.setdefault(device, []), (_place(item, device), item.key))
            self._seconds[device] = self._seconds.get(device, 0.0) + seconds

    def took(self, item: WorkItem, device: str, seconds: float) -> None:
        """Records what a worker needed for an item."""
        measured, expected = self._measured.get(device, (0.0, 0.0))
        self._measured[device] = (measured + seconds, expected + item.seconds[device])

    def expected(self, item: WorkItem, device: str) -> float:
        """Seconds that the item will take there, by what others took."""
        measured, expected = self._measured.get(device, (0.0, 0.0))
        return item.seconds[device] * (measured + PRIOR_SECONDS) / (expected + PRIOR_SECONDS)

    def pop(self, device: str, others: Sequence[At]) -> WorkItem | None:
        """Returns an item for a free worker with such a device, or None if there is none, or others end it sooner.

        `others` are the other workers. A worker that gets nothing is not needed any more, unless one of them dies.
        """
        passed: list[WorkItem] = []
        found = None
        while found is None and len(passed) < LOOKS and (item := self._first(device)) is not None:
            self._remove(item)
            found = self._part(item, device, others)
            if found is None:
                passed.append(item)
        for item in passed:
            self.push(item)
        return found

    def left(self, workers: Sequence[At]) -> float:
        """Returns the seconds until all items could end, with these workers."""
        return max(_common_end(workers, self._all()), max((each.free_in for each in workers), default=0.0))

    def _all(self, but: WorkItem | None = None) -> dict[str, float]:
        """Expected seconds of all items, and of one more, by kind of device."""
        found = {}
        for device, seconds in self._seconds.items():
            measured, expected = self._measured.get(device, (0.0, 0.0))
            more = but.seconds.get(device, 0.0) if but else 0.0
            found[device] = (seconds + more) * (measured + PRIOR_SECONDS) / (expected + PRIOR_SECONDS)
        return found

    def _first(self, device: str) -> WorkItem | None:
        order = self._orders.get(device, [])
        while order and (order[0][1] not in self._items or order[0][0] != _place(self._items[order[0][1]], device)):
            heappop(order)
        return self._items[order[0][1]] if order else None

    def _remove(self, item: WorkItem) -> None:
        del self._items[item.key]
        for device, seconds in item.seconds.items():
            self._seconds[device] -= seconds

    def _part(self, item: WorkItem, device: str, others: Sequence[At]) -> WorkItem | None:
        """Returns what a worker should take of an item, which is whole or in parts back among the others, if any."""
        together = self._all(item)
        end = _common_end([*others, At(device, 0.0)], together)
        pace = self.expected(item, device) / item.seconds[device] if item.seconds[device] else 1.0
        part, rest = item, None
        if device not in item.whole_on:
            share = SHARE_OF_REST if device in self._measured else SHARE_OF_FIRST
            part, rest = self._cut(item, device, max(SHORTEST, share * end) / pace)
        needed = self.expected(part, device)
        elsewhere = [each for each in others if each.device != device and each.device in part.seconds]
        if elsewhere and needed > _common_end(others, together):
            sooner = min(each.free_in + self.expected(part, each.device) for each in elsewhere)
            if sooner <= needed:
                return None
        if rest is not None:
            self.cuts.append((item.key, {each.key: each.size / item.size for each in (part, rest)}))
            self.push(rest)
        return part


def whole(item: WorkItem, device: str) -> WorkItem:
    """Returns the item so that workers with such a device don't cut it: another attempt at it is counted as such.

    Others may: one core would take hours for what a GPU takes at once.
    """
    return replace(item, whole_on=item.whole_on | {device})


def _place(item: WorkItem, device: str) -> _Place:
    """The order in which workers with such a device take items: those first that others are worse at, then the longest.

    No item is a first one: the time left is that of `SharedItems.left`, and needs no examples.
    """
    own = item.seconds[device]
    others = [seconds for each, seconds in item.seconds.items() if each != device]
    advantage = min(others) / own if others and own else float("inf")
    return -advantage, -own, item.key


def _common_end(workers: Sequence[At], seconds: dict[str, float]) -> float:
    """Returns when all items end if they are spread over the workers as they become free; infinity without workers.

    `seconds` is what all of them take on one worker of each kind.
    """
    done = rate = 0.0
    end = float("inf")
    for device, free_in in sorted(((each.device, each.free_in) for each in workers), key=lambda each: each[1]):
        if free_in >= end:
            break
        if (whole := seconds.get(device)) is None:
            continue
        if whole <= 0:
            return free_in
        rate += 1 / whole
        done += free_in / whole
        end = (1 + done) / rate
    return end
