"""Garbage: packs, checkpoints, datasets and records of tables that no spec in the store names, and that are old.

The plan is made first and can be shown. Deleting begins only when no other command works in the store, and stops as
soon as one does (jobs/stages/running.py): it may need an old pack that no stored spec names yet. What is left is
complete at any moment: of a pack the rows go first, of a dataset the manifest, without which the rest doesn't count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.deletable import Listing
from sumsquares.jobs.pipeline.runtime import SWEPT
from sumsquares.jobs.results.pack_files import ids_inside, pack_id_of
from sumsquares.jobs.results.stored import Results, read_trials
from sumsquares.jobs.stages.checkpoints import checkpoint_path, checkpointed_packs
from sumsquares.jobs.stages.needs import Needs, trials_of_packs
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.verify.needed import needed

DAY = 86_400.0
AREAS = {"pack": "trials", "checkpoint": "states", "dataset": "datasets", "table": "tables"}
"""Top folder of each kind of garbage."""


@dataclass(frozen=True)
class Item:
    """Files that are deleted together."""

    kind: str
    """pack, checkpoint, dataset or table."""
    name: str
    paths: tuple[str, ...]
    """In the order in which they are deleted."""
    bytes: int
    written: float
    """When the last of them was written, in seconds since 1970."""


@dataclass(frozen=True)
class Garbage:
    """What may be deleted."""

    items: tuple[Item, ...]
    young: tuple[Item, ...]
    """What no spec names either, but isn't old enough."""
    unknown: tuple[str, ...]
    """Specs that are damaged, missing or behind a link. They may need anything, so that nothing is deleted but
    temporary files."""
    foreign: tuple[str, ...]
    """Files beside them that aren't ours, or under one of our names: they stay."""
    only_copies: tuple[str, ...]
    """Datasets with the rows of tables whose files are gone: nothing brings them back, so they stay."""
    temporary: int
    """Bytes of what killed processes left behind."""

    @property
    def bytes(self) -> int:
        """Bytes of all that may be deleted."""
        return self.temporary + sum(item.bytes for item in self.items)

    @property
    def kinds(self) -> dict[str, tuple[int, int]]:
        """Number and bytes of the items of each kind."""
        groups = groupby(self.items, lambda item: item.kind)
        return {kind: (len(some), sum(item.bytes for item in some)) for kind, some in ((k, [*g]) for k, g in groups)}


def plan_garbage(store: Store, days: float, now: float, results: Results | None = None) -> Garbage:
    """Plans what is deleted; `now` is the time in seconds since 1970, `results` are those of `read_trials`."""
    listing = Listing(store)
    known = needed(store, listing.sizes)
    temporary = store.sweep(SWEPT, turns=("runs",), deletes=False)
    strange = [path for path in listing.sizes if path.split("/")[0] in AREAS.values() and unit_of(path) is None]
    if known.unknown:
        return Garbage((), (), tuple(known.unknown), tuple(strange), (), temporary)
    finder = _Finder(store, listing, known.needs, read_trials(store) if results is None else results)
    found = [*finder.packs(), *finder.checkpoints(), *finder.datasets(), *finder.tables()]
    is_old = [now - item.written >= days * DAY or not days for item in found]
    return Garbage(
        tuple(item for item, old in zip(found, is_old, strict=True) if old),
        tuple(item for item, old in zip(found, is_old, strict=True) if not old),
        (),
        tuple(sorted({*strange, *finder.foreign})),
        tuple(finder.only_copies),
        temporary,
    )


def delete_garbage(store: Store, plan: Garbage, check: Callable[[], None]) -> Iterator[Item]:
    """Deletes what the plan says, and yields what is gone; `check` is called before each item.

    Raises:
        BusyError: by `check`, if another command works in the store by now. What is gone is complete.

    """
    check()
    store.sweep(SWEPT, turns=("runs",))
    for item in plan.items:
        check()
        for path in item.paths:
            store.delete(path)
        if item.kind == "dataset":
            store.remove_empty(item.name)
        yield item


class _Finder:
    """Finds what no spec names, kind by kind."""

    def __init__(self, store: Store, listing: Listing, needs: Needs, results: Results) -> None:
        self._store, self._listing, self._needs, self._results = store, listing, needs, results
        self._times = {path: time for area in AREAS.values() for path, time in store.times(area).items()}
        self.foreign: list[str] = []
        self.only_copies: list[str] = []
        self._tables = TableReader(store)
        self._lost = {f"datasets/{content}" for content in self._tables.without_file()}

    def packs(self) -> Iterator[Item]:
        """Packs of which no trial is needed, those without rows included: a deletion may have been interrupted."""
        unneeded = [pack for pack, ids in trials_of_packs(self._results).items() if not ids & self._needs.trials]
        damaged = {problem.path.removesuffix(".parquet") for problem in self._results.problems}
        files = self._listing.of_packs([f"trials/{pack}" for pack in sorted(unneeded)], damaged)
        self.foreign += files.foreign
        rows_first = sorted([*files.deletable, *self._lone_weights()])
        for name, paths in groupby(rows_first, lambda path: path.rpartition(".")[0]):
            yield self._item("pack", name, [*paths])

    def checkpoints(self) -> Iterator[Item]:
        """Checkpoints of packs of which no trial is needed, or all are trained."""
        stored = set(self._results.table["trial_id"].to_pylist())
        for ids, _ in checkpointed_packs(self._store):
            if self._needs.trials.isdisjoint(ids) or stored.issuperset(ids):
                path = checkpoint_path(pack_id_of(ids))
                yield self._item("checkpoint", path, [path])

    def datasets(self) -> Iterator[Item]:
        """Datasets that no spec names, but for rows that nothing would bring back."""
        units = {unit for path in self._listing.sizes if (unit := unit_of(path)) is not None}
        folders = {f"datasets/{name}" for kind, name in units if kind == "dataset"}
        unneeded = folders - self._needs.datasets
        whole = {folder for folder in unneeded & self._lost if f"{folder}/manifest.json" in self._listing.sizes}
        self.only_copies += sorted(whole)
        for folder in sorted(unneeded - whole):
            files = self._listing.of_dataset(folder)
            self.foreign += files.foreign
            if files.deletable:
                yield self._item("dataset", folder, files.deletable)

    def tables(self) -> Iterator[Item]:
        """Records of tables that no spec names, and of which the store keeps no rows."""
        kept = {*self._needs.datasets, *self.only_copies}
        for path, table in self._tables.records():
            if f"datasets/{table.content}" not in kept:
                yield self._item("table", path, [path])

    def _lone_weights(self) -> Iterator[str]:
        """Yields weights without rows, if no trial in them is needed."""
        for path in self._listing.sizes:
            kind_and_pack = unit_of(path)
            if path.endswith(".safetensors") and kind_and_pack is not None and not self._has_rows(path):
                ids = _ids_in(self._store, path)
                if pack_id_of(ids) == kind_and_pack[1] and self._needs.trials.isdisjoint(ids):
                    yield path

    def _has_rows(self, weights: str) -> bool:
        return f"{weights.removesuffix('.safetensors')}.parquet" in self._listing.sizes

    def _item(self, kind: str, name: str, paths: Sequence[str]) -> Item:
        size = sum(self._listing.sizes.get(path, 0) for path in paths)
        # A file whose time isn't known counts as written just now.
        return Item(kind, name, tuple(paths), size, max(self._times.get(path, math.inf) for path in paths))


def _ids_in(store: Store, path: str) -> list[str]:
    try:
        return ids_inside(store.get(path))
    except (FileNotFoundError, ForeignFile, DataError):
        return []
