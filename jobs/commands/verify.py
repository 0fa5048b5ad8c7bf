"""What `sumsquares verify` does: checks, repairs with --repair, prints text or JSON, returns an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.storage.plain import readable
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed
from sumsquares.jobs.verify.damage import Damage
from sumsquares.jobs.verify.notes import notes_of
from sumsquares.jobs.verify.repair import repair
from sumsquares.jobs.verify.scan import Scan, scan

_SHOWN = 20
"""Maximum lines of one kind; --json has all."""


def verify(repairs: bool, shared: Shared) -> int:
    """Returns exit code 3 while damage remains, and 4 if there is none but files can't be read.

    Raises:
        UsageError: there is no store.

    """
    progress = shared.progress()
    with progress.doing("checking the store") as tell:
        found = scan(Store(shared.store), tell)
    _refuse_none(found)
    with progress.doing("repairing the store"):
        done, left = (
            repair(found, Clock()) if repairs else ([], [each for some in found.damage.values() for each in some])
        )
    results = read_trials(found.snapshot.store) if done else found.results
    notes = [*notes_of(found.snapshot, results, found.units, () if done else found.damage)]
    notes += [] if found.files else ["the folder is empty: there is nothing to verify yet"]
    if shared.json:
        sys.stdout.write(json.dumps(_facts(found, done, left, notes), indent=1) + "\n")
    else:
        sys.stdout.write(_text(found, done, left, notes) + "\n")
    if any(each.kind != "unreadable" for each in left):
        return exits.DATA
    return exits.STORAGE if left else exits.OK


def _refuse_none(found: Scan) -> None:
    """Raises UsageError if nothing is there: a mistyped --store must not be reported as undamaged."""
    store = found.snapshot.store
    if found.units or found.damage or (store.is_there() and not found.files):
        return
    holds = f"it holds {counted(found.files, 'file')}, none with a name of ours" if found.files else "nothing is there"
    raise exits.UsageError(f"there is no store at {store.root}: {holds}; give the store with --store")


def _facts(found: Scan, done: Sequence[Damage], left: Sequence[Damage], notes: list[str]) -> dict[str, Any]:
    return {
        "store": found.snapshot.store.root,
        "files": found.files,
        "bytes": found.bytes,
        "damaged": [each.facts() for each in left],
        "repaired": [each.facts() for each in done],
        "foreign": list(found.foreign),
        "notes": notes,
    }


def _text(found: Scan, done: Sequence[Damage], left: Sequence[Damage], notes: list[str]) -> str:
    where = found.snapshot.store.describe()
    command = typed(found.snapshot.store, "verify", "--repair")
    lines = _cut([f"repaired: {each.text(command, repaired=True)}" for each in done], "repaired files")
    lines += _cut([f"damaged: {each.text(command, repaired=False)}" for each in left], "damaged files")
    lines += _cut(
        [f"foreign: {readable(path)}: not one of our names, left as it is" for path in found.foreign],
        "foreign files",
    )
    lines += _cut([f"note: {note}" for note in notes], "notes")
    counts = [f"{counted(len(done), 'file')} repaired"] if done else []
    counts += [f"{counted(len(left), 'file')} damaged" if left else "no damage left" if done else "no damage"]
    read = f"{counted(found.files, 'file')} of {found.bytes:,} bytes"
    return "\n".join([*lines, f"{read} in {where}: {', '.join(counts)}"])


def _cut(lines: list[str], what: str) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"and {more:,} more {what}: --json names all"] if more > 0 else lines
