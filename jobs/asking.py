"""Asks the trained models of a run about numbers: what `sumsquares predict` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.spec import NamedDataset
from jobs.archive import run_folder, stored_spec
from jobs.exits import UsageError
from jobs.night.champion import champion_run
from jobs.results.samples import Sample, ask
from jobs.results.stored import read_results
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
    """The answers of a named trial, or of the best one of each dataset that takes so many numbers.

    Raises:
        UsageError: there is no such run, dataset or trial, or the numbers don't fit.

    """
    run = (champion_run(store) or run) if run == CHAMPION else run
    spec = stored_spec(store, run)
    if spec is None:
        known = sorted({path.split("/")[1] for path in store.list("runs")})
        raise UsageError(f"there is no run {run!r} in {store.describe()}; there are: {', '.join(known) or 'none'}")
    by_id = {trial.id: trial for trial in trials(spec)}
    chosen = [_named(by_id, trial_id)] if trial_id else [by_id[best] for best in _best(store, run, dataset)]
    fitting = [trial for trial in chosen if len(numbers) % trial.variant.dataset.n_numbers == 0]
    if not fitting:
        needs = ", ".join(f"{t.variant.dataset.name} {t.variant.dataset.n_numbers}" for t in chosen)
        raise UsageError(f"{len(numbers)} numbers don't fit; give a multiple of what a row needs: {needs}")
    stored = read_results(store).table
    packs = dict(zip(stored["trial_id"].to_pylist(), stored["pack"].to_pylist(), strict=True))
    return [_reply(store, packs, trial, numbers) for trial in fitting]


def _named(by_id: dict[str, Trial], trial_id: str) -> Trial:
    if trial_id not in by_id:
        raise UsageError(f"the run has no trial {trial_id!r}; summary.json and trials/*.parquet name them")
    return by_id[trial_id]


def _best(store: Store, run: str, dataset: str | None) -> list[str]:
    """Ids of the best trials: of one dataset, or of all that have one."""
    try:
        best = json.loads(store.get(f"{run_folder(run)}/summary.json"))["best"]
    except FileNotFoundError:
        raise UsageError(f"run {run!r} has no summary yet: finish it with `sumsquares run`") from None
    if dataset is not None and dataset not in best:
        raise UsageError(f"run {run!r} has no dataset {dataset!r}; it has: {', '.join(best)}")
    found = [found["trial"]["trial_id"] for name, found in best.items() if found and dataset in (None, name)]
    if not found:
        raise UsageError(f"run {run!r} has no trial that gave a result")
    return found


def _reply(store: Store, packs: dict[str, str], trial: Trial, numbers: Sequence[int]) -> Reply:
    variant = trial.variant
    if trial.id not in packs:
        raise UsageError(f"trial {trial.id} has not been trained; run its spec first")
    network = f"{list(variant.hidden)} {variant.activation}" if variant.hidden else "a linear model"
    title = f"{variant.dataset.name} ({variant.dataset.task}), trial {trial.id}: {network}, seed {trial.seed}"
    inputs_NI = _inputs(variant.dataset, numbers)
    return Reply(variant.dataset.name, trial.id, title, ask(store, packs[trial.id], trial, inputs_NI))


def _inputs(dataset: NamedDataset, numbers: Sequence[int]) -> NDArray[np.int64]:
    """Rows of numbers; unused columns hold the middle of their range, since the target does not depend on them."""
    limit = 2 * dataset.largest
    wrong = [number for number in numbers if not 0 <= number <= limit]
    if wrong:
        trained = f"it was trained on 1..{dataset.largest}"
        raise UsageError(f"{wrong[0]} is out of range: {dataset.name} takes 0..{limit} ({trained})")
    rows_NK = np.array(numbers, np.int64).reshape(-1, dataset.n_numbers)
    unused = np.full((len(rows_NK), dataset.unused), (dataset.largest + 1) // 2)
    return np.hstack([rows_NK, unused])
