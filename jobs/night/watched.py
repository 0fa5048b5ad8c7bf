"""A night under watch: the metrics file is written however it ends. The night itself is in nightly.py."""

from __future__ import annotations

from sumsquares.jobs import exits
from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.context import NightContext, Options
from sumsquares.jobs.night.metrics import Ended, seconds_of, write_metrics
from sumsquares.jobs.night.nightly import Outcome, run_night
from sumsquares.jobs.night.notify import tell_of
from sumsquares.jobs.night.records import NightRecord
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.storage.store import Store


def run_watched(context: NightContext) -> Outcome:
    """Runs one night to its outcome, and records it. Of a start that finds another at work, that one does.

    Raises:
        BusyError, UsageError, Stopped: as `run_night` does.

    """
    began, spec = context.clock.monotonic(), context.night.spec.name
    store, options, progress = context.store, context.options, context.progress
    try:
        outcome = run_night(context)
    except BusyError:
        raise
    except (Exception, exits.Stopped) as error:
        seconds = context.clock.monotonic() - began
        _record(store, options, progress, Ended(exits.code_of(error), context.clock.now(), seconds, spec))
        raise
    record = outcome if isinstance(outcome, NightRecord) else None
    seconds = record.seconds if record else context.clock.monotonic() - began
    at = seconds_of(outcome.ended) or context.clock.now()
    _record(store, options, progress, Ended(outcome.exit_code, at, seconds, spec, record))
    return outcome


def never_began(error: Exception, facts: dict[str, str], store: Store, options: Options, progress: Progress) -> None:
    """Tells of a night whose spec can't be read: a failure like any other."""
    clock, code = Clock(), exits.code_of(error)
    tell_of("failure", {**facts, "exit_code": code}, options, clock, progress)
    _record(store, options, progress, Ended(code, clock.now(), seconds=0.0))


def _record(store: Store, options: Options, progress: Progress, ended: Ended) -> None:
    """Writes the metrics file; a failure of that is a warning."""
    if options.metrics is not None and (trouble := write_metrics(options.metrics, store, ended)) is not None:
        progress.warn(trouble)
