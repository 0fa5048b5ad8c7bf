"""What `sumsquares runs` does: lists the runs of a store, and what the store takes on the disk."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.commands.gc import DAYS, refuse_none
from sumsquares.jobs.commands.printing import console
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.messages.numbers import counted
from sumsquares.jobs.night.clock import stamp
from sumsquares.jobs.night.records import read_night
from sumsquares.jobs.results.stored_runs import NIGHT, StoredRun, kinds_of, stored_runs
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY
from sumsquares.jobs.show.runs_text import Line, disk_lines, runs_table
from sumsquares.jobs.stages.running import records
from sumsquares.jobs.storage.layout import AREAS
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed
from sumsquares.jobs.verify.garbage import plan_garbage

MOST_PLANNED = 200
"""Runs up to which it is told what gc could delete: that reads each spec, in 7 ms."""


def runs(shows_kept: bool, shows_nights: bool, shared: Shared) -> int:
    """Prints the runs of a store, the newest first."""
    store = Store(shared.store)
    refuse_none(store)
    sizes = {area: store.sizes(area) for area in sorted(AREAS)}
    lines = _lines(store, sizes["runs"])
    areas = {area: sum(files.values()) for area, files in sizes.items()}
    plan = plan_garbage(store, DAYS, time.time()) if len(lines) <= MOST_PLANNED else None
    free = None if plan is None or plan.unknown else plan.bytes
    if shared.json:
        shared.print({"runs": [_facts(line) for line in lines], "bytes": areas, "gc_bytes": free}, "")
        return exits.OK
    out = console()
    shown = [line for line in lines if (shows_kept or not line.run.is_kept) and (shows_nights or line.kind != "night")]
    for table in runs_table(shown, out.width) if shown else ():
        out.print(table)
    for text in [
        *_left_out(lines, shows_kept, shows_nights),
        "",
        *disk_lines(areas, free, bool(plan and plan.unknown), typed(store, "gc")),
    ]:
        out.print(text, soft_wrap=True, highlight=False, markup=False)
    return exits.OK


def _lines(store: Store, sizes: Mapping[str, int]) -> list[Line]:
    """Returns what the table says of each run, the newest first."""
    found = stored_runs(store, sizes)
    kinds, times = kinds_of(found), store.times("runs")
    at_work = {name for _, record in records(store) if record and record.is_alive for name in record.runs}
    lines = [_line(store, run, kinds[run.name.partition("@")[0]], times, at_work) for run in found]
    return sorted(lines, key=lambda line: (line.when, line.run.name), reverse=True)


def _line(store: Store, run: StoredRun, kind: str, times: Mapping[str, float], at_work: set[str]) -> Line:
    is_at_work = run.name in at_work
    if (finished := run.finished or _ended(store, run)) is not None:
        return Line(run, kind, "running" if is_at_work else run.state, finished, is_recorded=True)
    # An earlier version didn't record the time; the folder of an unfinished run has a spec alone.
    written = [times[path] for name in (SUMMARY, SPEC) if (path := f"{run.folder}/{name}") in times]
    when = stamp(written[0]) if written and written[0] < float("inf") else ""
    return Line(run, kind, "running" if is_at_work else run.state, when, is_recorded=run.state == "unfinished")


def _ended(store: Store, run: StoredRun) -> str | None:
    """Returns when the night of a run ended, as its record says."""
    night = read_night(store, run.name.removeprefix(NIGHT)) if run.is_of_night else None
    return night.ended if night else None


def _left_out(lines: Sequence[Line], shows_kept: bool, shows_nights: bool) -> list[str]:
    """Returns what is said of runs that are not listed."""
    nights = [line for line in lines if line.kind == "night" and not line.run.is_kept]
    kept = [line for line in lines if line.run.is_kept]
    told = [] if lines else ["no run yet"]
    if nights and not shows_nights:
        told.append(f"{counted(len(nights), 'run')} of nights, the newest {nights[0].run.name}: --nights lists them")
    if kept and not shows_kept:
        told.append(f"{counted(len(kept), 'earlier run')} kept beside those of the same name: --all lists them")
    return told


def _facts(line: Line) -> dict[str, Any]:
    run = line.run
    return {
        "name": run.name,
        "kind": line.kind,
        "state": line.state,
        "finished": None if run.state == "unfinished" else line.when or None,
        "finished_is_recorded": line.is_recorded and run.state != "unfinished",
        "datasets": list(run.datasets),
        "variants": run.variants,
        "trials": dict(run.trials),
        "best_rmse": dict(run.best),
        "bytes": run.bytes,
        "earlier": run.earlier,
    }
