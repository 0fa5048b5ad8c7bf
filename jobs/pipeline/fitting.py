"""Fits networks to a table without a spec: three runs of one grid, and the variant that validation rows choose.

NAME trains all variants on the training rows of each split and measures them on its test rows. NAME-validation trains
them on a part of those training rows and measures them on the others: that chooses. NAME-final trains the chosen
variant on all rows, for predictions. All are ordinary runs, so that running again trains what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.pipeline.failures import code_of
from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.case import Row
from sumsquares.jobs.results.validated import Choice, choose
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.default_grid import default_grid, held_out
from sumsquares.jobs.spec.job_spec import MAX_TRIALS, JobSpec, parse_spec
from sumsquares.jobs.spec.table_spec import table_spec
from sumsquares.jobs.spec.tables import Resolve
from sumsquares.jobs.stages.foreign import check_run

VALIDATION, FINAL = "-validation", "-final"
"""After a run's name: the runs that choose its variant, and that train it on all rows."""
LONGEST_NAME = 64 - len(VALIDATION)
"""Characters of a name."""
SHARE = 0.2
"""Of a split's training rows: validation rows."""


@dataclass(frozen=True)
class Fit:
    """What is fitted."""

    name: str
    table: Mapping[str, Any]
    """The keys of its [[dataset]] except the name; `file` is relative to `folder`."""
    folder: str
    seeds: int = 1
    epochs: int | None = None
    """None for as many as the table's size allows."""
    max_trials: int = MAX_TRIALS


@dataclass(frozen=True)
class Fitted:
    """How it ended."""

    table: TableDataset
    tested: RunOutcome
    validated: RunOutcome
    choice: Choice | None
    """None if no variant has a result in every split."""
    final: RunOutcome | None

    @property
    def exit_code(self) -> int:
        """3 if data was damaged, 7 if a trial is missing or there is no model of all rows, else 0.

        A variant that diverged is no failure: others are chosen.
        """
        runs = [run for run in (self.tested, self.validated, self.final) if run]
        failures = [failure for run in runs for failure in run.failures]
        has_all = not any(run.summary.counts.missing for run in runs)
        return code_of(failures, is_complete=has_all and self.final is not None and self.final.summary.counts.ok > 0)


class _Specs:
    """The three specs of a table; each reads it with keys of its own."""

    def __init__(self, wanted: Fit, resolve: Resolve) -> None:
        self._wanted, self._resolve = wanted, resolve
        first, self.keys = self._read({**wanted.table, **({} if _says_what_is_held_out(wanted) else held_out(0))})
        if not _says_what_is_held_out(wanted) and held_out(first.rows) != held_out(0):
            first, self.keys = self._read({**wanted.table, **held_out(first.rows)})
        self.table = first
        self._checked, self._validation_keys = self._read({**self.keys, "validation": SHARE})
        rows = min(split.train for split in self._checked.split_rows)
        self.grid = default_grid(rows, first.inputs, wanted.seeds, wanted.epochs).values

    def _read(self, keys: Mapping[str, Any]) -> tuple[TableDataset, Mapping[str, Any]]:
        written = TableKeys.model_validate({"name": self._wanted.name, **keys})
        return self._resolve(written, self._wanted.folder), keys

    def tested(self) -> JobSpec:
        """All variants on the test rows."""
        return self._spec("", self.table, self.keys, self.grid)

    def validated(self) -> JobSpec:
        """All variants on validation rows."""
        return self._spec(VALIDATION, self._checked, self._validation_keys, self.grid)

    def final(self, row: Row) -> JobSpec:
        """One variant on all rows, by its row in a summary."""
        whole = {key: value for key, value in self.keys.items() if key != "folds"}
        every, keys = self._read({**whole, "test": 0.0})
        own = {axis: row[axis] for axis in self.grid if axis in AXES}
        return self._spec(FINAL, every, keys, {**self.grid, **own, "hidden": [json.loads(row["hidden"])]})

    def _spec(
        self, suffix: str, table: TableDataset, keys: Mapping[str, Any], grid: Mapping[str, Any]
    ) -> JobSpec:
        wanted, text = self._wanted, table_spec(f"{self._wanted.name}{suffix}", self._wanted.name, keys, grid)
        source, is_new = f"fit {keys['file']}", suffix != FINAL
        return parse_spec(text.encode(), source, wanted.max_trials, is_new, lambda *_: table, wanted.folder)


def _says_what_is_held_out(wanted: Fit) -> bool:
    return not wanted.table.keys().isdisjoint(("test", "folds"))


def fit(wanted: Fit, runtime: Runtime, resolve: Resolve) -> Fitted:
    """Trains what the store lacks of the three runs, and publishes their summaries.

    Raises:
        TableError, SpecError: the table or its keys have to be changed; nothing is written.
        As `run_spec` does.

    """
    specs = _Specs(wanted, resolve)
    tested, validated = specs.tested(), specs.validated()
    for suffix in ("", VALIDATION, FINAL):
        check_run(runtime.store, f"{wanted.name}{suffix}")
    on_test = run_spec(tested, runtime)
    on_validation = run_spec(validated, runtime, is_derived=True)
    choice = choose(on_test.summary, on_validation.summary, wanted.name)
    final = run_spec(specs.final(choice.row), runtime, is_derived=True) if choice else None
    return Fitted(specs.table, on_test, on_validation, choice, final)
