"""Repair: deletes or writes anew what follows from specs and seeds, under the lock of the nights. Nothing foreign goes.

Runs hold no lock. So each unit is checked again right before, in the turn of those who publish a run, and only what is
still damaged then is touched. A pack that a run commits in that very moment may be deleted: it is trained once more.
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
from sumsquares.jobs.verify.look import Look, Unit, check, is_checked, look


def repair(found: Look, clock: Clock) -> tuple[list[Damage], list[Damage]]:
    """What was repaired, and what remains.

    Raises:
        BusyError: a night runs.

    """
    every = [damage for each in found.damage.values() for damage in each]
    if any(damage.kind == "lock" for damage in every) or not any(damage.is_mended for damage in every):
        return [], every
    with holding(found.world.store, "repair", clock) as lock:
        done, left = _repair_all(found, lock)
        if done and left:  # specs that were written anew may say more of the rest
            more, left = _repair_all(look(found.world.store, found.world.meter.say), lock)
            done += more
    remains = {damage.path for damage in left}
    return _once([damage for damage in done if damage.path not in remains]), _once(left)


def _once(damage: Sequence[Damage]) -> list[Damage]:
    """Of each path the last word."""
    return [*{each.path: each for each in damage}.values()]


def _repair_all(found: Look, lock: Lock) -> tuple[list[Damage], list[Damage]]:
    done: list[Damage] = []
    left: list[Damage] = []
    for unit in found.damage:
        lock.check()
        repaired, remaining = _repair_unit(found, unit)
        done += repaired
        left += remaining
    return done, left


def _repair_unit(found: Look, unit: Unit) -> tuple[list[Damage], list[Damage]]:
    """What was repaired, and what is still wrong when it is checked once more."""
    if not is_checked(unit):
        return [], found.damage[unit]
    store = found.world.store
    run = "/".join(unit[1].split("/")[:2])  # an earlier one is written in the turn of its name, too
    with store.turn(f"{run}/{SUMMARY}") if unit[0] == "run" else nullcontext():
        specs, _ = _apply_all(store, [each for each in check(found.world, unit) if each.kind == "spec"])
        again = check(found.world, unit)
        is_blocked = any(each.kind == "spec" or each.path.endswith(f"/{SPEC}") for each in again)
        rest, failed = _apply_all(store, [each for each in again if not (is_blocked and each.deletes)])
        left = check(found.world, unit) if rest else again
    return [*specs, *rest], [failed.get(each.path, each) for each in left]


def _apply_all(store: Store, damage: Sequence[Damage]) -> tuple[list[Damage], dict[str, Damage]]:
    """What was repaired, and by path what can't be made anew, as something else is damaged too."""
    done: list[Damage] = []
    failed: dict[str, Damage] = {}
    for each in damage:
        try:
            done += [each] if _apply(store, each) else []
        except DataError as error:
            failed[each.path] = each.by_hand(str(error))
    return done, failed


def _apply(store: Store, damage: Damage) -> bool:
    """Whether it was repaired. What is made anew is made before anything is touched."""
    files = damage.anew() if damage.anew is not None else {}
    for path in damage.deletes:
        store.delete(path)
    for path, data in files.items():
        if not _is_in_the_way(store, path, data):
            store.put(path, data)
    return damage.is_mended


def _is_in_the_way(store: Store, path: str, anew: bytes) -> bool:
    """Whether something foreign is there, of which a check of its own has told."""
    try:
        there = store.get(path)
        return not is_ours(path, there) and not anew.startswith(there)
    except FileNotFoundError:
        return False
    except ForeignFile:
        return True
