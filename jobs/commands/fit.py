"""What `sumsquares fit` does: fits networks to a table, and prints which is chosen, what it is worth, and why."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.commands.printing import WIDTH
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.table_asked import as_options, check_name, in_options, name_of, with_target
from sumsquares.jobs.pipeline import fitting
from sumsquares.jobs.pipeline.fitting import Fit, FitSpecs, Fitted
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.final import FINAL, VALIDATION
from sumsquares.jobs.show import fit_text
from sumsquares.jobs.show.result_files import open_report, result_lines
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for."""

    file: str
    keys: Mapping[str, Any]
    """Of a [[dataset]], without name and file."""
    name: str | None
    seeds: int
    epochs: int | None
    max_trials: int
    in_browser: bool
    """Whether the report is opened."""


def fit(wanted: Wanted, placement: Placement, shared: Shared) -> int:
    """Fits networks to a table, and prints the outcome."""
    name = wanted.name or name_of(wanted.file)
    check_name(name)
    store, progress = Store(shared.store), shared.progress()
    tables = TableReader(store)
    with as_options(), progress.doing(f"reading {wanted.file}"):
        table = with_target({"file": wanted.file, **wanted.keys})
        specs = FitSpecs(Fit(name, table, ".", wanted.seeds, wanted.epochs, wanted.max_trials), tables.resolve)
    progress.say(f"fit {name}: {wanted.file}, store {store.root}")
    with Runtime(placement, store, progress, tables=tables) as runtime:
        progress.warn_all(tables.notes)
        fitted = fitting.fit(specs, runtime)
    told = [*map(_wrapped, _lines(specs.table, fitted, name)), *_ends(name, store.root)]
    shared.print(_facts(specs.table, fitted, name, store.root), "\n".join(told))
    if wanted.in_browser:
        open_report(f"{store.root}/{run_folder(name)}", progress, fitted.tested.is_published)
    return fitted.exit_code


def _lines(table: TableDataset, fitted: Fitted, name: str) -> Iterator[str]:
    yield from map(in_options, fit_text.table_lines(table))
    if fitted.choice is None:
        yield "No network is chosen: none has a result in every split, on test rows and on validation rows."
    else:
        yield from fit_text.choice_lines(fitted.choice, table, fitted.baselines)
    yield from fit_text.why_lines(fitted.tested.summary, fitted.choice, name)


def _ends(name: str, root: str) -> Iterator[str]:
    """Yields where the results are, and what comes next."""
    yield from result_lines(f"{root}/{run_folder(name)}")
    yield f"next:    {_next(name)}"


def _next(name: str) -> str:
    return f"sumsquares predict {name} --input new.parquet --output out.parquet"


def _facts(table: TableDataset, fitted: Fitted, name: str, root: str) -> dict[str, Any]:
    choice, summary = fitted.choice, fitted.tested.summary
    return {
        "run": name,
        "table": {
            "file": table.file,
            "target": table.target,
            "rows": table.rows,
            "dropped": table.dropped,
            "inputs": [column.name for column in table.input_columns],
            "left_out": dict(table.left_out),
            "splits": [split.model_dump(include={"name", "train", "test"}) for split in table.split_rows],
        },
        "chosen": choice and fit_text.choice_facts(choice),
        "baselines": {each: found.facts for each, found in fitted.baselines.items()},
        "verdict": choice and fit_text.verdict(choice, fitted.baselines, table),
        "answer": [*fit_text.why_lines(summary, choice, name)],
        "runs": {
            "test": name,
            "validation": f"{name}{VALIDATION}",
            "final": f"{name}{FINAL}" if fitted.final else None,
        },
        "trials": asdict(summary.counts),
        "summary": f"{root}/{run_folder(name)}/summary.json",
        "report": f"{root}/{run_folder(name)}/report.html",
        "next": _next(name),
    }


def _wrapped(line: str) -> str:
    """The line in the width of the tables; rows of a table stay as they are."""
    if line.startswith(" "):
        return line
    return textwrap.fill(line, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
