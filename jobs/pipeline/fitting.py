"""Fits networks to a table without a spec: three runs of one grid, and the variant that validation rows choose.

NAME-validation trains all variants on a part of each split's training rows and measures them on the others: that
chooses. NAME trains them on all training rows of the split and measures them on its test rows. NAME-final trains the
chosen variant on all rows, for predictions. All are ordinary runs, so that running again trains what is missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.messages.numbers import counted
from sumsquares.jobs.pipeline.failures import code_of
from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.run import run_spec
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.case import Row
from sumsquares.jobs.results.final import FINAL, VALIDATION
from sumsquares.jobs.results.validated import Choice, Measured, choose
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.default_grid import default_grid, held_out
from sumsquares.jobs.spec.job_spec import MAX_TRIALS, JobSpec, parse_spec
from sumsquares.jobs.spec.table_spec import table_spec
from sumsquares.jobs.spec.tables import Resolve, columns_of
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.foreign import check_run

LONGEST_NAME = 64 - len(VALIDATION)
"""Characters of a name."""
SHARE = 0.2
"""Of a split's training rows: validation rows."""


@dataclass(frozen=True)
class Fit:
    """What is fitted."""

    name: str
    table: Mapping[str, Any]
    """The keys of its [[dataset]] except the name."""
    folder: str = "."
    """What `file` is relative to."""
    seeds: int = 1
    epochs: int | None = None
    """None for as many as the table's size allows."""
    max_trials: int = MAX_TRIALS


class FitSpecs:
    """The specs of the three runs. Making them reads the table, and writes nothing.

    Raises:
        TableError, SpecError: the table or its keys have to be changed.

    """

    def __init__(self, wanted: Fit, resolve: Resolve) -> None:
        self.name, self._wanted, self._resolve = wanted.name, wanted, resolve
        self._keys = dict(wanted.table)
        if is_open := self._keys.keys().isdisjoint(("test", "folds")):
            self._keys |= held_out(rows=0)
        self.table = self._read(self._keys)
        if is_open and held_out(self.table.rows) != held_out(rows=0):
            self._keys = {**wanted.table, **held_out(self.table.rows)}
            self.table = self._read(self._keys)
        checked = self._read({**self._keys, "validation": SHARE})
        rows = min(split.train for split in checked.split_rows)
        self._grid = default_grid(rows, self.table.inputs, wanted.seeds, wanted.epochs).values
        self.tested = self._spec("", self.table, self._keys, self._grid)
        """All variants, measured on test rows."""
        self.validated = self._spec(VALIDATION, checked, {**self._keys, "validation": SHARE}, self._grid)
        """All variants, measured on validation rows."""

    def final(self, row: Row) -> JobSpec:
        """Returns the spec of one variant on all rows, by its row in a summary."""
        keys = {key: value for key, value in self._keys.items() if key != "folds"}
        if self.table.held_out_columns:  # they are no inputs, also where they are numbers
            keys["inputs"] = [*columns_of(self.table)]
        keys["test"] = 0.0
        own = {axis: row[axis] for axis in self._grid if axis in AXES} | {"hidden": [json.loads(row["hidden"])]}
        return self._spec(FINAL, self._read(keys), keys, {**self._grid, **own})

    def told(self, file: str) -> str:
        """Returns the spec of all variants as a person edits it, with `file` as the path of the table."""
        count = len(trials(self.tested))
        head = [
            f"A first spec for {file}: {counted(count, 'trial')}. Run it, and change what it varies:",
            "",
            f"    sumsquares run {self.name}.toml",
            "",
            "docs/specs.md has all keys. `sumsquares fit` trains the same variants, and chooses one for predictions.",
        ]
        keys = {**self._keys, "file": file, "inputs": [*columns_of(self.table)]}
        return table_spec(self.name, self.name, keys, self._grid, head)

    def _read(self, keys: Mapping[str, Any]) -> TableDataset:
        return self._resolve(TableKeys.model_validate({"name": self.name, **keys}), self._wanted.folder)

    def _spec(self, suffix: str, table: TableDataset, keys: Mapping[str, Any], grid: Mapping[str, Any]) -> JobSpec:
        text = table_spec(f"{self.name}{suffix}", self.name, keys, grid)
        # Only a spec that is derived from another may have no test rows.
        is_new, where = suffix != FINAL, f"fit {keys['file']}"
        limit, folder = self._wanted.max_trials, self._wanted.folder
        return parse_spec(text.encode(), where, limit, is_new, lambda *_: table, folder)


@dataclass(frozen=True)
class Fitted:
    """How it ended."""

    tested: RunOutcome
    validated: RunOutcome
    choice: Choice | None
    """None if no variant has a result in every split."""
    final: RunOutcome | None
    """None without a choice."""

    @property
    def baselines(self) -> dict[str, Measured]:
        """By name, on the test rows of each split; the best first."""
        rows = next(iter(self.tested.summary.datasets.values()))["baselines"]
        return {row["name"]: Measured(tuple(row["rmse_of_splits"])) for row in rows}

    @property
    def exit_code(self) -> int:
        """3 if data was damaged, 7 if a trial is missing or there is no model of all rows, else 0.

        A variant that diverged is no failure: others are chosen.
        """
        runs = [run for run in (self.tested, self.validated, self.final) if run]
        failures = [failure for run in runs for failure in run.failures]
        has_all = not any(run.summary.counts.missing for run in runs)
        return code_of(failures, is_complete=has_all and self.final is not None and self.final.summary.counts.ok > 0)


def fit(specs: FitSpecs, runtime: Runtime) -> Fitted:
    """Trains what the store lacks of the three runs, and publishes their summaries. Raises as `run_spec` does."""
    for suffix in ("", VALIDATION, FINAL):
        check_run(runtime.store, f"{specs.name}{suffix}")
    say, name = runtime.progress.say, specs.name
    # The run that chooses comes first, so that the report of the other says what was chosen.
    say(f"run {name}{VALIDATION}: all networks on fewer rows, measured on validation rows, which choose one")
    validated = run_spec(specs.validated, runtime, is_derived=True, has_baselines=False)
    say(f"run {name}: all networks, measured on test rows")
    tested = run_spec(specs.tested, runtime)
    choice = choose(tested.summary, validated.summary, name)
    if choice is None:
        return Fitted(tested, validated, None, None)
    say(f"run {name}{FINAL}: the chosen network on all rows")
    final = run_spec(specs.final(choice.row), runtime, is_derived=True, has_baselines=False)
    return Fitted(tested, validated, choice, final)
