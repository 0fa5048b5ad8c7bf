"""Shows the progress of long work: a live display on a terminal, a line every few seconds elsewhere.

Everything goes to stderr; results are printed elsewhere, to stdout.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Column

from sumsquares.cluster.work import ProgressSnapshot
from sumsquares.jobs.messages.abbreviate import few
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.stages.generate import Made
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.plan import Plan

LINE_SECONDS = 5.0
"""Between two lines where there is no terminal."""


class Progress:
    """Shows how far a run is; quiet shows warnings alone."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """A line for people."""
        if not self._quiet:
            self._console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """A line that is shown even if quiet."""
        self._console.print(f"warning: {masked(text)}", markup=False, soft_wrap=True)

    def warn_all(self, texts: Iterable[str]) -> None:
        """The first of many lines, and their number."""
        for text in few([*texts]):
            self.warn(text)

    @contextmanager
    def generating(self, plan: Plan) -> Iterator[Callable[[Made], None]]:
        """Shows rows as shards are made."""
        done = 0
        with self._meter("row", plan.rows_left) as advance:

            def on_made(made: Made) -> None:
                nonlocal done
                done += made.entry.rows
                advance(done, "")

            yield on_made

    @contextmanager
    def training(self, packs: Sequence[Pack]) -> Iterator[Callable[[ProgressSnapshot], None]]:
        """Shows trials as packs are trained, with the lowest RMSE of a trial so far for each dataset."""
        sizes = {f"pack {pack.id}": len(pack.trials) for pack in packs}
        best: dict[str, float] = {}
        finished = 0.0
        with self._meter("trial", sum(sizes.values())) as advance:

            def on_progress(snapshot: ProgressSnapshot) -> None:
                nonlocal finished
                self.warn_all(snapshot.notes)
                for _, outcome in snapshot.results:
                    finished += outcome.trials
                    if outcome.best is not None:
                        name, rmse = outcome.best
                        best[name] = min(rmse, best.get(name, rmse))
                running = sum(share * sizes.get(key, 0) for key, share in snapshot.running.items())
                text = ", ".join(f"{name} {rmse:,.4g}" for name, rmse in sorted(best.items()))
                advance(finished + running, f"lowest RMSE: {text}" if text else "")

            yield on_progress

    @contextmanager
    def _meter(self, unit: str, total: int) -> Iterator[Callable[[float, str], None]]:
        """A function of (done, note)."""
        if self._quiet:
            yield lambda _done, _note: None
        elif self._console.is_terminal:
            yield from self._bar(unit, total)
        else:
            yield from self._lines(unit, total)

    def _bar(self, unit: str, total: int) -> Iterator[Callable[[float, str], None]]:
        rate = Rate(total)
        whole, rest = Column(no_wrap=True), Column(no_wrap=True, overflow="ellipsis", ratio=1)
        columns = (
            TextColumn("{task.description}", table_column=whole),
            BarColumn(bar_width=12),
            MofNCompleteColumn(table_column=whole),
            TimeElapsedColumn(table_column=whole),
            TextColumn("{task.fields[note]}", table_column=rest),
        )
        with Bar(*columns, console=self._console, transient=True, expand=True) as bar:
            task = bar.add_task(f"{unit}s", total=total, note="")

            def advance(done: float, note: str) -> None:
                bar.update(task, completed=int(done), note=f"{rate.describe(done, unit)}  {note}")

            yield advance
        self.say(f"{rate.finished(unit)}")

    def _lines(self, unit: str, total: int) -> Iterator[Callable[[float, str], None]]:
        rate = Rate(total)
        printed = time.monotonic()

        def advance(done: float, note: str) -> None:
            nonlocal printed
            speed = rate.describe(done, unit)
            if time.monotonic() - printed > LINE_SECONDS:
                printed = time.monotonic()
                self.say(f"{int(done):,} of {counted(total, unit)}, {speed}{', ' if note else ''}{note}")
                sys.stderr.flush()

        yield advance
        self.say(rate.finished(unit))


class Rate:
    """How fast something goes and how long it will still take, from the first sign of progress on."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._created = time.monotonic()
        self._first: tuple[float, float] | None = None
        self._done = 0.0

    def describe(self, done: float, unit: str) -> str:
        """Such as `120 trials/s, 0:42 left`."""
        now, self._done = time.monotonic(), done
        if done and self._first is None:
            self._first = (now, done)
        if self._first is None or now - self._first[0] < 1 or done <= self._first[1]:
            return "starting"
        rate = (done - self._first[1]) / (now - self._first[0])
        return f"{rate:,.3g} {unit}s/s, {clock((self._total - done) / rate)} left"

    def finished(self, unit: str) -> str:
        """The final count and time."""
        return f"{int(self._done):,} of {counted(self._total, unit)} in {clock(time.monotonic() - self._created)}"


def clock(seconds: float) -> str:
    """Such as 0:07, 12:30 or 3:05:00; hours once there are any."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
