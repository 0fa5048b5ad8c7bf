"""Tells people how far long work is: a live display on a terminal, a line every few seconds elsewhere.

Everything goes to stderr; results are printed elsewhere, to stdout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from sumsquares.cluster.work import ProgressSnapshot
from sumsquares.jobs.messages.abbreviate import few
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.messages.numbers import clock as clock
from sumsquares.jobs.show.meters import Counting, Doing, Training
from sumsquares.jobs.show.progress_display import Silent, display_on, shown
from sumsquares.jobs.stages.generate import Made
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.plan import Plan


class Progress:
    """Shows how far a run is; quiet shows warnings alone."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        console = Console(stderr=True, highlight=False)
        self._display = Silent(console) if quiet else display_on(console)

    def say(self, text: str) -> None:
        """A line for people."""
        if not self._quiet:
            self._display.print(text)

    def warn(self, text: str) -> None:
        """A line that is shown even if quiet."""
        self._display.print(f"warning: {masked(text)}")

    def warn_all(self, texts: Iterable[str]) -> None:
        """The first of many lines, and their number."""
        for text in few([*texts]):
            self.warn(text)

    @contextmanager
    def doing(self, title: str) -> Iterator[Callable[[str], None]]:
        """Shows work without a known end, such as `reading the store`; yields a function that says how far it is.

        Where there is no terminal it is told once it takes longer than a moment.
        """
        meter = Doing(title, time.monotonic)
        with shown(self._display, meter.view):
            yield meter.tell

    @contextmanager
    def counting(self, unit: str, total: int) -> Iterator[Callable[[float], None]]:
        """Shows equal parts of known number, such as `variant`; yields a function that says how many are done."""
        meter = Counting(unit, total, time.monotonic)
        with shown(self._display, meter.view):
            yield meter.advance

    @contextmanager
    def generating(self, plan: Plan) -> Iterator[Callable[[Made], None]]:
        """Shows rows as shards are made."""
        meter, done = Counting("row", plan.rows_left, time.monotonic), 0

        def on_made(made: Made) -> None:
            nonlocal done
            done += made.entry.rows
            meter.advance(done)

        with shown(self._display, meter.view):
            yield on_made
        self.say(meter.ended)

    @contextmanager
    def training(
        self, packs: Sequence[Pack], starting: str = "starting"
    ) -> Iterator[Callable[[ProgressSnapshot], None]]:
        """Shows trials as packs are trained, with the lowest RMSE of a trial so far for each dataset.

        `starting` is what is done until the first worker has a pack.
        """
        meter = Training(packs, time.monotonic, starting)

        def on_progress(snapshot: ProgressSnapshot) -> None:
            self.warn_all(snapshot.notes)
            meter.update(snapshot)

        with shown(self._display, meter.view):
            yield on_progress
        self.say(meter.ended)
