"""What `sumsquares fit` does: fits networks to a table, and prints which is chosen, what it is worth, and why."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sumsquares.datasets.tables.resolve import resolve
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.pipeline import fitting
from sumsquares.jobs.pipeline.runtime import Runtime
from sumsquares.jobs.show.fit_text import fit_facts, fit_lines
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.storage.store import Store

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


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
    check_target(wanted.file, wanted.keys)
    asked = fitting.Fit(
        name, {"file": wanted.file, **wanted.keys}, str(Path.cwd()), wanted.seeds, wanted.epochs, wanted.max_trials
    )
    store, progress = Store(shared.store), shared.progress()
    progress.say(f"fit {name}: {wanted.file}, store {store.root}")
    with Runtime(placement, store, progress) as runtime:
        fitted = fitting.fit(asked, runtime, resolve)
    if shared.json:
        sys.stdout.write(json.dumps(fit_facts(fitted, name), allow_nan=False, indent=1) + "\n")
    else:
        ...
    return fitted.exit_code


def name_of(file: str) -> str:
    """Returns a run's name made from that of a file, a folder or a glob."""
    last = next((part for part in reversed(re.split(r"[/\\]", file)) if re.search(r"[A-Za-z0-9]", part)), "")
    stem = last.partition(".")[0] or last
    return re.sub(r"[^a-z0-9_]+", "-", stem.lower()).strip("-_")[: fitting.LONGEST_NAME] or "table"


def check_name(name: str) -> None:
    """Raises a UsageError if no run of `fit` can have this name."""
    if not _NAME.fullmatch(name) or len(name) > fitting.LONGEST_NAME:
        rule = f"write 1 to {fitting.LONGEST_NAME} of a-z, 0-9, _ and -, the first a letter or digit"
        raise UsageError(f"--name {shown(name)} is not valid: {rule}")
