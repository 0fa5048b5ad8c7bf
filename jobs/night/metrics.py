"""The metrics file: how the last night ended, as the textfile collector of Prometheus' node_exporter reads it.

It is written after each night, whatever the outcome. What the store doesn't have is left out, so no value is made up.
Between nights the file stays as it is: rules compute ages from the timestamps. cluster/starters has such rules.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.night.champion import Champion, read_champion
from sumsquares.jobs.night.nights import list_nights
from sumsquares.jobs.night.records import GOOD, NightRecord, read_night
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.plain import NotPlain, check_target, readable
from sumsquares.jobs.storage.store import StorageError, Store

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

SUFFIX = ".prom"
"""The collector reads no other files, so not a temporary one either."""
HELP = {
    "sumsquares_night_exit_code": "Exit code of the last night.",
    "sumsquares_night_timestamp_seconds": "When the last night ended, in seconds since 1970.",
    "sumsquares_night_duration_seconds": "How long the last night took.",
    "sumsquares_night_success_timestamp_seconds": "When the last good night ended, in seconds since 1970.",
    "sumsquares_best_rmse": "Median RMSE of the best variant of the last judged night, in the unit of the target.",
    "sumsquares_champion_timestamp_seconds": "When the champion became the champion, in seconds since 1970.",
    "sumsquares_champion_age_seconds": "Age of the champion when this file was written.",
}
"""The metrics and what they mean."""


@dataclass(frozen=True)
class Ended:
    """How the start of a night ended."""

    exit_code: int
    at: float
    """When, in seconds since 1970."""
    seconds: float
    """How long it took."""
    spec: str = ""
    """Name of its spec; empty if that can't be read."""
    record: NightRecord | None = None
    """Of a night that was judged."""


def check_metrics_file(path: Path) -> None:
    """Raises UsageError for a file that the collector wouldn't read, or that can't be written."""
    name = f"--metrics-file {readable(str(path))}"
    if path.suffix != SUFFIX or not str(path).isprintable():
        raise UsageError(f"{name}: node_exporter reads only files that end in {SUFFIX}: give it such a name")
    try:
        check_target(path)
        if not os.access(path.parent, os.W_OK | os.X_OK) or not path.parent.is_dir():
            raise UsageError(f"{name}: its folder is not there or can't be written to: make it first")
    except NotPlain as error:
        raise UsageError(f"{name}: there is {error.strerror} in its place: give another path") from None
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}: give another path") from None


def write_metrics(path: Path, store: Store, ended: Ended) -> str | None:
    """Writes the file; returns what went wrong, or None."""
    from prometheus_client import generate_latest

    try:
        _replace(path, generate_latest(_registry(store, ended)))
    except Exception as error:  # whatever it is, the night has ended as it has
        return f"--metrics-file {readable(str(path))} was not written: {getattr(error, 'strerror', None) or error}"
    return None


def _registry(store: Store, ended: Ended) -> CollectorRegistry:
    """Returns the metrics of a night that has ended."""
    from prometheus_client import CollectorRegistry, Gauge

    registry = CollectorRegistry()
    champion, good, judged = _known(store, ended.record)
    spec = ended.spec or (champion.spec if champion else "")
    became = _became(champion) if champion else None
    values = {
        "sumsquares_night_exit_code": ended.exit_code,
        "sumsquares_night_timestamp_seconds": ended.at,
        "sumsquares_night_duration_seconds": ended.seconds,
        "sumsquares_night_success_timestamp_seconds": seconds_of(good.ended) if good else None,
        "sumsquares_champion_timestamp_seconds": became,
        "sumsquares_champion_age_seconds": None if became is None else max(0.0, ended.at - became),
    }
    for name, value in values.items():
        if value is not None:
            Gauge(name, HELP[name], ["spec"], registry=registry).labels(spec).set(value)
    if judged is not None and judged.best:
        name = "sumsquares_best_rmse"
        rmse = Gauge(name, HELP[name], ["spec", "dataset"], registry=registry)
        for dataset, best in judged.best.items():
            rmse.labels(spec, dataset).set(best.rmse_median)
    return registry


def _known(store: Store, record: NightRecord | None) -> tuple[Champion | None, NightRecord | None, NightRecord | None]:
    """Returns the champion, the last good night and the last judged one, as far as the store can be read."""
    champion, good = None, record if record is not None and record.result in GOOD else None
    with suppress(StorageError, DamagedRecord):
        champion, _ = read_champion(store)
    with suppress(StorageError):
        for each in _newest_first(store):
            record = record or each
            good = good or (each if each.result in GOOD else None)
            if good:
                break
    return champion, good, record


def _newest_first(store: Store) -> Iterable[NightRecord]:
    return (record for night in reversed(list_nights(store)) if (record := read_night(store, night)) is not None)


def _became(champion: Champion) -> float | None:
    """Returns when the present champion first became it: a rollback doesn't make its models younger."""
    return seconds_of(next(move.at for move in champion.moves if move.night == champion.night))


def seconds_of(stamp: str) -> float | None:
    """Returns the seconds since 1970 of a time such as 2026-11-22T03:00:00Z; None if it isn't one."""
    try:
        return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S%z").timestamp()
    except ValueError:
        return None


def _replace(path: Path, data: bytes) -> None:
    """Replaces the file at once, readable by every user: node_exporter runs as another one."""
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)  # whatever the umask
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
