"""Which specs in a store refer to a trial or a dataset: those of runs, nights and earlier runs.

Only undamaged specs count. A trial belongs to the first spec that names it: runs come before nights, earlier runs last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from sumsquares.datasets.dataset import Whole
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.night.nights import Night, date_of, folder_of, run_name
from sumsquares.jobs.night.records import rerun_command, stored_night
from sumsquares.jobs.results.dataset_facts import damage_of, facts_path
from sumsquares.jobs.results.earlier import as_stored
from sumsquares.jobs.results.stored_baselines import baselines_path, damage_of_baselines
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary
from sumsquares.jobs.show.format import listed
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.training_version import EARLIER, VERSIONS
from sumsquares.jobs.spec.variants import Trial, trials
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.layout import folder_of as dataset_folder
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed


@dataclass(frozen=True)
class Reference:
    """A spec in the store, and what brings back the results it refers to."""

    name: str
    """Of the run, the earlier run or the night, for people."""
    command: str
    """Restores what is lost: ready to be typed, or a description where the store is a bucket."""
    spec: JobSpec


@dataclass(frozen=True)
class References:
    """All specs in a store, in order of precedence."""

    all: Sequence[Reference]

    @cached_property
    def trials(self) -> dict[str, tuple[Trial, Reference]]:
        """Returns the trials that specs name, by id, each with the first spec that names it.

        Those of all training versions are among them: a spec that is run again after an update leaves the earlier ones.
        """
        found: dict[str, tuple[Trial, Reference]] = {}
        seen: set[str] = set()
        for each in self.all:
            if each.spec.digest not in seen:
                seen.add(each.spec.digest)
                for version in VERSIONS:
                    for trial in trials(each.spec.trained_by(version)):
                        found.setdefault(trial.id, (trial, each))
        return found

    @cached_property
    def datasets(self) -> dict[str, DatasetSpec]:
        """Returns the generated datasets that specs name, by digest."""
        return {each.digest: each for each in self._datasets if isinstance(each, DatasetSpec)}

    @cached_property
    def tables(self) -> dict[str, TableDataset]:
        """Returns the tables that specs name, by content; of several with the same rows the first."""
        return {each.content: each for each in reversed(self.all_tables)}

    @cached_property
    def all_tables(self) -> tuple[TableDataset, ...]:
        """Returns all of them: several may have the same rows, in other splits."""
        return tuple(dict.fromkeys(each for each in self._datasets if isinstance(each, TableDataset)))

    @cached_property
    def measured(self) -> dict[str, Callable[[bytes], str | None]]:
        """Returns by the path of a file that is measured on a table's split what finds its damage."""
        splits = [split for each in self.all_tables for split in each.splits]
        facts = {facts_path(split): partial(damage_of, dataset=split) for split in splits}
        return {**facts, **{baselines_path(split): partial(damage_of_baselines, dataset=split) for split in splits}}

    @cached_property
    def commands(self) -> dict[str, str]:
        """Returns by the folder of a dataset the command that restores what is lost of it."""
        named = ((each.command, dataset) for each in reversed(self.all) for dataset in each.spec.datasets)
        return {dataset_folder(dataset): command for command, dataset in named}

    @property
    def _datasets(self) -> list[Whole]:
        return [dataset for each in self.all for dataset in each.spec.datasets]

    def are_named(self, trial_ids: Iterable[str]) -> bool:
        """Whether a spec names each of them."""
        return all(trial_id in self.trials for trial_id in trial_ids)

    def are_earlier(self, trial_ids: Iterable[str]) -> bool:
        """Whether a spec names some of them that an earlier version trained: they can't be trained again."""
        return any(
            self.trials[each][0].variant.training_version in EARLIER for each in trial_ids if each in self.trials
        )

    def training(self, trial_ids: Sequence[str]) -> str:
        """Returns the remedy: the commands that train these trials again, to the same numbers."""
        if self.are_earlier(trial_ids):
            return "an earlier version trained its trials, and this one gets other numbers: put a copy back"
        commands = dict.fromkeys(self.trials[each][1].command for each in trial_ids if each in self.trials)
        if not commands:
            return "no run or night of this store names its trials: run the spec that trained them"
        return f"{listed([*commands])} {'trains' if len(commands) == 1 else 'train'} its trials again"


def collect(store: Store, folders: Iterable[str], nights: Sequence[str], stored: Collection[str]) -> References:
    """Reads the specs in the folders of runs, and those of the nights; `stored` has the ids of all stored trials."""
    names = {run_name(night) for night in nights}
    runs = [folder for folder in sorted(folders) if folder.removeprefix("runs/") not in names]
    found = [*_runs(store, [folder for folder in runs if folder.count("/") == 1], stored)]
    found += [each for night in reversed(nights) for each in _night(store, night, stored)]
    return References([*found, *_runs(store, [folder for folder in runs if folder.count("/") > 1], stored)])


def night_command(store: Store, night: Night | None, name: str) -> str:
    """Returns the command that starts a night again: with its stored spec, if that is intact."""
    night = night or _from_its_run(store, name)
    if night is None or "://" in store.root:
        return rerun_command(store, name)
    words = ["nightly", f"{store.root}/{folder_of(name)}/spec.toml", "--date", str(date_of(name))]
    return typed(store, *words, *(["--fresh-data"] if night.fresh else []))


def _from_its_run(store: Store, name: str) -> Night | None:
    """Returns the night if its spec and that of its run are intact: the latter shows whether its data were fresh."""
    spec, run = _stored(store, f"{folder_of(name)}/spec.toml"), _stored(store, f"{run_folder(run_name(name))}/{SPEC}")
    if spec is None or run is None:
        return None
    nights = (Night(date_of(name), spec, is_fresh) for is_fresh in (False, True))
    return next((night for night in nights if (night.id, night.trained.digest) == (name, run.digest)), None)


def run_command(store: Store, verb: str, folder: str) -> str:
    """Returns the command for the spec in a run's folder; from a bucket, the spec must be fetched first."""
    if "://" in store.root:
        return f"`sumsquares {verb}` with a copy of {store.root}/{folder}/{SPEC} and this store"
    return typed(store, verb, f"{store.root}/{folder}/{SPEC}")


def known_night(store: Store, night: str) -> Night | None:
    """Returns the night if its spec and records are intact, else None."""
    try:
        return stored_night(store, night)
    except DataError:
        return None


def _night(store: Store, night: str, stored: Collection[str]) -> Iterator[Reference]:
    found = known_night(store, night)
    if found is not None:
        yield Reference(f"night {night}", night_command(store, found, night), found.trained)
        return
    for each in _runs(store, [run_folder(run_name(night))], stored):
        yield Reference(f"night {night}", night_command(store, None, night), each.spec)


def _runs(store: Store, folders: Sequence[str], stored: Collection[str]) -> Iterator[Reference]:
    for folder in folders:
        if (spec := _stored(store, f"{folder}/{SPEC}")) is not None:
            verb = "run" if folder.count("/") == 1 else "train"
            spec = at_its_version(store, folder, spec, stored)
            yield Reference(folder.removeprefix("runs/"), run_command(store, verb, folder), spec)


def at_its_version(store: Store, folder: str, spec: JobSpec, stored: Collection[str]) -> JobSpec:
    """Returns the spec of a run at the training version that its summary names; without one, that of most results."""
    path = f"{folder}/{SUMMARY}"
    try:
        return spec.trained_by(read_summary(store.get(path), path)["training_version"])
    except (FileNotFoundError, DataError):
        return as_stored(spec, stored)


def _stored(store: Store, path: str) -> JobSpec | None:
    """Returns the spec at a path if it is intact, else None."""
    try:
        return parse_stored(store.get(path), path)
    except (FileNotFoundError, SpecError, DataError):
        return None
