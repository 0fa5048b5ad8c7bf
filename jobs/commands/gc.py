"""What `sumsquares gc` does: shows or deletes what no spec in the store names."""

from __future__ import annotations

import time
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.messages.abbreviate import few
from sumsquares.jobs.messages.numbers import counted, size
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.lock import refuse_busy
from sumsquares.jobs.stages.running import GC, Running, busy, living
from sumsquares.jobs.storage.layout import is_folder_of_ours
from sumsquares.jobs.storage.plain import readable
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed
from sumsquares.jobs.verify.garbage import Garbage, Item, delete_garbage, plan_garbage

DAYS = 7.0
"""Age from which on something that no spec names is garbage."""


def gc(deletes: bool, days: float, shared: Shared) -> int:
    """Returns exit code 3 if a damaged spec hides what is needed, so that nothing is known to be garbage.

    Raises:
        UsageError: there is no store.
        BusyError: a command works in the store.

    """
    store = Store(shared.store)
    refuse_none(store)
    if deletes:
        plan, gone = _deleted(store, days)
    else:
        plan, gone = plan_garbage(store, days, time.time()), []
    if plan.foreign:
        names = few([readable(path) for path in plan.foreign], "more")
        shared.progress().warn(f"not ours, or behind a link, so it stays: {', '.join(names)}")
    for folder in plan.only_copies:
        shared.progress().warn(
            f"{folder}: no other copy is known of these rows of a table, whose file is gone: they stay"
        )
    for path in plan.unknown:
        shared.progress().warn(_unknown(store, path))
    shared.print(_facts(store, plan, gone, deletes), _text(store, plan, deletes, days))
    return exits.DATA if plan.unknown else exits.OK


def refuse_none(store: Store) -> None:
    """Raises UsageError if nothing is there: a mistyped --store must not be reported as empty."""
    if not store.is_there() and not store.list():
        raise exits.UsageError(f"there is no store at {store.root}: give the store with --store")


def _deleted(store: Store, days: float) -> tuple[Garbage, list[Item]]:
    """Deletes the garbage, and returns what was planned and what is gone."""
    refuse_busy(store, Clock())
    record, dead = living(store)
    if record is not None:
        raise busy(record)
    for path in dead:
        store.delete(path)
    gone: list[Item] = []
    running = Running(store, GC)
    try:
        running.begin()
        running.check_alone()
        plan = plan_garbage(store, days, time.time())
        for item in delete_garbage(store, plan, running.check_alone):
            gone.append(item)  # noqa: PERF402  what is gone is told when the rest isn't deleted
    except BusyError as error:
        raise BusyError(f"{error} ({counted(len(gone), 'item')} deleted before that)") from error
    finally:
        running.end()
    return plan, gone


def _unknown(store: Store, path: str) -> str:
    """Says that what a spec needs isn't known, and what to do."""
    kept = "is unknown and nothing is deleted but temporary files"
    if is_folder_of_ours(path):
        why = "a link, or no folder, so what the specs behind it need"
        return f"{readable(path)}: {why} {kept}: put the folder itself there"
    return f"{path}: damaged or missing, so what it needs {kept}: {typed(store, 'verify')} names the remedy"


def _facts(store: Store, plan: Garbage, gone: list[Item], deletes: bool) -> dict[str, Any]:
    return {
        "store": store.root,
        "deleted": deletes,
        "bytes": plan.bytes,
        "kinds": {kind: {"count": count, "bytes": total} for kind, (count, total) in plan.kinds.items()},
        "temporary_bytes": plan.temporary,
        "files": [path for item in (gone if deletes else plan.items) for path in item.paths],
        "younger": {"count": len(plan.young), "bytes": sum(item.bytes for item in plan.young)},
        "unknown": list(plan.unknown),
        "only_copies": list(plan.only_copies),
        "stays": list(plan.foreign),
    }


def _text(store: Store, plan: Garbage, deletes: bool, days: float) -> str:
    lines = [f"  {counted(count, kind):18} {size(total):>8}" for kind, (count, total) in plan.kinds.items()]
    lines += [f"  {'temporary files':18} {size(plan.temporary):>8}"] if plan.temporary else []
    if plan.young:
        total = size(sum(item.bytes for item in plan.young))
        lines.append(
            f"kept: {counted(len(plan.young), 'item')} of {total} that no spec names, younger than {days:g} days"
        )
    if not plan.bytes:
        is_all_named = not (plan.unknown or plan.young or plan.only_copies)
        why = ": all is named by a run, an earlier run or a night" if is_all_named else ""
        return "\n".join([f"nothing to delete{why}", *lines])
    if deletes:
        return "\n".join([f"deleted {size(plan.bytes)} that no run, earlier run or night names:", *lines])
    asked = () if days == DAYS else ("--days", f"{days:g}")
    how = f"dry run, nothing was deleted: {typed(store, 'gc', '--delete', *asked)} deletes it"
    return "\n".join([f"{size(plan.bytes)} that no run, earlier run or night names:", *lines, how])
