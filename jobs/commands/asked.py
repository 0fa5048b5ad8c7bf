"""The run that a command is asked about: its spec, the summary that it must have, and the remedies for what is lost.

A run is named as in its spec; `champion` is the night that jobs.night has promoted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.night.champion import champion_night, read_champion
from sumsquares.jobs.night.nights import folder_of, run_files, run_name
from sumsquares.jobs.night.records import read_night, trained_spec
from sumsquares.jobs.results.summary_file import read_summary
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.messages import similar
from sumsquares.jobs.stages.run_files import run_folder, stored_spec, write_anew
from sumsquares.jobs.storage.layout import is_night
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store

CHAMPION = "champion"
"""In place of a run's name: the night that jobs.night has promoted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The run whose trials answer."""

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

    def check_dataset(self, name: str | None) -> None:
        """Raises a UsageError if the run has no dataset of this name."""
        names = [each.name for each in self.spec.datasets]
        if name is not None and name not in names:
            raise UsageError(f"run {self.spec.name!r} has no dataset {shown(name)}; it has: {few_names(names)}")

    def check_known(self, best: Collection[str], found: Collection[str]) -> None:
        """Raises a DataError if a trial that the summary calls the best is not found: no other may take its place."""
        if gone := [each for each in best if each not in found]:
            raise DataError(f"the result of trial {gone[0]} is gone, or damaged: {self.retrain}")


def asked_run(store: Store, run: str) -> Asked:
    """Returns the run of that name, or the champion in a store that has one.

    Raises:
        UsageError: there is no such run.
        DataError: its spec is damaged or missing.

    """
    champion = read_champion(store)[0] if run == CHAMPION else None
    if champion is not None:
        if not store.list(folder_of(champion.night)) and not run_files(store, champion.night):
            champion_night(store, champion.night)  # says which night to go back to
        return Asked(trained_spec(store, champion.night), f"champion {champion.night}", champion.night)
    night = run.removeprefix(run_name(""))
    if night == run or not is_night(night) or read_night(store, night) is None:
        return Asked(_spec(store, run), f"run {run}", None)
    return Asked(trained_spec(store, night), f"run {run}", night)


def _spec(store: Store, run: str) -> JobSpec:
    """Returns the spec of a run; only a listed name becomes part of a path."""
    known = {path.split("/")[1] for path in store.list("runs") if path != "runs"}
    if run not in known and run == CHAMPION:
        remedy = "`sumsquares nightly SPEC` makes the first night, which becomes it"
        raise UsageError(f"there is no champion yet in {store.describe()}: {remedy}")
    if run not in known:
        raise unknown_run(store, run, known)
    spec = stored_spec(store, run)
    if spec is None:
        raise DataError(f"{store.root}/{run_folder(run)}/job.toml: missing; {write_anew(store)}")
    return spec


def unknown_run(store: Store, run: str, known: Collection[str]) -> UsageError:
    """The error for a name that no run has; it names the runs there are, a similar one first."""
    there = f"in {store.describe()}; {similar(run, known)}there are: {few_names(sorted(known))}"
    return UsageError(f"there is no run {shown(run)} {there}")


def known_best(store: Store, asked: Asked) -> list[str]:
    """Returns the ids of the best trials according to the run's summary. An unfinished run has none, which is an error.

    If the best result is lost, another one must not silently take its place.
    """
    try:
        path = f"{run_folder(asked.spec.name)}/summary.json"
        summary = read_summary(store.get(path), path)
        if summary["spec_digest"] == asked.spec.digest:
            return [row["trial_id"] for row in _best_of(summary).values() if row]
    except FileNotFoundError:
        if asked.night:
            raise _not_its_summary(store, asked) from None
        raise UsageError(f"run {asked.spec.name!r} has no summary yet: finish it with `sumsquares run`") from None
    except ForeignFile:
        raise
    except (DataError, TypeError, AttributeError, LookupError) as error:
        raise _not_its_summary(store, asked) from error
    raise _not_its_summary(store, asked)


def _best_of(summary: dict[str, Any]) -> dict[str, Any]:
    return summary.get("best_trial") or {name: row and row["trial"] for name, row in summary["best"].items()}


def _not_its_summary(store: Store, asked: Asked) -> DataError:
    path = f"{store.root}/{run_folder(asked.spec.name)}/summary.json"
    return DataError(
        f"{path}: damaged, missing, or not the summary of the job.toml beside it; {asked.summarize(store)}"
    )
