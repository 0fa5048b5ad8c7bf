"""What the page of nights shows, read from the store: its newest nights, the champion's moves, and which are missed.

Each night costs one small file, two if it has no verdict, and several are read at a time: an object store answers in 10
to 100 ms. One that can't be read is shown as damaged.
"""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.champion import Champion, read_champion
from sumsquares.jobs.night.nights import date_of, list_nights, run_name
from sumsquares.jobs.night.notify import missed_dates
from sumsquares.jobs.night.records import NightRecord, NightState, read_night, read_state
from sumsquares.jobs.night.retention import pruned_through
from sumsquares.jobs.show.nights_page import Nights, ShownMove, ShownNight
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.store import Store

MOST = 1000
"""Newest nights that are read and shown."""
READERS = 16
"""Files that are read at a time."""
_REPORT = "report.html"


def read_history(store: Store, today: date) -> Nights:
    """Returns what the store's nights show on a date, on which there need not be a night yet."""
    problems: list[str] = []
    champion: Champion | None = None
    try:
        champion, _ = read_champion(store)
    except DataError as error:
        problems.append(str(error))
    ids = list_nights(store)
    with ThreadPoolExecutor(READERS) as pool:
        nights = list(pool.map(partial(_read, store, frozenset(store.list("runs"))), ids[-MOST:]))
    return Nights(
        spec=champion.spec if champion else next((name for name, _ in reversed(nights) if name), ""),
        today=today,
        champion=champion.night if champion else None,
        nights=[night for _, night in nights],
        moves=[ShownMove(move.kind, move.night, move.at) for move in champion.moves] if champion else [],
        missed=missed_dates(store, today),
        left_out=max(0, len(ids) - MOST),
        deleted=pruned_through(store),
        problems=problems,
    )


def _read(store: Store, files: Collection[str], night: str) -> tuple[str, ShownNight]:
    """Returns the name of a night's spec, as far as it is known, and how the night ended."""
    path = f"{run_folder(run_name(night))}/{_REPORT}"
    report = f"../{path}" if path in files else None
    try:
        found = read_night(store, night) or read_state(store, night)
    except DataError:
        found = None
    if found is None:
        return "", ShownNight(night, date_of(night), "damaged", report=report)
    return found.spec_name, _ended(found, report) if isinstance(found, NightRecord) else _state(found, report)


def _ended(record: NightRecord, report: str | None) -> ShownNight:
    return ShownNight(
        night=record.night,
        day=date_of(record.night),
        result=record.result,
        exit_code=record.exit_code,
        message=record.message,
        details=record.details,
        best={name: best.rmse_median for name, best in record.best.items()},
        seconds=record.seconds,
        stages=_seconds(record),
        report=report,
    )


def _state(state: NightState, report: str | None) -> ShownNight:
    return ShownNight(
        night=state.night,
        day=date_of(state.night),
        result=state.state,
        exit_code=state.exit_code if "exit_code" in state.model_fields_set else None,
        message=state.message or state.error,
        stages=_seconds(state),
        report=report,
    )


def _seconds(record: NightRecord | NightState) -> dict[str, float]:
    """Returns the seconds by stage; whatever else is there is left out."""
    return {name: float(value) for name, value in record.stages.items() if isinstance(value, int | float)}
