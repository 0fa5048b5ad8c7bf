"""Asks the trained models of a run about numbers: what `sumsquares predict` does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.errors import DataError
from datasets.spec import NamedDataset
from jobs.archive import run_folder, stored_spec, write_anew
from jobs.exits import UsageError
from jobs.floods import listed
from jobs.night.champion import read_champion
from jobs.night.lost import champion_night
from jobs.night.nights import folder_of, read_night, run_files, run_name
from jobs.night.records import is_night
from jobs.night.sources import trained_spec
from jobs.numbers import shown
from jobs.results.samples import Sample, ask
from jobs.results.scale import diverged_from
from jobs.results.stored import read_results, variant_columns
from jobs.results.summary_file import read_summary
from jobs.show.words import describe_task, describe_variant, number
from jobs.spec.job_spec import JobSpec
from jobs.spec.variants import Trial, trials
from jobs.storage.plain import ForeignFile
from jobs.storage.store import Store

CHAMPION = "champion"
"""In place of a run's name: the night that jobs.night has promoted."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one trial answers."""

    asked: str
    """Whose trial it is: run small, or champion 2026-11-22-0123456789ab."""
    dataset: str
    trial_id: str
    title: str
    """The trial in words, and why it is asked."""
    samples: list[Sample]
    outside: list[bool]
    """Of each sample, whether a number of it is outside the range that the trial was trained on."""
    trained_on: str
    """That range, such as 1..1000."""

    @property
    def facts(self) -> dict[str, Any]:
        """For --json."""
        told = zip(self.samples, self.outside, strict=True)
        samples = [asdict(sample) | {"error": sample.error, "outside_range": out} for sample, out in told]
        kept = {name: value for name, value in asdict(self).items() if name not in ("samples", "outside")}
        return {**kept, "samples": samples}

    @property
    def lines(self) -> list[str]:
        """The samples in words; those outside the range say so."""
        note = f", outside the training range {self.trained_on}"
        return [f"{sample}{note if out else ''}" for sample, out in zip(self.samples, self.outside, strict=True)]


def ask_run(
    store: Store, run: str, numbers: Sequence[int], dataset: str | None = None, trial_id: str | None = None
) -> list[Reply]:
    """The answers of a named trial, or of the best one of each dataset that takes these numbers.

    Raises:
        UsageError: there is no such run, dataset or trial, no trial takes the numbers, or it has not learnt anything.
        DataError: the run's summary, or a file of the trial, is damaged or missing.

    """
    asked = _whom(store, run)
    by_id = {trial.id: trial for trial in trials(asked.spec)}
    chosen = {_named(by_id, trial_id): "trial"} if trial_id is not None else _best(store, asked, dataset, by_id)
    misfits = [_misfit(trial.variant.dataset, numbers) for trial in chosen]
    fitting = [trial for trial, misfit in zip(chosen, misfits, strict=True) if misfit is None]
    if not fitting:
        raise UsageError("; ".join(misfit for misfit in misfits if misfit))
    stored = read_results(store).table.select(["trial_id", "pack", "status", "rmse", "steps"])
    rows = {row["trial_id"]: row for row in stored.to_pylist()}
    if lost := [trial.id for trial in fitting if trial.id not in rows]:
        unknown, why = (
            (UsageError, "has not been trained") if trial_id is not None else (DataError, "is gone, or damaged")
        )
        raise unknown(f"the result of trial {lost[0]} {why}: {asked.retrain}")
    return [_reply(store, rows[trial.id], trial, numbers, asked, chosen[trial]) for trial in fitting]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The run that is asked."""

    spec: JobSpec
    words: str
    """Which it is."""
    night: str | None
    """The night that trained it, whose spec is not one that can be given to `sumsquares run`."""

    @property
    def opening(self) -> str:
        """What a title begins with where the name alone does not say it."""
        return f"{self.words}: " if CHAMPION in self.words.split() else ""

    @property
    def retrain(self) -> str:
        """What brings lost trials back."""
        if self.night is None:
            return "run the spec again to have it back"
        return "the next night trains it again" if CHAMPION in self.words.split() else self.start_again

    def summarize(self, store: Store) -> str:
        """What writes the run's summary anew."""
        return write_anew(store) if self.night is None else self.start_again

    @property
    def start_again(self) -> str:
        """What makes anew what a night has lost."""
        assert self.night is not None
        return f"start the night again with its spec and --date {self.night[:10]} (--fresh-data if it had that)"


def _whom(store: Store, run: str) -> _Asked:
    """The run of that name, or the champion in a store that has one."""
    champion = read_champion(store)[0] if run == CHAMPION else None
    if champion is not None:
        if not store.list(folder_of(champion.night)) and not run_files(store, champion.night):
            champion_night(store, champion.night)  # says which night to go back to
        return _Asked(trained_spec(store, champion.night), f"champion {champion.night}", champion.night)
    night = run.removeprefix(run_name(""))
    if night == run or not is_night(night) or read_night(store, night) is None:
        return _Asked(_spec(store, run), f"run {run}", None)
    return _Asked(trained_spec(store, night), f"run {run}", night)


def _spec(store: Store, run: str) -> JobSpec:
    """The spec of a run; only a name that is listed is made a path of."""
    known = {path.split("/")[1] for path in store.list("runs")}
    if run not in known and run == CHAMPION:
        remedy = "`sumsquares nightly SPEC` makes the first night, which becomes it"
        raise UsageError(f"there is no champion yet in {store.describe()}: {remedy}")
    if run not in known:
        there = f"in {store.describe()}; there are: {listed(sorted(known))}"
        raise UsageError(f"there is no run {shown(run)} {there}")
    spec = stored_spec(store, run)
    if spec is None:
        raise DataError(f"{store.root}/{run_folder(run)}/job.toml: missing; {write_anew(store)}")
    return spec


def _named(by_id: dict[str, Trial], trial_id: str) -> Trial:
    if trial_id not in by_id:
        raise UsageError(
            f"--trial: the run has no trial {shown(trial_id)}; summary.json and trials/*.parquet name them"
        )
    return by_id[trial_id]


def _best(store: Store, asked: _Asked, dataset: str | None, by_id: dict[str, Trial]) -> dict[Trial, str]:
    """The best trials, of one dataset or of all that have one, and what each is called."""
    best, why = _summary(store, asked)
    run = asked.spec.name
    if dataset is not None and dataset not in best:
        raise UsageError(f"run {run!r} has no dataset {shown(dataset)}; it has: {listed([*best])}")
    try:
        found = {name: by_id[winner["trial_id"]] for name, winner in best.items() if winner}
    except (TypeError, LookupError) as error:
        raise _not_its_summary(store, asked) from error
    chosen = {trial: why for name, trial in found.items() if dataset in (None, name)}
    if not chosen:
        raise UsageError(f"run {run!r} has no trial that gave a result")
    return chosen


def _summary(store: Store, asked: _Asked) -> tuple[dict[str, Any], str]:
    """What the summary of the run says is the best trial, by dataset, and what such a trial is called.

    A summary of format 1 names the best trial of the best variant alone.
    """
    try:
        path = f"{run_folder(asked.spec.name)}/summary.json"
        summary = read_summary(store.get(path), path)
        if summary["spec_digest"] == asked.spec.digest and summary["format"] == 1:
            known = {name: row and row["trial"] for name, row in summary["best"].items()}
            return known, "best seed of the best variant"
        if summary["spec_digest"] == asked.spec.digest:
            return {**summary["best_trial"]}, "best trial"
    except FileNotFoundError:
        if asked.night:
            raise _not_its_summary(store, asked) from None
        raise UsageError(f"run {asked.spec.name!r} has no summary yet: finish it with `sumsquares run`") from None
    except ForeignFile:
        raise
    except (DataError, TypeError, AttributeError, LookupError) as error:
        raise _not_its_summary(store, asked) from error
    raise _not_its_summary(store, asked)


def _not_its_summary(store: Store, asked: _Asked) -> DataError:
    path = f"{store.root}/{run_folder(asked.spec.name)}/summary.json"
    return DataError(
        f"{path}: damaged, missing, or not the summary of the job.toml beside it; {asked.summarize(store)}"
    )


def _reply(
    store: Store, row: Mapping[str, Any], trial: Trial, numbers: Sequence[int], asked: _Asked, why: str
) -> Reply:
    """What the trial answers; `row` is its result, `why` what it is called."""
    variant = trial.variant
    if row["status"] == "diverged":
        raise UsageError(f"trial {trial.id} diverged at step {row['steps']:,}, it has no answers; ask another one")
    task, network = describe_task(variant.dataset.model_dump()), describe_variant(variant_columns(variant))
    far = ", which counts as diverged" if row["rmse"] > diverged_from(variant.dataset) else ""
    error = f"test RMSE {number(row['rmse'])}{far}"
    title = f"{variant.dataset.name} ({task}), {why} {trial.id}: {network}, seed {trial.seed}, {error}"
    try:
        samples = ask(store, row["pack"], trial, _inputs(variant.dataset, numbers))
    except FileNotFoundError as error:
        raise DataError(f"{error.filename}: missing; {asked.retrain}") from error
    low, high = variant.dataset.range_of("train")
    outside = [not all(low <= number <= high for number in sample.numbers) for sample in samples]
    return Reply(asked.words, variant.dataset.name, trial.id, asked.opening + title, samples, outside, f"{low}..{high}")


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
