"""Shared by the tests of nights and of damage on tables: a small table that can grow, and nights and runs on it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np

from sumsquares.jobs.night.context import NightContext, Options
from sumsquares.jobs.night.nightly import run_night
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import load_spec
from sumsquares.jobs.stages.placement import IN_PROCESS
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store

SPEC = """
name = "houses"
[[dataset]]
name = "houses"
file = "houses.csv"
target = "price"
test = 0.2
[train]
epochs = 4
batch_size = 20
[[grid]]
hidden = [[4]]
lr = [0.01, 0.02]
activation = "tanh"
normalize = "zscore"
seeds = 4
"""
FOLDS = SPEC.replace("test = 0.2", "folds = 3").replace("seeds = 4", "seeds = 2")
HEAD = "area,rooms,price"
FIRST = date(2026, 11, 1)


def lines(count, seed=0):
    """Rows of a table: area, rooms, price."""
    random = np.random.default_rng(seed)
    area_N, rooms_N = random.uniform(0, 1, count), random.integers(1, 9, count)
    price_N = 3 * area_N + rooms_N / 8 + 0.1 * random.normal(size=count)
    return [f"{area:.6f},{rooms},{price:.6f}" for area, rooms, price in zip(area_N, rooms_N, price_N, strict=True)]


class World:
    """A folder with a table, a spec and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(str(folder / "store"))
        self.file = folder / "houses.csv"

    def write(self, rows, head=HEAD):
        """Writes the table."""
        self.file.write_text("\n".join([head, *rows]) + "\n")

    def load(self, text=SPEC):
        """Returns the spec with what the table holds now, and what has read it."""
        (self.folder / "spec.toml").write_text(text)
        tables = TableReader(self.store)
        return load_spec(self.folder / "spec.toml", resolve=tables.resolve), tables

    def context(self, number=0, text=SPEC, options=None):
        """Returns a night that is so many days after the first, on what the table holds now."""
        spec, tables = self.load(text)
        night = Night(date.fromordinal(FIRST.toordinal() + number), spec)
        progress = Progress(quiet=True)
        return NightContext(night, self.store, IN_PROCESS, progress, options or Options(), tables=tables)

    def run(self, text=SPEC):
        """Runs the spec on what the table holds now."""
        spec, tables = self.load(text)
        with Runtime(IN_PROCESS, self.store, Progress(quiet=True), tables=tables) as runtime:
            run_spec(spec, runtime, is_derived=True, has_baselines=False)

    def night(self, number=0, text=SPEC, options=None):
        """Runs that night; returns its record."""
        return run_night(self.context(number, text, options))
