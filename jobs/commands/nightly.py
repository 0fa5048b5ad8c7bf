"""What `sumsquares nightly` does. Each command makes its calls, prints for people or as JSON, returns an exit code."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from sumsquares.datasets.tables.errors import TableMissing
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import stamps
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs import exits
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.night.champion import accept, rollback
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.context import NightContext, Options
from sumsquares.jobs.night.lock import holding, unlock
from sumsquares.jobs.night.nightly import Outcome
from sumsquares.jobs.night.nights import Night
from sumsquares.jobs.night.page import write_page
from sumsquares.jobs.night.pruned import pruning_text, pruning_warning
from sumsquares.jobs.night.records import NightRecord
from sumsquares.jobs.night.retention import RetentionPolicy, plan_pruning, prune
from sumsquares.jobs.night.status import status_facts, status_text
from sumsquares.jobs.night.watched import never_began, run_watched
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.spec.job_spec import JobSpec, load_spec
from sumsquares.jobs.spec.seal_line import is_sealed
from sumsquares.jobs.stages.placement import Placement
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.plain import read_plain
from sumsquares.jobs.storage.store import Store

LONGEST = 366
"""Most nights that one command runs."""
_MOST_BYTES = 32 << 20
"""Of a spec that is looked at for its seal: the parser refuses shorter ones."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAYS = re.compile(r"([1-9][0-9]{0,6})d")
_SHOWN = 14
"""Nights of a status that is asked for without --nights and --since."""


class RegressedError(RuntimeError):
    """A night is worse than its champion, or has nothing to be compared with it."""

    exit_code = exits.REGRESSED


class MissingTable(RuntimeError):  # noqa: N818  its base says that it is an error
    """The file of a table is gone, of which the store has the rows that it had."""

    exit_code = exits.STORAGE


@dataclass(frozen=True)
class Requested:
    """The nights that a command asks for."""

    days: Sequence[date]
    """Their logical dates, at least one."""
    fresh: bool
    """Whether they train on rows of their own."""


def start(
    path: Path, max_trials: int, nights: Requested, options: Options, placement: Placement, shared: Shared
) -> int:
    """Runs the nights one after the other; a regression of one doesn't stop the next.

    Raises:
        RegressedError: one of them is worse than its champion, or not comparable; says which, and by how much.
        UsageError: fresh rows are asked for of a table.
        MissingTable: the file of a table is gone.

    """
    store, progress = Store(shared.store), shared.progress()
    tables = TableReader(store)
    try:
        spec = _spec(path, max_trials, nights, tables, progress)
    except Exception as error:
        facts = {"date": nights.days[0].isoformat(), "error": masked(f"{type(error).__name__}: {error}")}
        never_began(error, facts, store, options, progress)
        raise
    outcomes = []
    for day in nights.days:
        night = Night(day, spec, nights.fresh)
        outcomes.append(outcome := run_watched(NightContext(night, store, placement, progress, options, tables=tables)))
        if outcome.result in ("failed", "partial"):
            progress.warn(_lines_of(outcome))
        elif not shared.json and outcome.exit_code != exits.REGRESSED:  # the error below says what a regression is
            sys.stdout.write(f"{_lines_of(outcome)}\n")
            sys.stdout.flush()
    if shared.json:
        records = [outcome.to_json() for outcome in outcomes]
        shared.print(records[0] if len(records) == 1 else {"nights": records}, "")
    below = [_lines_of(each) for each in outcomes if each.exit_code == exits.REGRESSED]
    if below:
        raise RegressedError("\n".join(below))
    return max(outcome.exit_code for outcome in outcomes)


def _lines_of(outcome: Outcome) -> str:
    """Returns what is printed of a night: one line, and its details below, indented."""
    details = outcome.details if isinstance(outcome, NightRecord) else []
    return "\n  ".join([f"night {outcome.night}: {outcome.message}", *details])


def _spec(path: Path, max_trials: int, nights: Requested, tables: TableReader, progress: Progress) -> JobSpec:
    """Returns the spec that the nights are of."""
    with progress.doing(f"reading {path}"):
        spec = load_spec(path, max_trials, _told if _is_stored(path) else partial(_read_now, tables))
    _refuse_fresh_tables(spec, nights)
    return spec


def _refuse_fresh_tables(spec: JobSpec, nights: Requested) -> None:
    if nights.fresh and spec.tables:
        raise UsageError(
            f"--fresh-data draws new rows every night, and those of dataset {next(iter(spec.tables))!r} are a file's: "
            "leave the option out; each night trains on what the file holds then"
        )


def _is_stored(path: Path) -> bool:
    """Whether the spec is from a store: it then means the rows that its tables held, whatever their files hold now."""
    try:
        return is_sealed(read_plain(path, _MOST_BYTES))
    except (OSError, ValueError):  # the parser says what is wrong
        return False


def _told(keys: TableKeys, _folder: str) -> TableDataset:
    """Reads no file, so that a stored spec tells what it held."""
    raise TableMissing(keys.file, ["the spec doesn't tell what it held; put a copy of the spec back"])


def _read_now(tables: TableReader, keys: TableKeys, folder: str) -> TableDataset:
    """Returns what the file of a table holds now. A night on what it held before would pass unnoticed."""
    table = tables.resolve(keys, folder)
    try:
        stamps(keys, folder)
    except TableMissing:
        raise MissingTable(
            f"{keys.file} of dataset {keys.name!r} is not there any more: a night trains on what a file holds now, so "
            "none was run, and the champion stays: put the file back, then start the night again"
        ) from None
    return table


def dates(day: str | None, first: str | None, last: str | None, clock: Clock) -> list[date]:
    """Returns the logical dates that the options ask for; today's in UTC if they ask for none.

    Raises:
        UsageError: they contradict each other, are no dates, or lie in the future.

    """
    if day is not None and (first is not None or last is not None):
        raise UsageError("--date is one night, --from and --to are a range: give one or the other")
    today = clock.today()
    if last is not None and first is None:
        raise UsageError("--to needs --from, the first night of the range")
    begin = _date("--date", day) or _date("--from", first) or today
    end = _date("--to", last) or (begin if first is None else today)
    if end > today + timedelta(days=1):  # one day ahead is accepted: the user's clock may be a little fast
        raise UsageError(f"{end} is in the future, today is {today} in UTC: give an earlier date")
    if end < begin:
        raise UsageError(f"--from {begin} is after --to {end}: give the earlier date as --from")
    if (nights := (end - begin).days + 1) > LONGEST:
        most = f"one command makes {LONGEST} at most"
        raise UsageError(f"{begin} to {end} are {nights:,} nights, {most}: give a part with --from and --to")
    return [begin + timedelta(days=number) for number in range((end - begin).days + 1)]


def status(nights: int | None, since: str | None, shared: Shared) -> int:
    """Prints the latest nights, or those since a date; UsageError if that is no date, or in the future."""
    clock = Clock()
    first = since_date(since, clock.today())
    most = _SHOWN if since is None and nights is None else nights
    facts = status_facts(Store(shared.store), clock, most, first)
    shared.print(facts, status_text(facts))
    return exits.OK


def since_date(text: str | None, today: date) -> date:
    """Returns the date that --since names, the earliest of all if it isn't given.

    Raises:
        UsageError: it is no date and no number of days, or lies in the future.

    """
    if text is None:
        return date.min
    if match := _DAYS.fullmatch(text):
        return date.fromordinal(max(1, today.toordinal() - int(match[1]) + 1))
    try:
        first = date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        remedy = "write a date such as 2026-11-22, or 7d for the last 7 days"
        raise UsageError(f"--since {shown(text)} is not a date: {remedy}") from None
    if first > today:
        raise UsageError(f"--since {first} is in the future, today is {today} in UTC: give an earlier date")
    return first


def roll_back(to: str | None, shared: Shared) -> int:
    """Makes an earlier night the champion again."""
    store, clock = Store(shared.store), Clock()
    champion = rollback(store, clock.stamp(), to)
    write_page(store, clock.today(), shared.progress().warn)
    shared.print(asdict(champion), f"the champion is night {champion.night}; `--to` goes to any other good one")
    return exits.OK


def promote_by_hand(night: str, shared: Shared) -> int:
    """Makes the named night the champion."""
    store, clock = Store(shared.store), Clock()
    champion, moved = accept(store, night, clock.stamp())
    if moved:
        write_page(store, clock.today(), shared.progress().warn)
    said = (
        "the champion is night {}; `sumsquares nightly rollback` undoes this" if moved else "night {} is the champion"
    )
    shared.print(asdict(champion), said.format(night) + ("" if moved else " already: nothing was changed"))
    return exits.OK


def free(shared: Shared) -> int:
    """Frees the lock."""
    owner = unlock(Store(shared.store), Clock())
    who = f"night {owner.night} of {owner.host}, process {owner.pid}" if owner else None
    said = f"unlocked: {who} held it and can't promote any more" if who else "the lock was free already"
    shared.print({"unlocked": who is not None, "owner": asdict(owner) if owner else None}, said)
    return exits.OK


def prune_nights(policy: RetentionPolicy, dry_run: bool, shared: Shared) -> int:
    """Deletes old nights, or shows in a dry run what would be deleted."""
    store, clock = Store(shared.store), Clock()
    plan = plan_pruning(store, policy, clock.today())
    if plan.nights and not dry_run:
        with holding(store, "prune", clock) as lock:
            plan = plan_pruning(store, policy, clock.today())
            prune(store, plan, lock.check)
            write_page(store, clock.today(), shared.progress().warn)
    facts = {"nights": plan.nights, "files": plan.files, "bytes": plan.bytes, "deleted": not dry_run}
    facts["stays"] = plan.foreign
    if warning := pruning_warning(store, plan):
        shared.progress().warn(warning)
    shared.print(facts, pruning_text(store, plan, deleted=not dry_run))
    return exits.OK


def _date(option: str, text: str | None) -> date | None:
    """Returns the date that an option names, if it is given."""
    if text is None:
        return None
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {shown(text)} is not a date: write it as 2026-11-22") from None
