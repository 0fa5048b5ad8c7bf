"""Meters of long work: each counts what is done and returns a view of it. They draw nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from math import isinf

from sumsquares.cluster.work import ProgressSnapshot
from sumsquares.jobs.messages.numbers import clock, number
from sumsquares.jobs.show.progress_view import Item, View, count_item, count_words
from sumsquares.jobs.stages.order import expected
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.time_left import Finished, TimeLeft

RATE_SECONDS = 1.0
"""For which something must have gone on before a rate is told."""
Now = Callable[[], float]
"""A monotonic clock."""


class Rate:
    """How fast something goes, from the first sign of progress on."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._first: tuple[float, float] | None = None
        self.done = 0.0

    def look(self, done: float) -> None:
        """Records how much is done."""
        self.done = done
        if done and self._first is None:
            self._first = (self._now(), done)

    @property
    def per_second(self) -> float | None:
        """None while it isn't known."""
        if self._first is None:
            return None
        (began, before), now = self._first, self._now()
        return (self.done - before) / (now - began) if now - began >= RATE_SECONDS and self.done > before else None


class Doing:
    """Work of which no end is known."""

    def __init__(self, title: str, now: Now) -> None:
        self._title, self._now, self._began = title, now, now()
        self._detail = ""

    def tell(self, detail: str) -> None:
        """Says how far it is: `40,000 rows`."""
        self._detail = detail

    def view(self) -> View:
        """Returns it as it is now."""
        spent = clock(self._now() - self._began)
        detail = [Item(self._detail, 1)] if self._detail else []
        words = ", ".join([self._title, *([self._detail] if self._detail else []), spent])
        return View(self._title, (*detail, Item(spent, 0)), words=words)


class Counting:
    """Equal parts of known number, such as rows."""

    def __init__(self, unit: str, total: int, now: Now) -> None:
        self._unit, self._total, self._now, self._began = unit, total, now, now()
        self._rate = Rate(now)

    def advance(self, done: float) -> None:
        """Records how many are done."""
        self._rate.look(done)

    def view(self) -> View:
        """Returns it as it is now."""
        rate, done, spent = self._rate.per_second, int(self._rate.done), clock(self._now() - self._began)
        left = None if rate is None else (self._total - self._rate.done) / rate
        items, words = timed(self._unit, rate, spent, left)
        count = Item(count_item(done, self._total), 0)
        said = ", ".join([count_words(done, self._total, self._unit), *words])
        return View(f"{self._unit}s", (count, *items), self._rate.done / max(1, self._total), words=said)

    @property
    def ended(self) -> str:
        """The final count and time."""
        words = count_words(int(self._rate.done), self._total, self._unit)
        return f"{words} in {clock(self._now() - self._began)}"


class Training:
    """Packs in training, in their order; the bar and the time left go by their expected seconds."""

    def __init__(self, packs: Sequence[Pack], now: Now, starting: str) -> None:
        self._now, self._began, self._starting = now, now(), starting
        self._sizes = {f"pack {pack.id}": len(pack.trials) for pack in packs}
        self._total = sum(self._sizes.values())
        self._left = TimeLeft({f"pack {pack.id}": expected(pack) for pack in packs})
        self._rate = Rate(now)
        self._trained = 0
        self._seconds_left: float | None = None
        """As the queue expects it, where workers of several kinds share the packs."""
        self._best: dict[str, float] = {}
        self._guard = threading.Lock()
        """The display looks from a thread of its own."""

    def update(self, snapshot: ProgressSnapshot) -> None:
        """Records what has happened since the last snapshot."""
        done = [Finished(key, each.seconds, each.share, each.is_first) for key, each in snapshot.results]
        with self._guard:
            for key, parts in snapshot.cuts:
                self._left.cut(key, parts)
                models = self._sizes.get(key, 0)
                self._sizes |= {part: round(share * models) for part, share in parts.items()}
            self._seconds_left = snapshot.seconds_left
            self._left.update(self._now(), done, snapshot.running, {failure.key for failure in snapshot.failures})
            for _, outcome in snapshot.results:
                self._trained += outcome.trials
                if outcome.best is not None:
                    name, rmse = outcome.best
                    self._best[name] = min(rmse, self._best.get(name, rmse))
            running = sum(share * self._sizes.get(key, 0) for key, share in snapshot.running.items())
            self._rate.look(self._trained + running)

    def view(self) -> View:
        """Returns it as it is now."""
        with self._guard:
            now, done = self._now(), int(self._rate.done)
            left = self._left.left(now) if self._seconds_left is None else self._seconds_left
            left = None if left is None or isinf(left) else left
            items, words = timed("trial", self._rate.per_second, clock(now - self._began), left)
            count = Item(count_item(done, self._total), 0)
            if not self._left.has_begun:
                items, words = (Item(self._starting, 1), items[-1]), (self._starting, words[-1])
            said = ", ".join([count_words(done, self._total, "trial"), *words])
            best = tuple((name, number(rmse)) for name, rmse in sorted(self._best.items()))
            return View("trials", (count, *items), self._left.share, best, "lowest RMSE", said)

    @property
    def ended(self) -> str:
        """The final count and time."""
        return f"{count_words(self._trained, self._total, 'trial')} in {clock(self._now() - self._began)}"


def timed(unit: str, rate: float | None, spent: str, left: float | None) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """Rate, time left and time spent: as items, and as words of a log; what isn't known is left out."""
    found = []
    if rate is not None:
        found.append(Item(f"{rate:,.0f} {unit}s/s" if rate >= 100 else f"{rate:.3g} {unit}s/s", 3))
    if left is not None:
        found.append(Item(f"{clock(left)} left", 1))
    found.append(Item(f"{spent} elapsed", 2))
    return tuple(found), tuple(item.text for item in found)
