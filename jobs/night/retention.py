"""Retention: which nights are kept, and which files are deleted with the others.

Trials and datasets are found by their content's ids, so several nights and runs may share them: they are deleted with
the last one that needs them. The plan is made first and can be shown; nothing is deleted while it is made.

A night is deleted in this order: its trials and datasets, its run with the spec that names them last, and its
night.json at the very end. A pruning that was interrupted is continued by the next night.

Which of their files may be deleted is for deletable.py: no foreign file, and none behind a link.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import PurePosixPath

from pydantic import BaseModel, TypeAdapter

from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.night.champion import read_champion
from sumsquares.jobs.night.deletable import Listing
from sumsquares.jobs.night.nights import date_of, list_nights, run_name
from sumsquares.jobs.night.records import GOOD, read_night, trained_spec
from sumsquares.jobs.results.stored import Results, read_trials
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.training_version import VERSIONS
from sumsquares.jobs.stages.needs import Needs, trials_of_packs
from sumsquares.jobs.stages.run_files import is_folder_of
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.layout import hidden_in, is_night, unit_of
from sumsquares.jobs.storage.store import Store

THROUGH = "nightly/pruned.json"
_CHECKED = 50  # files between two checks of the lock


class _Through(BaseModel):
    through: date


_SHAPE = TypeAdapter(_Through)


@dataclass(frozen=True)
class RetentionPolicy:
    """A night is deleted when it is beyond both limits."""

    nights: int = 30
    """Number of newest nights that are kept, at least one."""
    days: int = 30
    """Days for which nights are kept."""


@dataclass(frozen=True)
class Pruning:
    """What retention would delete."""

    nights: tuple[str, ...]
    trials: tuple[str, ...] = ()
    """Files of packs, each one's .parquet last: while it exists the pack is found."""
    datasets: tuple[str, ...] = ()
    """Files of datasets, the manifest first."""
    records: tuple[str, ...] = ()
    """Files of the nights and their runs, night.json last."""
    bytes: int = 0
    """Of all files."""
    unreadable: tuple[str, ...] = ()
    """Specs of runs that are damaged, missing or behind a link. They may need anything, so no trials and no datasets
    are deleted."""
    foreign: tuple[str, ...] = ()
    """Files in the place of such files that are not ours, or behind a link: they stay."""
    retained: tuple[str, ...] = ()
    """Old nights that stay with all they need, since one of their own files is foreign."""

    @property
    def files(self) -> tuple[str, ...]:
        """All files, in the order in which they are deleted."""
        return self.trials + self.datasets + self.records


def plan_pruning(
    store: Store,
    policy: RetentionPolicy,
    today: date,
    running: str | None = None,
    read: Callable[[Store], Results] = read_trials,
) -> Pruning:
    """Plans what is deleted: nights beyond count and age.

    The last two champions, the last good night and the running one are kept at any age.
    """
    expired = _expired(store, policy, today, running)
    if not expired:
        return Pruning(())

    # A night with a foreign file among its own is retained as a whole.
    listing = Listing(store)
    of_nights = {night: listing.of_night(night) for night in expired}
    retained = [night for night in expired if of_nights[night].is_retained]
    nights = [night for night in expired if night not in retained]
    records = [path for night in nights for path in of_nights[night].deletable]
    foreign = [path for files in of_nights.values() for path in files.foreign]

    # What other runs and nights need is known only if all their specs are readable.
    specs, unreadable = _specs(store)
    packs: list[str] = []
    datasets: list[str] = []
    if nights and not unreadable:
        pruned = {run_name(night) for night in nights}
        old = _needs({run: spec for run, spec in specs.items() if run.split("/")[0] in pruned})
        kept = _needs({run: spec for run, spec in specs.items() if run.split("/")[0] not in pruned})
        results = read(store)
        damaged = {problem.path.removesuffix(".parquet") for problem in results.problems}
        of_packs = listing.of_packs(_packs(results, old.trials - kept.trials, kept.trials), damaged)
        of_datasets = [listing.of_dataset(folder) for folder in sorted(old.datasets - kept.datasets)]
        packs = of_packs.deletable
        datasets = [path for files in of_datasets for path in files.deletable]
        foreign += [*of_packs.foreign, *(path for files in of_datasets for path in files.foreign)]

    return Pruning(
        nights=tuple(nights),
        trials=tuple(packs),
        datasets=tuple(datasets),
        records=tuple(records),
        bytes=sum(listing.sizes.get(path, 0) for path in [*packs, *datasets, *records]),
        unreadable=tuple(unreadable),
        foreign=tuple(foreign),
        retained=tuple(retained),
    )


def prune(store: Store, plan: Pruning, check: Callable[[], None]) -> None:
    """Deletes what the plan says, and records up to which date, so that these nights don't count as missing.

    `check` is called now and then and raises if the lock was lost, since a night may have begun that needs these files.
    A rollback may have made one of these nights the champion: that stops the pruning too.
    """
    _check(store, plan, check)
    if plan.nights:
        through = max(date_of(plan.nights[-1]), pruned_through(store) or date.min)
        store.put(THROUGH, seal({"format": 1, "through": through.isoformat()}))
    for number, path in enumerate(plan.files):
        if number % _CHECKED == 0:
            _check(store, plan, check)
        store.delete(path)


def pruned_through(store: Store) -> date | None:
    """Returns the latest date of which a night was deleted, or None."""
    try:
        return read_through(store.get(THROUGH))
    except (FileNotFoundError, DamagedRecord):
        return None


def read_through(data: bytes) -> date:
    """Returns the date in a pruned.json; DamagedRecord if it is not what was written."""
    return unseal(data, THROUGH, "", _SHAPE).through


def _check(store: Store, plan: Pruning, check: Callable[[], None]) -> None:
    check()
    champion, _ = read_champion(store)
    if champion is not None and champion.night in plan.nights:
        raise BusyError(f"night {champion.night} has become the champion meanwhile: what it lost is trained again")


def _expired(store: Store, policy: RetentionPolicy, today: date, running: str | None) -> list[str]:
    nights = list_nights(store)
    champion, _ = read_champion(store)
    protected = {running, *(champion.lineage[-2:] if champion else ()), *nights[-policy.nights :]}
    oldest = today - timedelta(days=policy.days)
    old = [night for night in nights if night not in protected and date_of(night) <= oldest]
    last_good = next((night for night in reversed(nights) if _is_good(store, night)), None) if old else None
    return [night for night in old if night != last_good]


def _is_good(store: Store, night: str) -> bool:
    record = read_night(store, night)
    return record is not None and record.result in GOOD


def _specs(store: Store) -> tuple[dict[str, JobSpec], list[str]]:
    """Returns the specs of all runs by their folder below runs/, and the paths of those that can't be read."""
    specs: dict[str, JobSpec] = {}
    nights = {run_name(night): night for night in list_nights(store)}
    sizes = store.sizes("runs")
    unreadable = [*hidden_in(sizes), *_without_spec(sizes, nights)]
    for path in sizes:
        if path.endswith("/job.toml"):
            folder = str(PurePosixPath(path).parent.relative_to("runs"))
            try:
                specs[folder] = trained_spec(store, nights[folder]) if folder in nights else _spec(store, path, folder)
            except FileNotFoundError:
                continue
            except (SpecError, DamagedRecord):
                unreadable.append(path)
    return specs, unreadable


def _without_spec(sizes: Mapping[str, int], nights: Collection[str]) -> list[str]:
    """Returns the paths of the specs that are missing beside other files of a run; of a night its own spec tells."""
    folders = {unit[1] for path in sizes if (unit := unit_of(path)) is not None}
    of_nights = {f"runs/{run}" for run in nights}
    return sorted(f"{folder}/job.toml" for folder in folders - of_nights if f"{folder}/job.toml" not in sizes)


def _spec(store: Store, path: str, folder: str) -> JobSpec:
    """Returns the spec of a run by its name, or of an earlier run of that name by its digest."""
    spec = parse_stored(store.get(path), path)
    if not is_folder_of(spec, f"runs/{folder}"):
        raise SpecError(path, [f"it is the spec of run {spec.name}, digest {spec.digest[:12]}"])
    return spec


def _needs(specs: Mapping[str, JobSpec]) -> Needs:
    """Returns the needs of specs by their folder below runs/.

    A night's trials are of one training version. A run's may be of several: it may have been started again.
    """
    needs = Needs()
    for folder, spec in specs.items():
        is_of_night = is_night(folder.removeprefix(run_name("")))
        needs.add(spec, (spec.training_version,) if is_of_night else VERSIONS)
    return needs


def _packs(results: Results, old: set[str], kept: set[str]) -> list[str]:
    """Returns the packs that hold trials of old nights, and none that is kept or that no known spec names."""
    return sorted(f"trials/{pack}" for pack, ids in trials_of_packs(results).items() if ids <= old and not ids & kept)
