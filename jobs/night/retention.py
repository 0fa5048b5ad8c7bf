"""Retention: which nights are kept, and what goes with those that aren't.

Trials and datasets are found by what they are, so that several nights and runs may share them: they go with the last
one that needs them. The plan is made first and can be shown; nothing is deleted while it is made.

A night is deleted in this order: its trials and datasets, its run with the spec that names them last, and its
night.json at the very end. Whoever is interrupted goes on at the next night.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePosixPath

from pydantic import BaseModel, TypeAdapter

from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.night.champion import read_champion
from sumsquares.jobs.night.going import Found, staying
from sumsquares.jobs.night.nights import GOOD, date_of, list_nights, read_night, run_name
from sumsquares.jobs.night.reading import Reading
from sumsquares.jobs.night.sources import trained_spec
from sumsquares.jobs.results.stored import Results
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.stages.generate import folder_of as dataset_folder
from sumsquares.jobs.stages.run_files import PREVIOUS
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.store import Store

THROUGH = "nightly/pruned.json"


class _Through(BaseModel):
    through: date


_SHAPE = TypeAdapter(_Through)
_CHECKED = 50  # files between two looks at the lock


@dataclass(frozen=True)
class Keep:
    """A night is deleted when it is beyond both."""

    nights: int = 30
    """So many of the newest, at least one."""
    days: int = 30
    """Those of so many days."""


@dataclass(frozen=True)
class Pruning:
    """What retention would delete."""

    nights: tuple[str, ...]
    trials: tuple[str, ...]
    """Files of packs, each one's .parquet last: while it is there the pack is found."""
    datasets: tuple[str, ...]
    """Files of datasets, the manifest first."""
    records: tuple[str, ...]
    """Files of the nights and their runs, night.json last."""
    bytes: int
    """Of all files."""
    unread: tuple[str, ...] = ()
    """Specs of runs that can't be believed: since they may need anything, no trials and no datasets go."""
    stays: tuple[str, ...] = ()
    """What lies in the place of such files and is none of ours, or behind a link."""
    held: tuple[str, ...] = ()
    """Nights that are old and stay with all they need, since one of their own files is such a one."""

    @property
    def files(self) -> tuple[str, ...]:
        """All files, in the order in which they go."""
        return self.trials + self.datasets + self.records


def plan_pruning(
    store: Store, keep: Keep, today: date, running: str | None = None, read: Reading | None = None
) -> Pruning:
    """What goes: nights beyond count and age, but for the last two champions, the last good and the running night."""
    doomed = _doomed(store, keep, today, running)
    if not doomed:
        return Pruning((), (), (), (), 0)
    found = Found(store)
    of_nights = {night: found.of_night(night) for night in doomed}
    held = [night for night in doomed if of_nights[night][2]]
    nights = [night for night in doomed if night not in held]
    stays = [path for each in of_nights.values() for path in each[1]]
    records = [path for night in nights for path in of_nights[night][0]]
    specs, unread = _specs(store)
    packs: list[str] = []
    datasets: list[str] = []
    if nights and not unread:
        going = {run_name(night) for night in nights}
        old, kept = (
            _needs(specs[run] for run in going & specs.keys()),
            _needs(specs[run] for run in specs.keys() - going),
        )
        results = (read or Reading())(store)
        doubtful = {problem.path.removesuffix(".parquet") for problem in results.problems}
        packs, weights = found.of_packs(_packs(results, old[0] - kept[0], kept[0]), doubtful)
        of_datasets = [found.of_dataset(folder) for folder in sorted(old[1] - kept[1])]
        datasets = [path for paths, _ in of_datasets for path in paths]
        stays += [*weights, *(path for _, paths in of_datasets for path in paths)]
    files = [*packs, *datasets, *records]
    return Pruning(
        tuple(nights),
        tuple(packs),
        tuple(datasets),
        tuple(records),
        sum(found.sizes.get(path, 0) for path in files),
        tuple(unread),
        tuple(stays),
        tuple(held),
    )


def prune(store: Store, plan: Pruning, check: Callable[[], None]) -> None:
    """Deletes what the plan says, and notes up to which date, so that these nights are not taken for missing ones.

    Now and then it looks whether it still may: `check` stops one that has lost the lock, as a night may have begun
    that needs these files; and a rollback may have made one of these nights the champion.
    """
    _check(store, plan, check)
    if plan.nights:
        through = max(date_of(plan.nights[-1]), pruned_through(store) or date.min)
        store.put(THROUGH, seal({"format": 1, "through": through.isoformat()}))
    for number, path in enumerate(plan.files):
        if number % _CHECKED == 0:
            _check(store, plan, check)
        store.delete(path)


def _check(store: Store, plan: Pruning, check: Callable[[], None]) -> None:
    check()
    champion, _ = read_champion(store)
    if champion is not None and champion.night in plan.nights:
        raise BusyError(f"night {champion.night} has become the champion meanwhile: what it lost is trained again")


def pruned_through(store: Store) -> date | None:
    """The latest date of which a night was deleted, or None."""
    try:
        return read_through(store.get(THROUGH))
    except (FileNotFoundError, DamagedRecord):
        return None


def read_through(data: bytes) -> date:
    """The date in a pruned.json; DamagedRecord if it is not what was written."""
    return unseal(data, THROUGH, "", _SHAPE).through


def _doomed(store: Store, keep: Keep, today: date, running: str | None) -> list[str]:
    nights = list_nights(store)
    champion, _ = read_champion(store)
    protected = {running, *(champion.line[-2:] if champion else ()), *nights[-keep.nights :]}
    oldest = today - timedelta(days=keep.days)
    old = [night for night in nights if night not in protected and date_of(night) <= oldest]
    last_good = next((night for night in reversed(nights) if _is_good(store, night)), None) if old else None
    return [night for night in old if night != last_good]


def _is_good(store: Store, night: str) -> bool:
    record = read_night(store, night)
    return record is not None and record["result"] in GOOD


def _specs(store: Store) -> tuple[dict[str, JobSpec], list[str]]:
    """The specs of all runs by their folder below runs/, and the paths of those that are not what they must be."""
    specs: dict[str, JobSpec] = {}
    unread = []
    nights = {run_name(night): night for night in list_nights(store)}
    for path in store.list("runs"):
        if path.endswith("/job.toml"):
            folder = str(PurePosixPath(path).parent.relative_to("runs"))
            try:
                specs[folder] = trained_spec(store, nights[folder]) if folder in nights else _spec(store, path, folder)
            except FileNotFoundError:
                continue
            except (SpecError, DamagedRecord):
                unread.append(path)
    return specs, unread


def _spec(store: Store, path: str, folder: str) -> JobSpec:
    """The spec of a run by its name, or of an earlier one of that name by its digest."""
    spec = parse_stored(store.get(path), path)
    names = (spec.name, f"{spec.name}/{PREVIOUS}/{spec.digest[:12]}")
    if folder not in names:
        raise SpecError(path, [f"it is the spec of run {spec.name}, digest {spec.digest[:12]}"])
    return spec


def _needs(specs: Iterable[JobSpec]) -> tuple[set[str], set[str]]:
    """Ids of the trials and folders of the datasets that specs ask for."""
    ids, folders = set(), set()
    for spec in specs:
        ids |= {trial.id for trial in trials(spec)}
        folders |= {dataset_folder(dataset) for dataset in spec.datasets}
    return ids, folders


def _packs(results: Results, old: set[str], kept: set[str]) -> list[str]:
    """Packs that hold trials of the old nights, and none that is kept or that nobody is known to want."""
    table = results.table
    mates = defaultdict(set)
    for trial, pack in zip(table["trial_id"].to_pylist(), table["pack"].to_pylist(), strict=True):
        mates[pack].add(trial)
    return sorted(f"trials/{pack}" for pack, ids in mates.items() if ids <= old and not ids & kept)


def warning_of(store: Store, plan: Pruning) -> str | None:
    """What is none of ours and stays, in words; None if there is nothing."""
    return staying(store, plan.stays, plan.held) if plan.stays else None


def text_of(store: Store, plan: Pruning, deleted: bool) -> str:
    """The plan in words."""
    if not plan.nights:
        return f"nothing to prune in {store.describe()}"
    kept = f"; no trials go, since {plan.unread[0]} is damaged: run its spec again, or delete it" if plan.unread else ""
    verb = "deleted" if deleted else "would delete"
    nights = counted(len(plan.nights), "night")
    nights += f", {plan.nights[0]}" + (f" to {plan.nights[-1]}" if len(plan.nights) > 1 else "")
    return (
        f"{verb} {nights}: {counted(len(plan.trials), 'file')} of trials, "
        f"{len(plan.datasets)} of datasets, {len(plan.records)} of summaries, {counted(plan.bytes, 'byte')}{kept}"
    )
