"""What `sumsquares predict` does: asks trained models of a run about numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs import exits
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.night.champion import champion_night, read_champion
from sumsquares.jobs.night.nights import folder_of, run_files, run_name
from sumsquares.jobs.night.records import read_night, trained_spec
from sumsquares.jobs.results.pack_files import variant_columns
from sumsquares.jobs.results.samples import Sample, ask
from sumsquares.jobs.results.scale import diverged_from
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.results.summary_file import read_summary
from sumsquares.jobs.show.format import describe_task, describe_variant, number
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.run_files import run_folder, stored_spec, write_anew
from sumsquares.jobs.storage.layout import is_night
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store

CHAMPION = "champion"
"""In place of a run's name: the night that jobs.night has promoted."""


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


def predict(run: str, numbers: Sequence[int], dataset: str | None, trial_id: str | None, shared: Shared) -> int:
    """Prints the predictions of trained models."""
    replies = ask_run(Store(shared.store), run, numbers, dataset, trial_id)
    facts = [reply.facts for reply in replies]
    lines = [line for reply in replies for line in (reply.title, *(f"  {line}" for line in reply.lines))]
    shared.print({"run": run, "answers": facts}, "\n".join(lines))
    return exits.OK


def ask_run(
    store: Store, run: str, numbers: Sequence[int], dataset: str | None = None, trial_id: str | None = None
) -> list[Reply]:
    """Returns the predictions of a named trial, or of the best one of each dataset that takes these numbers.

    Raises:
        UsageError: there is no such run, dataset or trial, no trial takes the numbers, or the trial diverged.
        DataError: the run's summary, or a file of the trial, is damaged or missing.

    """
    # The run, and the trials that its summary calls the best. If their results are lost, no other trial may silently
    # take their place.
    asked = _whom(store, run)
    by_id = {trial.id: trial for trial in trials(asked.spec)}
    known_best = _known_best(store, asked) if trial_id is None else []
    stored = read_results(store).table.select(["trial_id", "pack", "status", "rmse", "steps"])
    rows = {row["trial_id"]: row for row in stored.to_pylist() if row["trial_id"] in by_id}
    if gone := [each for each in known_best if each in by_id and each not in rows]:
        raise DataError(f"the result of trial {gone[0]} is gone, or damaged: {asked.retrain}")
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


@dataclass(frozen=True, slots=True)
class _Asked:
    """The run whose trials predict."""

    spec: JobSpec
    words: str
    """The run in words."""
    night: str | None
    """The night that trained it; its spec can't be given to `sumsquares run`."""

    @property
    def opening(self) -> str:
        """How a title begins if it must say whose trial it is."""
        return f"{self.words}: " if CHAMPION in self.words.split() else ""

    @property
    def retrain(self) -> str:
        """The remedy for lost trials."""
        if self.spec.is_earlier:
            return f"an earlier version trained it, so it can't be made again: {self._instead}"
        if self.night is None:
            return "run the spec again to restore it"
        return "the next night trains it again" if CHAMPION in self.words.split() else self.start_again

    @property
    def _instead(self) -> str:
        """What to ask in place of a trial that can't be made again."""
        if self.night is None:
            return "run the spec again, which trains its trials anew, to other numbers"
        if CHAMPION in self.words.split():
            return (
                "`sumsquares nightly rollback`, or `sumsquares nightly promote NIGHT`, makes another night the champion"
            )
        return "ask another run or night"

    def summarize(self, store: Store) -> str:
        """The remedy for a damaged summary."""
        return write_anew(store) if self.night is None else self.start_again

    @property
    def start_again(self) -> str:
        """The remedy for whatever a night has lost."""
        assert self.night is not None
        return f"start the night again with its spec and --date {self.night[:10]} (and --fresh-data if it had that)"


def _whom(store: Store, run: str) -> _Asked:
    """Returns the run of that name, or the champion in a store that has one."""
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
    """Returns the spec of a run; only a listed name becomes part of a path."""
    known = {path.split("/")[1] for path in store.list("runs")}
    if run not in known and run == CHAMPION:
        remedy = "`sumsquares nightly SPEC` makes the first night, which becomes it"
        raise UsageError(f"there is no champion yet in {store.describe()}: {remedy}")
    if run not in known:
        there = f"in {store.describe()}; there are: {few_names(sorted(known))}"
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


def _best(
    asked: _Asked, dataset: str | None, by_id: Mapping[str, Trial], rows: Mapping[str, Mapping[str, Any]]
) -> list[Trial]:
    """Returns the trial with the lowest RMSE of each dataset, or of one; ties are resolved as in the summary."""
    run = asked.spec.name
    names = [each.name for each in asked.spec.datasets]
    if dataset is not None and dataset not in names:
        raise UsageError(f"run {run!r} has no dataset {shown(dataset)}; it has: {few_names(names)}")
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
        raise UsageError(f"run {run!r} has no trial that gave a result")
    return chosen


def _known_best(store: Store, asked: _Asked) -> list[str]:
    """Returns the ids of the best trials according to the run's summary. An unfinished run has none, which is an error.

    If the best result is lost, another one must not silently take its place.
    """
    try:
        path = f"{run_folder(asked.spec.name)}/summary.json"
        summary = read_summary(store.get(path), path)
        if summary["spec_digest"] == asked.spec.digest:
            best = summary.get("best_trial") or {name: row and row["trial"] for name, row in summary["best"].items()}
            return [row["trial_id"] for row in best.values() if row]
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
    """Returns the trial's predictions; `row` is its result, `why` says how it was chosen."""
    variant = trial.variant
    if row["status"] == "diverged":
        raise UsageError(f"trial {trial.id} diverged at step {row['steps']:,}, it predicts nothing; choose another one")
    task, network = describe_task(variant.dataset.model_dump()), describe_variant(variant_columns(variant))
    far = ", which counts as diverged" if row["rmse"] > diverged_from(variant.dataset) else ""
    if variant.dataset.unused:
        far += f"; unused inputs at {_middle(variant.dataset)}"
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
    """Returns why a dataset doesn't accept these numbers, or None."""
    limit = 2 * dataset.largest
    if wrong := [number for number in numbers if not 0 <= number <= limit]:
        return f"{wrong[0]} is out of range: {dataset.name} takes 0..{limit} (it was trained on 1..{dataset.largest})"
    if len(numbers) % dataset.n_numbers:
        count = dataset.n_numbers
        return f"{dataset.name} takes {count} numbers per row: give a multiple of {count}, not {len(numbers)}"
    return None


def _inputs(dataset: NamedDataset, numbers: Sequence[int]) -> NDArray[np.int64]:
    """Returns rows of inputs; unused columns hold the middle of their range, as the target doesn't depend on them."""
    rows_NK = np.array(numbers, np.int64).reshape(-1, dataset.n_numbers)
    unused = np.full((len(rows_NK), dataset.unused), _middle(dataset))
    return np.hstack([rows_NK, unused])


def _middle(dataset: NamedDataset) -> int:
    return (dataset.largest + 1) // 2
