"""Which files of a store may be deleted: those with names of ours and content of ours, none behind a link.

A link in the place of datasets/, tables/, trials/, states/, runs/ or nightly/ is followed, since a store may lie on
several disks. Below them a link may lead anywhere: what it leads to is read, never deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from sumsquares.datasets.errors import DamagedManifest
from sumsquares.datasets.manifest import from_json
from sumsquares.datasets.tables.shards import from_json as of_table
from sumsquares.jobs.night.nights import folder_of, run_name
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.layout import AREAS, is_of_kept_run, unit_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store

_READERS = 16  # threads; an object store answers in 10 to 100 ms
_MOST_OF_SHARD = 1 << 30


@dataclass(frozen=True)
class Files:
    """Files in one place, as far as deletion is concerned."""

    deletable: list[str]
    """In the order in which they are deleted."""
    foreign: list[str]
    """Those that stay: not ours, or behind a link."""
    is_retained: bool = False
    """Whether nothing may be deleted because of them."""


class Listing:
    """The files of a store as they were listed once, by the folder of their unit, such as runs/<name>."""

    def __init__(self, store: Store) -> None:
        self.sizes = {path: size for area in sorted(AREAS) for path, size in store.sizes(area).items()}
        self._store = store
        self._folders = defaultdict(list)
        for path in self.sizes:
            self._folders["/".join(path.split("/")[:2])].append(path)

    def of_night(self, night: str) -> Files:
        """Returns a night's files and its run's.

        It is retained if one of its folders is a link, or a file under one of our names is not ours. The spec of its
        run is deleted after the rest of the run, since it says which trials are the night's, and its night.json last.
        """
        run, own = run_folder(run_name(night)), folder_of(night)
        found = [*self._folders[run], *self._folders[own]]
        named = [path for path in found if unit_of(path) is not None]
        wrong = [path for path in found if path in (run, own)] + self._foreign(named)
        if wrong:
            return Files([], wrong, is_retained=True)
        order = {f"{run}/job.toml": 1, f"{own}/night.json": 3}
        deletable = sorted(named, key=lambda path: (order.get(path, 2 if path.startswith(own) else 0), path))
        return Files(deletable, [path for path in found if path not in named])

    def of_run(self, folder: str) -> Files:
        """Returns the files of a run, or of an earlier one that is kept, the summary first: it makes the others valid.

        The spec is deleted last: while it is there, it names what the run needs.
        """
        found = [path for path in self._folders["/".join(folder.split("/")[:2])] if path.startswith(f"{folder}/")]
        if folder in self.sizes:  # a link, or a file in the place of the folder
            return Files([], [folder], is_retained=True)
        inner = [path for path in found if is_of_kept_run(path) == is_of_kept_run(f"{folder}/")]
        named = [path for path in inner if unit_of(path) == ("run", folder)]
        foreign = self._foreign(named)
        order = {f"{folder}/{SUMMARY}": 0, f"{folder}/{SPEC}": 2}
        deletable = sorted({*named} - {*foreign}, key=lambda path: (order.get(path, 1), path))
        return Files(deletable, [path for path in inner if path not in deletable])

    def of_dataset(self, folder: str) -> Files:
        """Returns a dataset's files, the manifest first."""
        manifest, found = f"{folder}/manifest.json", self._folders[folder]
        named = [path for path in found if unit_of(path) is not None]
        promised = self._promised(manifest)
        foreign = self._foreign(path for path in named if promised.get(path) != self.sizes[path])
        deletable = sorted({*named} - {*foreign}, key=lambda path: (path != manifest, path))
        return Files(deletable, [path for path in found if path not in deletable])

    def of_packs(self, packs: Sequence[str], damaged: set[str]) -> Files:
        """Returns the files of packs whose rows are ours, each one's .parquet last. Foreign weights stay."""
        files = [path for pack in packs for path in (f"{pack}.safetensors", f"{pack}.parquet") if path in self.sizes]
        foreign = self._foreign(path for path in files if path.removesuffix(".safetensors") in damaged)
        return Files([path for path in files if path not in foreign], foreign)

    def _promised(self, manifest: str) -> Mapping[str, int]:
        """Returns the sizes that a dataset's manifest names, by path: files of these sizes needn't be opened."""
        with suppress(FileNotFoundError, ForeignFile):
            data, folder = self._store.get(manifest), manifest.removesuffix("/manifest.json")
            with suppress(DamagedManifest):
                splits = from_json(data, manifest).splits.values()
                return {f"{folder}/{entry.path}": entry.bytes for split in splits for entry in split.shards}
            with suppress(DamagedManifest):
                return {f"{folder}/{entry.path}": entry.bytes for entry in of_table(data, manifest).shards}
        return {}

    def _foreign(self, paths: Iterable[str]) -> list[str]:
        """Returns the files that are not ours, neither intact nor damaged."""
        paths = [*paths]
        with ThreadPoolExecutor(_READERS) as pool:
            are_ours = [*pool.map(partial(_is_ours, self._store), paths)]
        return [path for path, is_own in zip(paths, are_ours, strict=True) if not is_own]


def _is_ours(store: Store, path: str) -> bool:
    """Whether its bytes are ours, or it no longer exists."""
    try:
        return is_ours(path, store.get(path, _MOST_OF_SHARD if path.startswith("datasets/") else None))
    except FileNotFoundError:
        return True
    except ForeignFile:
        return False
