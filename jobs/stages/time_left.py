"""Estimates how long a run's work items will still take, from their expected times and from those measured so far.

Pure: it reads no clock, and knows packs only as keys with an expected time. Work is counted in expected seconds, since
trials differ in cost by factors of a thousand. How much longer items take than expected is learnt while they run, for
each shape by itself; a shape that hasn't run yet is assumed to behave as those of its kin, and these as all others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heapreplace
from typing import NamedTuple

LOOKS = 10
"""Snapshots over which workers are counted: one that was between two items in a snapshot has one in the next."""
SIMULATED = 50
"""Items per worker up to which their schedule is simulated: with more, an uneven end adds little."""
FEWEST_SECONDS = 1.0
"""For which an item must have run before its share done is believed: heartbeats come twice a second."""
OWN, KIN = 0.1, 0.5
"""How many items' worth of measurements weigh as much as what was assumed before: of an item, and of its shape."""
ANY = 0.05
"""Expected seconds of measurements that weigh as much as the assumption that items take as long as expected."""
START_SECONDS = 2.0
"""A worker's first item counts half if it takes so long, and less if it is shorter: reading rows and warming up add
0.3 s to the first one in the lanes engine, and 0.5 s in the torch engine."""
DRIFT_SECONDS, DRIFT_ITEMS = 20.0, 1.0
"""Worker seconds after which a measurement counts half when the machine's load is judged, and how many items' worth of
measurements weigh as much as the assumption that it is what it was."""
GAP_SECONDS = 2.0
"""Worker seconds that weigh as much as the assumption that workers are always at work."""


@dataclass(frozen=True)
class Expected:
    """What is expected of an item before it runs."""

    seconds: float
    """On one worker."""
    shape: Hashable
    """Equal for items of which the expectation errs by about the same factor."""
    kin: Hashable
    """Equal for shapes that are alike."""


class Finished(NamedTuple):
    """An item that is done."""

    key: str
    seconds: float
    """For which its worker had it."""
    share: float
    """Of it, done in that time; less than 1 if it resumed from a checkpoint."""
    is_first: bool
    """Whether it was its worker's first, which also took what a start takes."""


@dataclass
class _Seen:
    """An item in progress."""

    since: float
    """When it was first seen."""
    first: tuple[float, float] | None = None
    """The first share above 0, and when: it may have resumed from a checkpoint."""
    last: tuple[float, float] = (0.0, 0.0)
    """The share, and when it last grew."""

    def look(self, now: float, share: float) -> None:
        """Records the share done."""
        if self.first is None and share > 0:
            # Work that began at 0 counts from its start; a share that no work explains was there before.
            self.first = self.last = (share, now)
        elif share > self.last[0]:
            self.last = (share, now)

    @property
    def evidence(self) -> tuple[float, float]:
        """Seconds, and the share done in them; zeros if too little is known."""
        if self.first is None:
            return 0.0, 0.0
        seconds, share = self.last[1] - self.first[1], self.last[0] - self.first[0]
        return (seconds, share) if seconds >= FEWEST_SECONDS else (0.0, 0.0)


@dataclass
class _Sums:
    """Measured and expected seconds of the same work: in total, by kin, by shape."""

    of: dict[Hashable, tuple[float, float]] = field(default_factory=dict)

    def copy(self) -> _Sums:
        """Returns another one with the same sums."""
        return _Sums(dict(self.of))

    def add(self, item: Expected, measured: float, share: float) -> None:
        """Adds a measurement of a share of an item."""
        for key in (None, ("kin", item.kin), ("shape", item.shape)):
            seconds, expected = self.of.get(key, (0.0, 0.0))
            self.of[key] = (seconds + measured, expected + share * item.seconds)

    def has(self, item: Expected) -> bool:
        """Whether an item of this shape was measured."""
        return ("shape", item.shape) in self.of

    @property
    def expected(self) -> float:
        """Expected seconds of what was measured."""
        return self.of.get(None, (0.0, 0.0))[1]

    def factor(self, item: Expected) -> float:
        """By which such an item takes longer than expected: of its shape as far as it was measured, then of its kin."""
        found = 1.0
        alike = KIN * item.seconds
        for key, prior in ((None, ANY), (("kin", item.kin), alike), (("shape", item.shape), alike)):
            measured, expected = self.of.get(key, (0.0, 0.0))
            found = (measured + prior * found) / (expected + prior)
        return found


@dataclass
class _Drift:
    """How much slower items have become than others of their shape were before, as when a machine gets other work."""

    measured: float = 0.0
    predicted: float = 0.0
    prior: float = 0.0

    def add(self, measured: float, predicted: float) -> None:
        """Adds an item, and lets earlier ones count less."""
        fade = 0.5 ** (measured / DRIFT_SECONDS)
        self.measured = fade * self.measured + measured
        self.predicted = fade * self.predicted + predicted
        self.prior = DRIFT_ITEMS * predicted

    @property
    def factor(self) -> float:
        """By which items take longer now."""
        return (self.measured + self.prior) / (self.predicted + self.prior) if self.prior else 1.0


class _Pending:
    """The items that are not begun, done or given up, with their sums by shape: a run may have 100,000."""

    def __init__(self, items: Mapping[str, Expected]) -> None:
        self._items = items
        self._place = {key: place for place, key in enumerate(items)}
        self.keys: set[str] = set()
        self._of: dict[Hashable, tuple[Expected, float]] = {}
        for key in items:
            self.put(key)

    def add(self, key: str) -> None:
        """Adds an item that is new, and taken last."""
        self._place.setdefault(key, len(self._place))
        self.put(key)

    def put(self, key: str) -> None:
        """Adds an item."""
        if key not in self.keys:
            self.keys.add(key)
            self._count(self._items[key], 1)

    def take(self, key: str) -> None:
        """Removes an item, if it is there."""
        if key in self.keys:
            self.keys.remove(key)
            self._count(self._items[key], -1)

    def _count(self, item: Expected, sign: int) -> None:
        _, seconds = self._of.get(item.shape, (item, 0.0))
        self._of[item.shape] = (item, seconds + sign * item.seconds)

    def total(self, factor: Callable[[Expected], float]) -> float:
        """Returns the seconds that all of them will take."""
        return sum(factor(item) * max(0.0, seconds) for item, seconds in self._of.values())

    def each(self, factor: Callable[[Expected], float]) -> list[float]:
        """Returns the seconds that each will take, in the order in which they are taken."""
        ordered = sorted(self.keys, key=self._place.__getitem__)
        return [factor(self._items[key]) * self._items[key].seconds for key in ordered]


class TimeLeft:
    """The time left of one run, whose items are taken in the order in which they are given."""

    def __init__(self, items: Mapping[str, Expected]) -> None:
        self._items = dict(items)
        self._pending = _Pending(self._items)
        self._total = sum(each.seconds for each in items.values())
        self._finished = 0.0
        """Expected seconds of what is done."""
        self._sums = _Sums()
        self._drift = _Drift()
        self._seen: dict[str, _Seen] = {}
        self._counts: deque[int] = deque(maxlen=LOOKS)
        self._last: float | None = None
        """The last update, from the first sign of work on."""
        self._busy = self._available = 0.0
        """Worker seconds: with an item, and altogether."""

    def update(
        self, now: float, done: Sequence[Finished], running: Mapping[str, float], failed: Collection[str] = ()
    ) -> None:
        """Records what has happened since the last call; `running` has the share done of each item in progress."""
        self._count_workers(now, running, is_at_work=bool(running or done))
        ended = {each.key for each in done}.union(failed)
        for key in self._seen.keys() - running.keys():
            seen = self._seen.pop(key)
            if key not in ended:  # its worker was lost
                self._pending.put(key)
                self._busy += now - seen.since
        for each in done:
            self._finish(each)
        for key in failed:
            self._pending.take(key)
        # The halves of a pack that was split are not among the items, and are left out.
        for key, share in running.items():
            if key in self._items:
                self._pending.take(key)
                self._seen.setdefault(key, _Seen(now)).look(now, share)

    def cut(self, key: str, parts: Mapping[str, float]) -> None:
        """Records that an item was cut before it was begun: keys of its parts, and the share of it that each is."""
        if (whole := self._items.get(key)) is None:
            return
        self._pending.take(key)
        for part, share in parts.items():
            self._items[part] = replace(whole, seconds=share * whole.seconds)
            self._pending.add(part)

    def _count_workers(self, now: float, running: Mapping[str, float], is_at_work: bool) -> None:
        if self._last is None and not is_at_work:
            return
        self._counts.append(len(running))
        if self._last is not None and self._pending.keys:
            self._available += self.workers * (now - self._last)
        self._last = now

    def _finish(self, each: Finished) -> None:
        self._busy += each.seconds
        if (expected := self._items.get(each.key)) is None:
            return
        self._pending.take(each.key)
        self._finished += expected.seconds
        weight = each.seconds / (each.seconds + START_SECONDS) if each.is_first else 1.0
        # Only a shape that is known shows whether the machine is slower than it was, as by other work beside.
        if self._sums.has(expected):
            self._drift.add(weight * each.seconds, weight * each.share * expected.seconds * self._sums.factor(expected))
        self._sums.add(expected, weight * each.seconds, weight * each.share)

    @property
    def has_begun(self) -> bool:
        """Whether a worker has had an item."""
        return self._last is not None

    @property
    def workers(self) -> int:
        """How many are at work, by the last snapshots."""
        return max(1, *self._counts) if self._counts else 1

    @property
    def share(self) -> float:
        """Share of the expected work that is done, 0..1."""
        running = sum(seen.last[0] * self._items[key].seconds for key, seen in self._seen.items())
        return min(1.0, (self._finished + running) / self._total) if self._total else 1.0

    def left(self, now: float) -> float | None:
        """Returns the seconds left; None while nothing was measured."""
        sums = self._sums.copy()
        for key, seen in self._seen.items():
            seconds, share = seen.evidence
            sums.add(self._items[key], seconds, share)
        if not sums.expected:
            return None
        known: dict[Hashable, float] = {}
        drift = self._drift.factor

        def factor(item: Expected) -> float:
            if item.shape not in known:
                known[item.shape] = sums.factor(item) * drift
            return known[item.shape]

        free = [
            _remaining(self._items[key].seconds, factor(self._items[key]), seen, now)
            for key, seen in self._seen.items()
        ]
        busy = self._busy + sum(now - seen.since for seen in self._seen.values())
        gaps = max(1.0, (self._available + GAP_SECONDS) / (busy + GAP_SECONDS))
        free += [0.0] * (self.workers - len(free))
        if len(self._pending.keys) > SIMULATED * len(free):
            return max((gaps * self._pending.total(factor) + sum(free)) / len(free), max(free))
        return makespan(free, [gaps * seconds for seconds in self._pending.each(factor)])


def _remaining(expected: float, factor: float, seen: _Seen, now: float) -> float:
    """Seconds that an item in progress will still take; its own speed soon counts more than that of its shape."""
    seconds, share = seen.evidence
    own = (seconds + OWN * expected * factor) / ((share + OWN) * expected)
    since = now - (seen.last[1] if seen.first else seen.since)
    return max(0.0, own * expected * (1 - seen.last[0]) - since)


def makespan(free: Sequence[float], pending: Iterable[float]) -> float:
    """Returns when the last item ends: workers that are free at these times take them in this order."""
    ends = [*free]
    heapify(ends)
    for seconds in pending:
        heapreplace(ends, ends[0] + seconds)
    return max(ends, default=0.0)
