"""A run as it is stored, for commands that show it: its folder, its spec, its files, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.commands.asked import asked_run
from sumsquares.jobs.commands.named_run import kept_folder_of, split_name
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.pipeline.summarizing import summary_of_run
from sumsquares.jobs.results.restored import restored
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.results.summary import Summary
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary, sha256_of
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.stages.run_files import DamagedSpec, is_folder_of, run_folder
from sumsquares.jobs.storage.layout import DERIVED
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed


@dataclass(frozen=True)
class Stored:
    """A finished run in a store."""

    store: Store
    words: str
    """Which one it is: `run small`, `run small@44bee13f2ca0`, `champion 2026-11-22-0123456789ab`."""
    folder: str
    spec: JobSpec
    content: Mapping[str, Any]
    """Of its summary.json; `files` is empty if an earlier version wrote it."""
    summary_json: bytes
    files: Mapping[str, bytes]
    """The other files that follow from its spec, by name."""
    damage: tuple[str, ...]
    """A line for each of its files that isn't the one that was written."""

    def summary(self) -> Summary:
        """Returns its results: from its files or, where these are damaged or of an earlier version, from its trials.

        Raises:
            DataError: rows of a table that they need are lost.

        """
        if (found := restored(self.content, self.files)) is not None:
            return found
        made = summary_of_run(self.spec, self.store, read_trials(self.store))
        samples = {name: best["samples"] for name, best in self.content["best"].items() if best}
        best = {name: row and {**row, "samples": samples.get(name, [])} for name, row in made.best.items()}
        return replace(made, best=best)


def stored_run(store: Store, run: str) -> Stored:
    """Returns the run of that name, an earlier one that is kept, or the champion.

    Raises:
        UsageError: there is no such run, or it isn't finished.
        DataError: its spec or its summary is damaged.

    """
    name, digest = split_name(run)
    if digest is not None:
        folder = kept_folder_of(store, name, digest)
        return _of_folder(store, f"run {name}@{folder.rpartition('/')[2]}", folder, _kept_spec(store, folder))
    asked = asked_run(store, run)
    return _of_folder(store, asked.words, run_folder(asked.spec.name), asked.spec)


def _kept_spec(store: Store, folder: str) -> JobSpec:
    path = f"{folder}/{SPEC}"
    try:
        spec = parse_stored(store.get(path), path)
    except FileNotFoundError:
        raise DamagedSpec(f"{store.root}/{path}: missing; {_remedy(store)}") from None
    except SpecError as error:
        raise DamagedSpec(f"{error}; {_remedy(store)}") from error
    if not is_folder_of(spec, folder):
        raise DamagedSpec(f"{path}: damaged, it is the spec of run {spec.name}; {_remedy(store)}")
    return spec


def _of_folder(store: Store, words: str, folder: str, spec: JobSpec) -> Stored:
    path = f"{folder}/{SUMMARY}"
    try:
        data = store.get(path)
    except FileNotFoundError:
        remedy = "finish it with `sumsquares run`; `sumsquares runs` lists the runs"
        raise UsageError(f"{words} has no summary yet: {remedy}") from None
    try:
        content = read_summary(data, path)
    except DataError as error:
        raise DataError(f"{store.root}/{error}; {_remedy(store)}") from error
    if content["spec_digest"] != spec.digest:
        raise DataError(f"{store.root}/{path}: it is not the summary of the {SPEC} beside it; {_remedy(store)}")
    files, damage = _files(store, folder, content["files"])
    return Stored(store, words, folder, spec.trained_by(content["training_version"]), content, data, files, damage)


def _files(store: Store, folder: str, named: Mapping[str, Any]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """Returns the files that the summary names, and what is wrong with them."""
    files, damage = {}, []
    for name in (each for each in DERIVED if each != SUMMARY):
        path = f"{folder}/{name}"
        try:
            files[name] = store.get(path)
        except FileNotFoundError:
            reason = "missing" if name in named else None
        except ForeignFile as error:
            damage.append(str(error))
            continue
        else:
            is_same = name not in named or sha256_of(files[name]) == named[name]["sha256"]
            reason = None if is_same else f"damaged, it is not the file that {SUMMARY} names"
        if reason is not None:
            damage.append(f"{store.root}/{path}: {reason}; {_remedy(store)}")
    return files, tuple(damage)


def _remedy(store: Store) -> str:
    return f"{typed(store, 'verify')} names the remedy"
