"""An attempt at a night: what is known of it when it begins, and what is recorded if it fails or is stopped."""

from __future__ import annotations

from typing import Any

from sumsquares.jobs import exits
from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.night.context import NightContext
from sumsquares.jobs.night.lock import holding
from sumsquares.jobs.night.notify import follows_trouble
from sumsquares.jobs.night.page import write_page
from sumsquares.jobs.night.records import Attempt, NightState, read_state, write_spec, write_state
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.spec.seal_line import seal_text
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import StorageError


def identity(context: NightContext) -> dict[str, Any]:
    """Returns which night it is."""
    night, spec = context.night, context.night.spec
    return {"night": night.id, "date": night.date.isoformat(), "spec_name": spec.name, "spec_digest": spec.digest}


def begin(context: NightContext, token: int) -> Attempt:
    """Returns what is known of an attempt from its start."""
    night = context.night
    before = read_state(context.store, night.id)
    return Attempt(
        **identity(context),
        fresh=night.fresh,
        run=night.run,
        token=token,
        attempt=before.attempt + 1 if before else 1,
        began=before.began if before else context.clock.stamp(),
        recovers=follows_trouble(context, before),
        source_sha256=sha256_of(seal_text(night.spec.stored_text)),
        training_version=night.spec.training_version,
    )


def error_words(error: Exception) -> str:
    """Returns an error as records and the hook have it, secrets masked."""
    return masked(f"{type(error).__name__}: {error}")


def stopped_state(context: NightContext, attempt: Attempt, signal: exits.Stopped) -> NightState:
    """Returns the state of a night that a signal stopped."""
    facts = {"error": str(signal), "exit_code": signal.exit_code, "ended": context.clock.stamp()}
    return NightState(**attempt.to_json(), **facts, state="stopped")


def record_late_stop(context: NightContext, signal: exits.Stopped, above: int) -> None:
    """Records that a signal stopped the night outside its attempt: while Ray was starting, or while its hook ran."""
    night, store = context.night, context.store
    try:
        with holding(store, night.id, context.clock, above) as lock:
            state = read_state(store, night.id)
            if state is None or state.state not in ("stopped", "ended"):
                write_spec(store, night)
                record_failure(context, stopped_state(context, begin(context, lock.token), signal))
                show_nights(context)
    except (BusyError, StorageError, DamagedRecord) as error:
        context.progress.warn(f"the stop was not recorded: {error}")


def record_failure(context: NightContext, state: NightState) -> None:
    """Writes the state of a night that failed; a failure of that is a warning."""
    try:
        write_state(context.store, state)
    except StorageError as error:  # it may be why the night failed, and must not hide it
        context.progress.warn(f"the failure was not recorded: {error}")


def show_nights(context: NightContext) -> None:
    """Writes the page of nights, as it is now."""
    write_page(context.store, context.clock.today(), context.progress.warn)
