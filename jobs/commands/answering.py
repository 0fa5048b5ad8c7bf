"""Which trials answer for a run: that of a given id, or the best one of each dataset among those that are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.commands.asked import Asked, asked_run, known_best
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.numbers import counted, number
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.results.final import FINAL, is_final_of
from sumsquares.jobs.results.models import TrainedNetwork, load_model
from sumsquares.jobs.results.scale import diverged_from, limit_of
from sumsquares.jobs.results.stored import read_results
from sumsquares.jobs.results.summary_file import SUMMARY
from sumsquares.jobs.results.trial_columns import variant_columns
from sumsquares.jobs.results.where import matching, read_where
from sumsquares.jobs.show.format import describe_task, describe_variant
from sumsquares.jobs.spec.messages import plain
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.run_files import run_folder, stored_spec
from sumsquares.jobs.storage.store import Store

Rows = Mapping[str, Mapping[str, Any]]
"""Stored results by the id of their trial."""


@dataclass(frozen=True)
class Question:
    """Which trials of a run are asked."""

    run: str
    dataset: str | None = None
    trial_id: str | None = None
    where: Sequence[str] = ()
    """Conditions such as `activation=relu`; all must hold."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """A trial that answers."""

    asked: Asked
    trial: Trial
    row: Mapping[str, Any]
    """Its stored result."""
    called: str
    """Why it was chosen: `best trial`."""
    limit: float
    """The RMSE above which it counts as diverged."""

    def title(self, extra: str = "") -> str:
        """The trial in words, and what it answers."""
        dataset = self.trial.variant.dataset
        task = plain(dataset.table.target) if isinstance(dataset, TableSplit) else describe_task(dataset.model_dump())
        return f"{self.asked.opening}{dataset.name} ({task}), {self._words}{extra}"

    @property
    def _words(self) -> str:
        network = describe_variant(variant_columns(self.trial.variant))
        dataset = self.trial.variant.dataset
        if isinstance(dataset, TableSplit) and dataset.table.test == 0:
            error = f"trained on all {counted(dataset.rows, 'row')}, RMSE on them {number(self.row['rmse'])}"
        else:
            split = f"split {dataset.split}, " if dataset.split else ""
            error = f"{split}test RMSE {number(self.row['rmse'])}{self._far}"
        return f"{self.called} {self.trial.id}: {network}, seed {self.trial.seed}, {error}"

    @property
    def split(self) -> TableSplit | None:
        """Of which table and which split it was trained; None for generated rows."""
        dataset = self.trial.variant.dataset
        return dataset if isinstance(dataset, TableSplit) else None

    @property
    def facts(self) -> dict[str, Any]:
        """Which trial it is, for --json."""
        dataset = self.trial.variant.dataset
        return {
            "asked": self.asked.words,
            "dataset": dataset.name,
            "split": dataset.split,
            "seed": self.trial.seed,
            "trial_id": self.trial.id,
        }

    def check(self) -> None:
        """Raises a UsageError if it diverged."""
        if self.row["status"] == "diverged":
            at = f"diverged at step {self.row['steps']:,}"
            raise UsageError(f"trial {self.trial.id} {at}, it predicts nothing; choose another one")

    def network(self, store: Store) -> TrainedNetwork:
        """Reads its weights.

        Raises:
            DataError: they are damaged or missing.

        """
        try:
            return load_model(store, self.row["pack"], self.trial)
        except FileNotFoundError as error:
            raise DataError(f"{error.filename}: missing; {self.asked.retrain}") from error

    @property
    def _far(self) -> str:
        return ", which counts as diverged" if self.row["rmse"] > self.limit else ""


class _Limits:
    """From which RMSE on trials count as diverged, by their dataset or split."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, float] = {}

    def of(self, trial: Trial) -> float:
        """Returns that of a trial."""
        dataset = trial.variant.dataset
        if not isinstance(dataset, TableSplit):
            return diverged_from(dataset)
        if dataset.digest not in self._known:
            self._known[dataset.digest] = limit_of(facts_of(self._store, dataset, keeps=False).largest_target)
        return self._known[dataset.digest]


def answerers(store: Store, question: Question) -> list[Answerer]:
    """Returns the trial of that id, or the best one of each dataset.

    Raises:
        UsageError: there is no such run, dataset or trial, or none meets the conditions.
        DataError: the run's summary is damaged or missing, or the result of its best trial is lost.

    """
    asked = asked_run(store, question.run)
    is_open = question.trial_id is None and not question.where
    final = final_run(store, asked) if is_open else None
    if final is not None:
        asked = final
    by_id = {trial.id: trial for trial in trials(asked.spec)}
    # If the results of the trials that the summary calls the best are lost, no other may silently take their place.
    best = known_best(store, asked) if question.trial_id is None else []
    stored = read_results(store).table.select(["trial_id", "pack", "status", "rmse", "steps"])
    rows = {row["trial_id"]: row for row in stored.to_pylist() if row["trial_id"] in by_id}
    limits = _Limits(store)
    if question.trial_id is not None:
        return [_named(asked, by_id, question.trial_id, rows, limits)]
    asked.check_known([each for each in best if each in by_id], rows)
    asked.check_dataset(question.dataset)
    called = "best trial" if final is None else "chosen network, trial"
    if question.where:
        called = f"best trial with {', '.join(question.where)}"
    best_of = _best(asked, question, by_id, rows, limits)
    return [Answerer(asked, trial, rows[trial.id], called, limits.of(trial)) for trial in best_of]


def final_run(store: Store, asked: Asked) -> Asked | None:
    """Returns the run of the chosen variant on all rows that `fit` made of a table, if it is finished."""
    name = f"{asked.spec.name}{FINAL}"
    if asked.night is not None or not store.exists(f"{run_folder(name)}/{SUMMARY}"):
        return None
    spec = stored_spec(store, name)
    return Asked(spec, f"run {name}", None) if spec is not None and is_final_of(spec, asked.spec) else None


def _named(asked: Asked, by_id: Mapping[str, Trial], trial_id: str, rows: Rows, limits: _Limits) -> Answerer:
    if trial_id not in by_id:
        raise UsageError(
            f"--trial: the run has no trial {shown(trial_id)}; summary.json and trials/*.parquet name them"
        )
    if trial_id not in rows:
        raise UsageError(f"the result of trial {trial_id} has not been trained, or is damaged: {asked.retrain}")
    return Answerer(asked, by_id[trial_id], rows[trial_id], "trial", limits.of(by_id[trial_id]))


def _best(asked: Asked, question: Question, by_id: Mapping[str, Trial], rows: Rows, limits: _Limits) -> list[Trial]:
    """Returns the trial with the lowest RMSE of each dataset, or of one; ties are resolved as in the summary."""
    wanted = [trial for trial in by_id.values() if question.dataset in (None, trial.variant.dataset.name)]
    if question.where:
        wanted = _matching(wanted, question.where)
    best: dict[str, tuple[tuple[float, int, str, int], Trial]] = {}
    for trial in wanted:
        row, variant = rows.get(trial.id), trial.variant
        if row is None or row["status"] != "ok" or row["rmse"] is None or row["rmse"] > limits.of(trial):
            continue
        rank = (row["rmse"], variant.parameters, variant.id, trial.seed)
        name = variant.dataset.name
        best[name] = min(best.get(name, (rank, trial)), (rank, trial), key=lambda each: each[0])
    if not best:
        which = " that meets --where" if question.where else ""
        raise UsageError(f"run {asked.spec.name!r} has no trial{which} that gave a result")
    return [best[each.name][1] for each in asked.spec.datasets if each.name in best]


def _matching(wanted: Sequence[Trial], where: Sequence[str]) -> list[Trial]:
    conditions = [read_where(text, "--where") for text in where]
    columns = {trial.variant.digest: variant_columns(trial.variant) for trial in wanted}
    found = {(row["variant_id"], row["split"]) for row in matching([*columns.values()], conditions, "--where")}
    of = {digest: (row["variant_id"], row["split"]) for digest, row in columns.items()}
    return [trial for trial in wanted if of[trial.variant.digest] in found]
