"""Asks the trained models of a run about numbers: what `sumsquares predict` does."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DataError
from datasets.spec import NamedDataset
from jobs.archive import run_folder, stored_spec
from jobs.exits import UsageError
from jobs.night.champion import champion_run
from jobs.results.samples import Sample, ask
from jobs.results.stored import read_results
from jobs.spec.job_spec import JobSpec
from jobs.spec.variants import Trial, trials
from jobs.storage.store import Store

CHAMPION = "champion"
"""In place of a run's name: the night that jobs.night has promoted."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one trial answers."""

    dataset: str
    trial_id: str
    title: str
    """The trial in words."""
    samples: list[Sample]


def ask_run(
    store: Store, run: str, numbers: Sequence[int], dataset: str | None = None, trial_id: str | None = None
) -> list[Reply]:
    """The answers of a named trial, or of the best one of each dataset that takes these numbers.

    Raises:
        UsageError: there is no such run, dataset or trial, no trial takes the numbers, or it has not learnt anything.
        DataError: the run's summary, or a file of the trial, is damaged or missing.

    """
    run = (champion_run(store) or run) if run == CHAMPION else run
    by_id = {trial.id: trial for trial in trials(_spec(store, run))}
    chosen = [_named(by_id, trial_id)] if trial_id else _best(store, run, dataset, by_id)
    misfits = [_misfit(trial.variant.dataset, numbers) for trial in chosen]
    fitting = [trial for trial, misfit in zip(chosen, misfits, strict=True) if misfit is None]
    if not fitting:
        raise UsageError("; ".join(misfit for misfit in misfits if misfit))
    stored = read_results(store).table.select(["trial_id", "pack", "status", "steps"])
    rows = {row["trial_id"]: row for row in stored.to_pylist()}
    return [_reply(store, rows.get(trial.id), trial, numbers) for trial in fitting]


def _spec(store: Store, run: str) -> JobSpec:
    """The spec of a run; only a name that is listed is made a path of."""
    known = {path.split("/")[1] for path in store.list("runs")}
    spec = stored_spec(store, run) if run in known else None
    if spec is None:
        names = ", ".join(sorted(known)) or "none"
        raise UsageError(f"there is no run {run!r} in {store.describe()}; there are: {names}")
    return spec


def _named(by_id: dict[str, Trial], trial_id: str) -> Trial:
    if trial_id not in by_id:
        raise UsageError(f"the run has no trial {trial_id!r}; summary.json and trials/*.parquet name them")
    return by_id[trial_id]


def _best(store: Store, run: str, dataset: str | None, by_id: dict[str, Trial]) -> list[Trial]:
    """The best trials: of one dataset, or of all that have one."""
    path = f"{run_folder(run)}/summary.json"
    try:
        best = json.loads(store.get(path))["best"]
        found = {name: by_id[winner["trial"]["trial_id"]] for name, winner in best.items() if winner}
    except FileNotFoundError:
        raise UsageError(f"run {run!r} has no summary yet: finish it with `sumsquares run`") from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        reason = "damaged, or not the summary of the run's spec"
        raise DataError(f"{store.root}/{path}: {reason}; run `sumsquares summarize SPEC` to write it anew") from error
    if dataset is not None and dataset not in best:
        raise UsageError(f"run {run!r} has no dataset {dataset!r}; it has: {', '.join(best)}")
    chosen = [trial for name, trial in found.items() if dataset in (None, name)]
    if not chosen:
        raise UsageError(f"run {run!r} has no trial that gave a result")
    return chosen


def _reply(store: Store, row: Mapping[str, Any] | None, trial: Trial, numbers: Sequence[int]) -> Reply:
    """What the trial answers; `row` is its result."""
    variant = trial.variant
    if row is None:
        raise UsageError(f"trial {trial.id} has not been trained; run its spec first")
    if row["status"] == "diverged":
        raise UsageError(f"trial {trial.id} diverged at step {row['steps']:,}, it has no answers; ask another one")
    network = f"{list(variant.hidden)} {variant.activation}" if variant.hidden else "a linear model"
    title = f"{variant.dataset.name} ({variant.dataset.task}), trial {trial.id}: {network}, seed {trial.seed}"
    try:
        samples = ask(store, row["pack"], trial, _inputs(variant.dataset, numbers))
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: missing; run the spec of trial {trial.id} again to have it back") from error
    return Reply(variant.dataset.name, trial.id, title, samples)


def _misfit(dataset: NamedDataset, numbers: Sequence[int]) -> str | None:
    """Why a dataset does not take these numbers, or None."""
    limit = 2 * dataset.largest
    if wrong := [number for number in numbers if not 0 <= number <= limit]:
        return f"{wrong[0]} is out of range: {dataset.name} takes 0..{limit} (it was trained on 1..{dataset.largest})"
    if len(numbers) % dataset.n_numbers:
        return f"{dataset.name} takes {dataset.n_numbers} numbers a row, so {len(numbers)} can't be cut into rows"
    return None


def _inputs(dataset: NamedDataset, numbers: Sequence[int]) -> NDArray[np.int64]:
    """Rows of numbers; unused columns hold the middle of their range, since the target does not depend on them."""
    rows_NK = np.array(numbers, np.int64).reshape(-1, dataset.n_numbers)
    unused = np.full((len(rows_NK), dataset.unused), (dataset.largest + 1) // 2)
    return np.hstack([rows_NK, unused])
