"""What may go with an old night: files with names that we give and content of ours, none behind a link.

A link in the place of datasets/, trials/, states/, runs/ or nightly/ is followed, since a store may lie on several
disks. Below them it may lead to anything: what it leads to is read, never deleted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from sumsquares.datasets.errors import DamagedManifest
from sumsquares.datasets.manifest import from_json
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.night.nights import folder_of, run_name
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.layout import AREAS, unit_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile, readable
from sumsquares.jobs.storage.store import Store

_READERS = 16  # threads; an object store answers in 10 to 100 ms
_MOST_OF_SHARD = 1 << 30


class Found:
    """The files of a store as they were listed once, by the folder of their unit, such as runs/<name>."""

    def __init__(self, store: Store) -> None:
        self.sizes = {path: size for area in sorted(AREAS) for path, size in store.sizes(area).items()}
        self._store = store
        self._folders = defaultdict(list)
        for path in self.sizes:
            self._folders["/".join(path.split("/")[:2])].append(path)

    def of_night(self, night: str) -> tuple[list[str], list[str], bool]:
        """Its files and its run's that may go, what stays in its folders, and whether it has to stay as a whole.

        It stays where one of its folders is a link, or a file under one of our names is none of ours. The spec of its
        run goes after the rest of the run, since it says which trials are the night's, and its night.json last.
        """
        run, own = run_folder(run_name(night)), folder_of(night)
        found = [*self._folders[run], *self._folders[own]]
        named = [path for path in found if unit_of(path) is not None]
        wrong = [path for path in found if path in (run, own)] + self._foreign(named)
        if wrong:
            return [], wrong, True
        order = {f"{run}/job.toml": 1, f"{own}/night.json": 3}
        going = sorted(named, key=lambda path: (order.get(path, 2 if path.startswith(own) else 0), path))
        return going, [path for path in found if path not in named], False

    def of_dataset(self, folder: str) -> tuple[list[str], list[str]]:
        """Its files that may go, the manifest first, and what stays."""
        manifest, found = f"{folder}/manifest.json", self._folders[folder]
        named = [path for path in found if unit_of(path) is not None]
        promised = self._promised(manifest)
        foreign = self._foreign(path for path in named if promised.get(path) != self.sizes[path])
        going = sorted({*named} - {*foreign}, key=lambda path: (path != manifest, path))
        return going, [path for path in found if path not in going]

    def of_packs(self, packs: Sequence[str], doubtful: set[str]) -> tuple[list[str], list[str]]:
        """Files of packs whose rows are ours, each one's .parquet last, and weights that are not: they stay."""
        files = [path for pack in packs for path in (f"{pack}.safetensors", f"{pack}.parquet") if path in self.sizes]
        foreign = self._foreign(path for path in files if path.removesuffix(".safetensors") in doubtful)
        return [path for path in files if path not in foreign], foreign

    def _promised(self, manifest: str) -> Mapping[str, int]:
        """The sizes that a dataset's manifest names, by path: files of these sizes need no look."""
        with suppress(FileNotFoundError, ForeignFile, DamagedManifest):
            splits = from_json(self._store.get(manifest), manifest).splits.values()
            folder = manifest.removesuffix("/manifest.json")
            return {f"{folder}/{entry.path}": entry.bytes for split in splits for entry in split.shards}
        return {}

    def _foreign(self, paths: Iterable[str]) -> list[str]:
        """Those that are no file of ours, whole or damaged."""
        paths = [*paths]
        with ThreadPoolExecutor(_READERS) as pool:
            are_ours = [*pool.map(partial(_is_ours, self._store), paths)]
        return [path for path, is_own in zip(paths, are_ours, strict=True) if not is_own]


def _is_ours(store: Store, path: str) -> bool:
    """Whether its bytes are ours, or it is gone."""
    try:
        return is_ours(path, store.get(path, _MOST_OF_SHARD if path.startswith("datasets/") else None))
    except FileNotFoundError:
        return True
    except ForeignFile:
        return False


def staying(store: Store, paths: Sequence[str], held: Sequence[str]) -> str:
    """What is left and why, in words."""
    nights = f" and night {few_names(held)} as a whole" if held else ""
    files = counted(len(paths), "file")
    return (
        f"among old nights, {files} of somebody else's or behind a link{nights} will not be deleted: "
        f"{few_names([readable(path) for path in paths])}; move what is yours out of {store.describe()}"
    )
