"""A small run of datasets of one, two and three numbers, and its figures, for tests."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.results.figures.figures import figures_of
from sumsquares.jobs.results.stored import read_results, read_trials
from sumsquares.jobs.results.summary import Summary, summarize
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.run_files import stored_spec

DATASETS = """
[[dataset]]
name = "squares"
task = "square"
largest = 1000
[[dataset]]
name = "unused"
task = "square"
largest = 30
unused = 1
[[dataset]]
name = "waves"
formula = "sin(3*x) + floor(x)"
low = 1.0
high = 5.0
noise = 0.1
[[dataset]]
name = "roots"
formula = "sqrt(x)"
low = 0.0
high = 4.0
[[dataset]]
name = "bits"
formula = "x % 3"
low = 0.0
high = 20.0
numbers = "integer"
digits = 2
[[dataset]]
name = "sums"
task = "sum"
largest = 100
[[dataset]]
name = "plane"
formula = "sqrt(x1) * x2"
low = [0.0, -2.0]
high = [4.0, 2.0]
unused = 1
[[dataset]]
name = "three"
formula = "x1 * x2 + x3"
low = 1.0
high = 2.0
""".replace("[[dataset]]", "[[dataset]]\nrows = 60\ntest_rows = 40")
GRIDS = """
[train]
epochs = 4
batch_size = 20
[[grid]]
hidden = [[4]]
activation = ["identity", "relu", "tanh"]
normalize = "unit"
readout = ["trained", "solved"]
seeds = 2
[[grid]]
dataset = ["squares", "waves", "three"]
hidden = [[4]]
activation = "tanh"
normalize = "log"
normalize_target = "unit"
output = "sigmoid"
seeds = 2
"""
NAMES = ("squares", "unused", "waves", "roots", "bits", "sums", "plane", "three")
TEXT = f'name = "drawn"\n{DATASETS}{GRIDS}'


class World(NamedTuple):
    """A run."""

    store: Any
    expected: list[Trial]
    results: pa.Table
    """With the column `pack`."""

    def summary(self, fates=lambda _row: True) -> Summary:
        """The summary, without the results for which `fates` is None, and with those diverged for which it is False."""
        rows = self.results.to_pylist()
        kept = [self._fated(row, fates(row)) for row in rows if fates(row) is not None]
        table = pa.Table.from_pylist(kept, schema=self.results.schema)
        return summarize(self.expected, table, partial(facts_of, self.store, keeps=False))

    @staticmethod
    def _fated(row, is_ok):
        return row if is_ok else {**row, "status": "diverged", "rmse": None}

    def figures(self, summary=None, on_lost=None, on_rows=None):
        """The figures by dataset; what is lost raises unless there is a function for it."""
        return figures_of(
            summary or self.summary(), self.expected, self.results, self.store, on_lost or _raises, on_rows or _raises
        )

    def trial(self, chosen) -> Trial:
        """The trial that is asked."""
        [trial] = [each for each in self.expected if each.id == chosen.trial]
        return trial

    def variant_of(self, row) -> str:
        """The id of the variant of a stored row."""
        return self.variants[row["trial_id"]]

    @property
    def variants(self) -> dict[str, str]:
        """Variants by the ids of their trials."""
        return {trial.id: trial.variant.group for trial in self.expected}

    def full_rows(self, ids) -> list[dict[str, Any]]:
        """The stored rows of trials, with all columns of a pack's file."""
        table = read_results(self.store).table.drop_columns(["pack"])
        rows = {row["trial_id"]: row for row in table.to_pylist()}
        return [rows[each] for each in ids]

    def row(self, trial_id) -> dict[str, Any]:
        """A trial's stored row, with its pack."""
        [row] = self.results.filter(pc.equal(self.results["trial_id"], trial_id)).to_pylist()
        return row


def _raises(*told):
    raise AssertionError(told)


def world_of(store, name) -> World:
    """A run of that name in a store."""
    return World(store, trials(stored_spec(store, name)), read_trials(store).table)
