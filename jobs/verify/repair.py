"""Repair: deletes or rewrites what follows from specs and seeds, under the lock of the nights; never a foreign file.

Runs hold no lock. So each unit is checked again just before its repair, under the same file lock that publishing a run
takes, and only what is still damaged is touched. A pack that a run commits at that moment may be deleted: it is then
trained once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.lock import Lock, holding
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.verify.damage import Damage
from sumsquares.jobs.verify.scan import Scan, Unit, check, is_checked, scan


def repair(found: Scan, clock: Clock) -> tuple[list[Damage], list[Damage]]:
    """Returns what was repaired, and what remains.

    Raises:
        BusyError: a night runs.

    """
    every = [damage for each in found.damage.values() for damage in each]
    if any(damage.kind == "lock" for damage in every) or not any(damage.is_repairable for damage in every):
        return [], every
    with holding(found.snapshot.store, "repair", clock) as lock:
        done, left = _repair_all(found, lock)
        if done and left:  # restored specs may show how to repair the rest
            more, left = _repair_all(scan(found.snapshot.store, found.snapshot.meter.say), lock)
            done += more
    remains = {damage.path for damage in left}
    return _once([damage for damage in done if damage.path not in remains]), _once(left)


def _once(damage: Sequence[Damage]) -> list[Damage]:
    """Keeps the last finding of each path."""
    return [*{each.path: each for each in damage}.values()]


def _repair_all(found: Scan, lock: Lock) -> tuple[list[Damage], list[Damage]]:
    done: list[Damage] = []
    left: list[Damage] = []
    for unit in found.damage:
        lock.check()
        repaired, remaining = _repair_unit(found, unit)
        done += repaired
        left += remaining
    return done, left


def _repair_unit(found: Scan, unit: Unit) -> tuple[list[Damage], list[Damage]]:
    """Returns what was repaired, and what is still wrong at one more check."""
    if not is_checked(unit):
        return [], found.damage[unit]
    store = found.snapshot.store
    run = "/".join(unit[1].split("/")[:2])  # an earlier run is locked by its name, too
    with store.turn(f"{run}/{SUMMARY}") if unit[0] == "run" else nullcontext():
        # Specs first: while the spec is damaged nothing that follows from it may be deleted.
        specs, _ = _apply_all(store, [each for each in check(found.snapshot, unit) if each.kind == "spec"])
        again = check(found.snapshot, unit)
        is_blocked = any(each.kind == "spec" or each.path.endswith(f"/{SPEC}") for each in again)
        rest, failed = _apply_all(store, [each for each in again if not (is_blocked and each.deletes)])
        left = check(found.snapshot, unit) if rest else again
    return [*specs, *rest], [failed.get(each.path, each) for each in left]


def _apply_all(store: Store, damage: Sequence[Damage]) -> tuple[list[Damage], dict[str, Damage]]:
    """Returns what was repaired, and by path what can't be, because something else is damaged too."""
    done: list[Damage] = []
    failed: dict[str, Damage] = {}
    for each in damage:
        try:
            done += [each] if _apply(store, each) else []
        except DataError as error:
            failed[each.path] = each.manual(str(error))
    return done, failed


def _apply(store: Store, damage: Damage) -> bool:
    """Repairs one file, and returns whether anything was done. New content is made before anything is deleted."""
    files = damage.rewrites() if damage.rewrites is not None else {}
    for path in damage.deletes:
        store.delete(path)
    for path, data in files.items():
        if not _is_foreign(store, path, data):
            store.put(path, data)
    return damage.is_repairable


def _is_foreign(store: Store, path: str, data: bytes) -> bool:
    """Whether something foreign is where `data` should be written; a check of its own reports it."""
    try:
        there = store.get(path)
        return not is_ours(path, there) and not data.startswith(there)
    except FileNotFoundError:
        return False
    except ForeignFile:
        return True
