"""What `sumsquares fit` does: fits networks to a table, and prints which is chosen, what it is worth, and why."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sumsquares.datasets.tables.resolve import resolve
from sumsquares.jobs.commands.printing import WIDTH
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.commands.table_asked import as_options, check_name, check_target, name_of
from sumsquares.jobs.pipeline import fitting
from sumsquares.jobs.pipeline.fitting import FINAL, VALIDATION, Fit, Fitted
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.validated import Measured
from sumsquares.jobs.show import fit_text
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.run_files import run_folder
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


def fit(wanted: Wanted, placement: Placement, shared: Shared) -> int:
    """Fits networks to a table, and prints the outcome."""
    name = wanted.name or name_of(wanted.file)
    check_name(name)
    store, progress = Store(shared.store), shared.progress()
    with as_options():
        table = with_target({"file": wanted.file, **wanted.keys})
        specs = FitSpecs(Fit(name, table, ".", wanted.seeds, wanted.epochs, wanted.max_trials), resolve)
    progress.say(f"fit {name}: {wanted.file}, store {store.root}")
    with Runtime(placement, store, progress) as runtime:
        fitted = fitting.fit(specs, runtime)
    told = _told(specs.table, fitted, name)
    ends = {**_files(name, store.root), "next": f"sumsquares predict {name} --input new.parquet --output out.parquet"}
    ...
    return fitted.exit_code
