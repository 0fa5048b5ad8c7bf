"""What `sumsquares predict` does: asks trained models of a run about numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.source import Numbers
from sumsquares.jobs import exits
from sumsquares.jobs.commands.asked import Asked, asked_run, known_best
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.results.described import dots, range_words
from sumsquares.jobs.results.number_rows import inputs_of_numbers, middle
from sumsquares.jobs.results.pack_files import variant_columns
from sumsquares.jobs.results.samples import Number, Sample, ask, short
from sumsquares.jobs.results.scale import diverged_from
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.show.format import describe_task, describe_variant, number
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.storage.store import Store

_LARGEST = 1e300
"""Largest absolute real number that is accepted."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The predictions of one trial."""

    asked: str
    """The run or champion of the trial: `run small`, or `champion 2026-11-22-0123456789ab`."""
    dataset: str
    trial_id: str
    title: str
    """The trial in words, and why it was chosen."""
    samples: list[Sample]
    outside: list[bool]
    """For each sample, whether one of its numbers is outside the training range."""
    trained_on: str
    """That range, such as 1..1000."""

    @property
    def facts(self) -> dict[str, Any]:
        """The reply for --json."""
        pairs = zip(self.samples, self.outside, strict=True)
        samples = [asdict(sample) | {"error": sample.error, "outside_range": out} for sample, out in pairs]
        kept = {name: value for name, value in asdict(self).items() if name not in ("samples", "outside")}
        return {**kept, "samples": samples}

    @property
    def lines(self) -> list[str]:
        """The samples as text; those outside the training range say so."""
        note = f", outside the training range {self.trained_on}"
        return [f"{sample}{note if out else ''}" for sample, out in zip(self.samples, self.outside, strict=True)]


def predict(run: str, numbers: Sequence[Number], dataset: str | None, trial_id: str | None, shared: Shared) -> int:
    """Prints the predictions of trained models."""
    replies = ask_run(Store(shared.store), run, numbers, dataset, trial_id)
    facts = [reply.facts for reply in replies]
    lines = [line for reply in replies for line in (reply.title, *(f"  {line}" for line in reply.lines))]
    shared.print({"run": run, "answers": facts}, "\n".join(lines))
    return exits.OK


def ask_run(
    store: Store, run: str, numbers: Sequence[Number], dataset: str | None = None, trial_id: str | None = None
) -> list[Reply]:
    """Returns the predictions of a named trial, or of the best one of each dataset that takes these numbers.

    Raises:
        UsageError: there is no such run, dataset or trial, no trial takes the numbers, or the trial diverged.
        DataError: the run's summary, or a file of the trial, is damaged or missing.

    """
    # The run, and the trials that its summary calls the best. If their results are lost, no other trial may silently
    # take their place.
    asked = asked_run(store, run)
    by_id = {trial.id: trial for trial in trials(asked.spec)}
    best = known_best(store, asked) if trial_id is None else []
    stored = read_results(store).table.select(["trial_id", "pack", "status", "rmse", "steps"])
    rows = {row["trial_id"]: row for row in stored.to_pylist() if row["trial_id"] in by_id}
    asked.check_known([each for each in best if each in by_id], rows)
    # One trial by its id, or the best of each dataset; then those that accept the numbers.
    chosen = [_named(by_id, trial_id)] if trial_id is not None else _best(asked, dataset, by_id, rows)
    misfits = [_misfit(trial.variant.dataset, numbers) for trial in chosen]
    fitting = [trial for trial, misfit in zip(chosen, misfits, strict=True) if misfit is None]
    if not fitting:
        raise UsageError("; ".join(misfit for misfit in misfits if misfit))
    if lost := [trial.id for trial in fitting if trial.id not in rows]:
        raise UsageError(f"the result of trial {lost[0]} has not been trained, or is damaged: {asked.retrain}")
    called = "trial" if trial_id is not None else "best trial"
    return [_reply(store, rows[trial.id], trial, numbers, asked, called) for trial in fitting]


def _named(by_id: dict[str, Trial], trial_id: str) -> Trial:
    if trial_id not in by_id:
        raise UsageError(
            f"--trial: the run has no trial {shown(trial_id)}; summary.json and trials/*.parquet name them"
        )
    return by_id[trial_id]


def _best(
    asked: Asked, dataset: str | None, by_id: Mapping[str, Trial], rows: Mapping[str, Mapping[str, Any]]
) -> list[Trial]:
    """Returns the trial with the lowest RMSE of each dataset, or of one; ties are resolved as in the summary."""
    asked.check_dataset(dataset)
    names = [each.name for each in asked.spec.datasets]
    best: dict[str, tuple[tuple[float, int, str, int], Trial]] = {}
    for trial_id, row in rows.items():
        trial = by_id[trial_id]
        variant = trial.variant
        if row["status"] != "ok" or row["rmse"] is None or row["rmse"] > diverged_from(variant.dataset):
            continue
        rank = (row["rmse"], variant.parameters, variant.id, trial.seed)
        name = variant.dataset.name
        best[name] = min(best.get(name, (rank, trial)), (rank, trial), key=lambda each: each[0])
    chosen = [best[name][1] for name in names if name in best and dataset in (None, name)]
    if not chosen:
        raise UsageError(f"run {asked.spec.name!r} has no trial that gave a result")
    return chosen


def _reply(
    store: Store, row: Mapping[str, Any], trial: Trial, numbers: Sequence[Number], asked: Asked, why: str
) -> Reply:
    """Returns the trial's predictions; `row` is its result, `why` says how it was chosen."""
    variant = trial.variant
    if row["status"] == "diverged":
        raise UsageError(f"trial {trial.id} diverged at step {row['steps']:,}, it predicts nothing; choose another one")
    task, network = describe_task(variant.dataset.model_dump()), describe_variant(variant_columns(variant))
    far = ", which counts as diverged" if row["rmse"] > diverged_from(variant.dataset) else ""
    if variant.dataset.unused:
        far += f"; unused inputs at {short(middle(variant.dataset))}"
    error = f"test RMSE {number(row['rmse'])}{far}"
    title = f"{variant.dataset.name} ({task}), {why} {trial.id}: {network}, seed {trial.seed}, {error}"
    try:
        samples = ask(store, row["pack"], trial, _inputs(variant.dataset, numbers))
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: missing; {asked.retrain}") from error
    (ranges,) = variant.dataset.source.parts("train")
    outside = [
        not all(low <= number <= high for number, (low, high) in zip(sample.numbers, ranges, strict=True))
        for sample in samples
    ]
    trained_on = dots(ranges[0]) if len(set(ranges)) == 1 else range_words(variant.dataset)
    return Reply(asked.words, variant.dataset.name, trial.id, asked.opening + title, samples, outside, trained_on)


def _misfit(dataset: Named, numbers: Sequence[Number]) -> str | None:
    """Returns why a dataset doesn't accept these numbers, or None."""
    if not dataset.is_real and (wrong := [number for number in numbers if not float(number).is_integer()]):
        return f"{wrong[0]} is not an integer: {dataset.name} takes integers"
    low, high = _accepted(dataset)
    if wrong := [number for number in numbers if not low <= number <= high]:
        ranges = f"1..{dataset.largest}" if dataset.largest is not None else range_words(dataset)
        return f"{wrong[0]} is out of range: {dataset.name} takes {low}..{high} (it was trained on {ranges})"
    if len(numbers) % dataset.n_numbers:
        count = dataset.n_numbers
        return f"{dataset.name} takes {count} numbers per row: give a multiple of {count}, not {len(numbers)}"
    return None


def _accepted(dataset: Named) -> tuple[Number, Number]:
    """The smallest and the largest number that is accepted: of formulas any that their inputs can hold."""
    most = 2**dataset.n_digits - 1 if dataset.n_digits else None
    if dataset.largest is not None:
        return 0, min(2 * dataset.largest, most or 2 * dataset.largest)
    if most is not None:
        return 0, most
    return (-_LARGEST, _LARGEST) if dataset.is_real else (-(2**53), 2**53)


def _inputs(dataset: Named, numbers: Sequence[Number]) -> Numbers:
    dtype = np.float64 if dataset.is_real else np.int64
    return inputs_of_numbers(dataset, np.array(numbers, dtype).reshape(-1, dataset.n_numbers))
