"""How a run's outcome is printed: tables for people, or the bytes of summary.json."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from rich.console import Console

from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.pipeline.outcome import RunOutcome
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.result_files import open_report, result_lines
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.store import Store

WIDTH = 100
"""Width of the output in columns if neither a terminal nor COLUMNS defines it."""


@dataclass(frozen=True)
class Shown:
    """Which results are printed after the answer."""

    all_variants: bool = False
    """Every variant, and not only the best and the worst."""
    samples: bool = False
    """Expected and predicted numbers of each dataset's best trial."""
    in_browser: bool = False
    """The report, opened in a browser."""


DEFAULT = Shown()


def print_outcome(outcome: RunOutcome, spec: JobSpec, runtime: Runtime, shared: Shared, shown: Shown) -> int:
    """Prints a run's results to stdout and what is missing to stderr; returns the exit code."""
    if shared.json:
        sys.stdout.write(outcome.summary_json.decode())
    else:
        folder = run_folder(spec.name) if outcome.is_published else None
        print_results(outcome.summary, spec.name, shown, runtime.store, folder)
    counts = outcome.summary.counts
    if counts.ok < counts.total:
        lost = f"{counted(counts.diverged, 'trial')} diverged, {counts.missing:,} missing, of {counts.total:,}"
        runtime.progress.warn(lost)
    if below := outcome.summary.below_floor:
        runtime.progress.warn(
            f"{counted(len(below), 'trial')} with an RMSE below what its network can reach at all, such as {below[0]}: "
            "an error in sumsquares; please report it with summary.json"
        )
    if shown.in_browser:
        open_report(f"{runtime.store.root}/{run_folder(spec.name)}", runtime.progress, outcome.is_published)
    return outcome.exit_code


def print_results(summary: Summary, run: str, shown: Shown, store: Store, folder: str | None) -> None:
    """Prints the answers and tables of a run; `folder` is that of its files, if it has any."""
    from sumsquares.jobs.show.tables import result_tables

    out = console()
    for table in result_tables(summary, out.width, run, shown.all_variants, shown.samples):
        out.print(table)
    if folder is not None:
        sys.stdout.writelines(f"{line}\n" for line in result_lines(f"{store.root}/{folder}"))


def console() -> Console:
    """Returns where tables are printed: as wide as the terminal, or WIDTH where there is none."""
    has_width = sys.stdout.isatty() or os.environ.get("COLUMNS")
    return Console(highlight=False) if has_width else Console(highlight=False, width=WIDTH)
