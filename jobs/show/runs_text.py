"""The table of the runs in a store, a line for each, fitted to the width of the terminal; and what the store takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from sumsquares.jobs.messages.numbers import number, size
from sumsquares.jobs.results.stored_runs import StoredRun
from sumsquares.jobs.show.tables import Column, fitting, table_of

_GIVE_WAY = ["files", "kind", "datasets", "variants", "trials", "best RMSE", "finished"]
"""Columns that give way on a narrow terminal, the first one first."""
_MOST_BEST = 3  # datasets whose best RMSE a line has
_AREAS = {
    "datasets": "datasets",
    "trials": "trials and their weights",
    "runs": "runs",
    "states": "checkpoints",
    "nightly": "nights",
    "tables": "what files held",
    "running": "commands at work",
}


@dataclass(frozen=True)
class Line:
    """What a line of the table says of a run, beside what is stored of it."""

    run: StoredRun
    kind: str
    state: str
    """That of the run, or running."""
    when: str
    """When it finished, or was begun."""
    is_recorded: bool
    """Whether its summary says when it finished; else it is when the file was written."""


def runs_table(lines: Sequence[Line], width: int) -> Iterator[Table | Text]:
    """Yields the table of these runs, and the notes on it."""
    names = Column("run", [line.run.name for line in lines])
    for most in range(_MOST_BEST, 0, -1):  # a dataset less in each line, rather than a column
        shown, left_out = fitting(_columns(lines, most), width - names.width - 2, _GIVE_WAY)
        if "best RMSE" not in left_out:
            break
    yield table_of([names], shown)
    if any(not line.is_recorded for line in lines) and "finished" not in left_out:
        yield Text("~ when its file was written: the run itself does not say", style="dim")
    if left_out:
        yield Text(f"not shown for want of width: {left_out}", style="dim")


def _columns(lines: Sequence[Line], most: int) -> list[Column]:
    """Returns the columns after the name, with the best RMSE of so many datasets."""
    return [
        Column("kind", [line.kind for line in lines]),
        Column("finished", [_when(line) for line in lines]),
        Column("state", [line.state for line in lines]),
        Column("datasets", [f"{len(line.run.datasets):,}" for line in lines]),
        Column("variants", [f"{line.run.variants:,}" for line in lines]),
        Column("trials", [_trials(line.run) for line in lines]),
        Column("best RMSE", [_best(line.run, most) for line in lines]),
        Column("files", [size(line.run.bytes) for line in lines]),
    ]


def disk_lines(areas: Mapping[str, int], free: int | None, has_damage: bool, command: str) -> Iterator[str]:
    """Yields what the store takes, by area; `free` is what `command` could free, None if that isn't known.

    `has_damage` says that a damaged spec is why.
    """
    yield f"{size(sum(areas.values()))} in the store:"
    yield from (f"  {_AREAS[area]:26} {size(areas[area]):>8}" for area in _AREAS if areas.get(area))
    if has_damage:
        yield f"what could be deleted isn't known, since a spec is damaged or missing: {command} names it"
    elif free is None:
        yield f"{command} shows what of it no run or night names"
    elif free:
        yield f"{size(free)} of it is named by no run or night and a week old: {command} shows it"


def _when(line: Line) -> str:
    if line.run.state == "unfinished":
        return "-"
    return ("" if line.is_recorded else "~") + line.when.replace("T", " ")[:16]


def _trials(run: StoredRun) -> str:
    """`36`, or how many of them ended how: `30 ok, 6 diverged`."""
    counts = run.trials
    if counts.get("ok") in (counts.get("total"), None):
        return f"{counts.get('total', 0):,}"
    fates = [f"{counts[key]:,} {key}" for key in ("ok", "diverged", "missing") if counts[key]]
    return ", ".join(fates)


def _best(run: StoredRun, most: int) -> str:
    """`sums 0.01234, squares 8.5`."""
    told = [f"{name} {number(rmse)}" for name, rmse in [*run.best.items()][:most]]
    more = len(run.best) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
