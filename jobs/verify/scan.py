"""A scan of the whole store: every unit of files is checked, in several threads, and damaged ones a second time.

A file that is being written at that moment isn't damage: it is complete by the second check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.champion import PATH as CHAMPION
from sumsquares.jobs.night.nights import folder_of, list_nights, run_name
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.stored import Results, read_trials
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.layout import AREAS, is_folder_of_ours, unit_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import StorageError, Store
from sumsquares.jobs.verify.damage import Damage, foreign, unreadable
from sumsquares.jobs.verify.datasets import check_dataset, extra_shards
from sumsquares.jobs.verify.nights import check_night, check_record
from sumsquares.jobs.verify.nights_page import check_page
from sumsquares.jobs.verify.packs import check_pack, check_state
from sumsquares.jobs.verify.references import References, collect
from sumsquares.jobs.verify.runs import check_run, check_running
from sumsquares.jobs.verify.snapshot import ReadProgress, Snapshot, TolerantStore, UnreadableFile
from sumsquares.jobs.verify.tables import check_table_record

Unit = tuple[str, str]
"""The kind and the name of files that are checked together."""
_CHECKS: dict[str, Callable[[Snapshot, str], list[Damage]]] = {
    "night": check_night,
    "run": check_run,
    "record": check_record,
    "page": check_page,
    "dataset": check_dataset,
    "table": check_table_record,
    "pack": check_pack,
    "state": check_state,
    "running": check_running,
}
"""Specs first: everything else follows from them."""
_THREADS = 8
_NO_FILE = "stands where a file of ours must be"
_NO_FOLDER = "a file stands where a folder must be"


@dataclass(frozen=True)
class Scan:
    """What a scan found."""

    snapshot: Snapshot
    files: int
    bytes: int
    damage: dict[Unit, list[Damage]]
    """By unit; undamaged units are left out."""
    foreign: tuple[str, ...]
    """Foreign files that aren't in the place of one of ours."""
    units: frozenset[Unit]
    """All units that were checked."""
    results: Results
    """All rows of trials."""


def scan(store: Store, say: Callable[[str], None]) -> Scan:
    """Checks everything and changes nothing. A file that can't be read is reported, and the scan continues."""
    # What exists, and which units must exist.
    store = TolerantStore(store.root)
    sizes, folders = _listing(store)
    units = {path: unit_of(path) for path in sizes}
    if AREAS & sizes.keys():  # files: nothing below them can be listed
        return _blocked(store, say, sizes)
    nights = [night for night in list_nights(store) if not {folder_of(night), _run_of(night)} & sizes.keys()]
    wanted = {unit for unit in units.values() if unit is not None} | _expected(nights)
    # The specs: they determine what everything else must be.
    results = read_trials(store)
    stored = frozenset(results.table["trial_id"].to_pylist())
    references = collect(store, {name for kind, name in wanted if kind == "run"}, nights, stored)
    snapshot = Snapshot(store, references, stored, ReadProgress(sum(sizes.values()), say))
    # Packs first: a trial in a damaged pack is not stored, which decides the remedies for runs and nights.
    damage = _damage(snapshot, {unit for unit in wanted if unit[0] == "pack"})
    snapshot = replace(snapshot, stored=stored - _lost(results, damage))
    damage = _damage(snapshot, {unit for unit in wanted if unit[0] != "pack"}) | damage
    damage |= {("doubled", each.path): [each] for each in _doubled(results)}
    damage |= {("place", each.path): [each] for each in _out_of_place(folders, units)}
    # What is left is foreign.
    others = [path for path, unit in units.items() if unit is None and ("place", path) not in damage]
    others += [path for kind, name in sorted(wanted) if kind == "dataset" for path in extra_shards(snapshot, name)]
    return Scan(
        snapshot, len(sizes), sum(sizes.values()), _each_once(damage), tuple(others), frozenset(wanted), results
    )


def _damage(snapshot: Snapshot, units: set[Unit]) -> dict[Unit, list[Damage]]:
    ordered = sorted(units, key=lambda unit: ([*_CHECKS].index(unit[0]), unit[1]))
    with ThreadPoolExecutor(_THREADS) as pool:
        first = list(pool.map(lambda unit: check(snapshot, unit), ordered))
    again = {unit: check(snapshot, unit) for unit, found in zip(ordered, first, strict=True) if found}
    return {unit: found for unit, found in again.items() if found}


def _lost(results: Results, damage: Mapping[Unit, object]) -> set[str]:
    """Returns the trials with readable rows in a damaged pack: repair removes them, or their models are lost."""
    packs = pa.array([name for _, name in damage], pa.string())
    rows = results.table.filter(pc.is_in(results.table["pack"], value_set=packs))
    return set(rows["trial_id"].to_pylist())


def _expected(nights: Sequence[str]) -> set[Unit]:
    """Returns the units that a store with these nights must have."""
    runs = {("run", _run_of(night)) for night in nights}
    return {("night", night) for night in nights} | runs | ({("record", CHAMPION)} if nights else set())


def _run_of(night: str) -> str:
    return run_folder(run_name(night))


def _blocked(store: Store, say: Callable[[str], None], sizes: Mapping[str, int]) -> Scan:
    """Returns the scan of a store in which a file is in the place of a top folder: only that is reported."""
    files = {path: sizes[path] for path in sorted(AREAS & sizes.keys())}
    damage = {("place", path): [foreign(path, _NO_FOLDER)] for path in files}
    snapshot = Snapshot(store, References(()), frozenset(), ReadProgress(0, say))
    results = Results(SCHEMA.empty_table(), ())
    return Scan(snapshot, len(files), sum(files.values()), damage, (), frozenset(), results)


def check(snapshot: Snapshot, unit: Unit) -> list[Damage]:
    """Returns what is wrong with one unit."""
    kind, name = unit
    try:
        found = _CHECKS[kind](snapshot, name)
        return [foreign(each.path) if _is_foreign(snapshot, each) else each for each in found]
    except ForeignFile as error:
        path = str(error).removeprefix(f"{snapshot.store.root}/").partition(": ")[0]
        reason = error.__cause__.strerror if isinstance(error.__cause__, OSError) else "something else"
        if isinstance(error, UnreadableFile):
            return [unreadable(path, str(reason))]
        return [foreign(path, f"{reason} {_NO_FILE}")]
    except StorageError as error:
        if isinstance(error.__cause__, NotADirectoryError):  # the file above it is named by itself
            return []
        raise


def is_checked(unit: Unit) -> bool:
    """Whether a unit can be checked by itself; a contradiction between two packs, or a misplaced folder, can't."""
    return unit[0] in _CHECKS


def _is_foreign(snapshot: Snapshot, damage: Damage) -> bool:
    """Whether repair would delete or overwrite something that isn't ours."""
    data = snapshot.get(damage.path) if damage.is_repairable else None
    if data is None or is_ours(damage.path, data):
        return False
    try:
        rewritten = damage.rewrites() if damage.rewrites is not None else {}
    except DataError:
        return True
    return not rewritten.get(damage.path, b"").startswith(data)  # a file that was cut off early may lack our marks


def _listing(store: Store) -> tuple[dict[str, int], list[str]]:
    """Lists all files with their sizes, and all folders. Links in the place of our folders are followed."""
    found, folders = store.sizes(), store.folders()
    linked = _links(found, folders)
    while linked:
        path = linked.pop()
        del found[path]
        inside, below = store.sizes(path), store.folders(path)
        found |= inside
        folders += below
        linked += _links(inside, below)
    return found, folders


def _links(found: Mapping[str, int], folders: Sequence[str]) -> list[str]:
    """Returns our folders that are listed as files too: a listing doesn't follow links."""
    return [path for path in folders if path in found and is_folder_of_ours(path)]


def _each_once(damage: Mapping[Unit, list[Damage]]) -> dict[Unit, list[Damage]]:
    """Keeps the first finding of each path, since two units may need the same file."""
    seen: set[str] = set()
    found = {}
    for unit, some in damage.items():
        new = [each for each in some if each.path not in seen]
        seen |= {each.path for each in new}
        if new:
            found[unit] = new
    return found


def _doubled(results: Results) -> list[Damage]:
    """Returns the trials that two packs have with different numbers."""
    found = []
    for problem in results.problems:
        if problem.kind == "doubled":
            reason, _, remedy = problem.message.removeprefix(f"{problem.path}: ").rpartition(": ")
            found.append(Damage(problem.path, "rows", reason, f"{remedy}, with its weights"))
    return found


def _out_of_place(folders: Sequence[str], units: Mapping[str, Unit | None]) -> list[Damage]:
    """Returns folders in the place of a file, and files in the place of a folder."""
    files = [path for path in units if is_folder_of_ours(path)]
    found = [foreign(path, f"a folder {_NO_FILE}") for path in folders if unit_of(path) is not None]
    return found + [foreign(path, _NO_FOLDER) for path in files]
