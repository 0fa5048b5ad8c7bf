"""Who needs a trial or a dataset: the runs, nights and earlier runs of a store, each with what makes its results again.

Only specs that are whole count. A trial is of the first that names it: runs before nights, earlier runs at last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.night.nights import Night, date_of, folder_of, run_name
from sumsquares.jobs.night.records import rerun_command, stored_night
from sumsquares.jobs.results.summary_file import SPEC
from sumsquares.jobs.show.format import listed
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed


@dataclass(frozen=True)
class Owner:
    """A spec in the store."""

    name: str
    """The run, the earlier run or the night, in words."""
    command: str
    """What makes again what it has lost, ready to be typed, or in words where the store is a bucket."""
    spec: JobSpec


@dataclass(frozen=True)
class Owners:
    """All of them, the first ones first."""

    owners: Sequence[Owner]

    @cached_property
    def trials(self) -> dict[str, tuple[Trial, Owner]]:
        """By the id of a trial."""
        found: dict[str, tuple[Trial, Owner]] = {}
        seen: set[str] = set()
        for owner in self.owners:
            if owner.spec.digest not in seen:
                seen.add(owner.spec.digest)
                for trial in trials(owner.spec):
                    found.setdefault(trial.id, (trial, owner))
        return found

    @cached_property
    def datasets(self) -> dict[str, DatasetSpec]:
        """By digest."""
        return {dataset.digest: dataset for owner in self.owners for dataset in owner.spec.datasets}

    def are_named(self, trial_ids: Iterable[str]) -> bool:
        """Whether each of them is some spec's."""
        return all(trial_id in self.trials for trial_id in trial_ids)

    def training(self, trial_ids: Sequence[str]) -> str:
        """What trains these trials again."""
        owners = dict.fromkeys(self.trials[each][1].command for each in trial_ids if each in self.trials)
        if not owners:
            return "no run or night of this store names its trials: run the spec that trained them"
        return f"{listed([*owners])} {'trains' if len(owners) == 1 else 'train'} its trials again"


def collect(store: Store, folders: Iterable[str], nights: Sequence[str]) -> Owners:
    """Those of the folders of runs, and of the nights."""
    names = {run_name(night) for night in nights}
    runs = [folder for folder in sorted(folders) if folder.removeprefix("runs/") not in names]
    found = [*_runs(store, [folder for folder in runs if folder.count("/") == 1])]
    found += [owner for night in reversed(nights) for owner in _night(store, night)]
    return Owners([*found, *_runs(store, [folder for folder in runs if folder.count("/") > 1])])


def night_command(store: Store, night: Night | None, name: str) -> str:
    """What starts a night again: with the spec that it keeps where that is whole."""
    night = night or _told_by_its_run(store, name)
    if night is None or "://" in store.root:
        return rerun_command(store, name)
    words = ["nightly", f"{store.root}/{folder_of(name)}/spec.toml", "--date", str(date_of(name))]
    return typed(store, *words, *(["--fresh-data"] if night.fresh else []))


def _told_by_its_run(store: Store, name: str) -> Night | None:
    """A night whose spec is whole; nothing says whether its data were fresh but the spec of its run."""
    spec, run = _stored(store, f"{folder_of(name)}/spec.toml"), _stored(store, f"{run_folder(run_name(name))}/{SPEC}")
    if spec is None or run is None:
        return None
    nights = (Night(date_of(name), spec, is_fresh) for is_fresh in (False, True))
    return next((night for night in nights if (night.id, night.trained.digest) == (name, run.digest)), None)


def run_command(store: Store, verb: str, folder: str) -> str:
    """What does something with the spec in a run's folder; a spec in a bucket has to be fetched first."""
    if "://" in store.root:
        return f"`sumsquares {verb}` with a copy of {store.root}/{folder}/{SPEC} and this store"
    return typed(store, verb, f"{store.root}/{folder}/{SPEC}")


def known_night(store: Store, night: str) -> Night | None:
    """A night whose spec and records are whole."""
    try:
        return stored_night(store, night)
    except DataError:
        return None


def _night(store: Store, night: str) -> Iterator[Owner]:
    found = known_night(store, night)
    if found is not None:
        yield Owner(f"night {night}", night_command(store, found, night), found.trained)
        return
    for owner in _runs(store, [run_folder(run_name(night))]):
        yield Owner(f"night {night}", night_command(store, None, night), owner.spec)


def _runs(store: Store, folders: Sequence[str]) -> Iterator[Owner]:
    for folder in folders:
        if (spec := _stored(store, f"{folder}/{SPEC}")) is not None:
            verb = "run" if folder.count("/") == 1 else "train"
            yield Owner(folder.removeprefix("runs/"), run_command(store, verb, folder), spec)


def _stored(store: Store, path: str) -> JobSpec | None:
    """A spec that is whole."""
    try:
        return parse_stored(store.get(path), path)
    except (FileNotFoundError, SpecError, DataError):
        return None
