"""Notifications: the events of nights, and who is told of them: the hook and the webhook.

Neither can change how a night ended. A night that was killed can't notify anyone. The next one does: it holds the lock,
so it knows that the killed one is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from functools import partial
from typing import Any

from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.context import NightContext, Options
from sumsquares.jobs.night.hook import run_hook
from sumsquares.jobs.night.nights import date_of, list_nights
from sumsquares.jobs.night.records import (
    GOOD,
    UNREPORTED,
    Attempt,
    NightRecord,
    NightState,
    read_night,
    read_state,
    write_state,
)
from sumsquares.jobs.night.retention import pruned_through
from sumsquares.jobs.night.webhook import post
from sumsquares.jobs.show.progress import Progress
from sumsquares.jobs.storage.store import Store

EVENTS = ("success", "regression", "recovery", "failure", "missed")

_CHECKED_NIGHTS = 30  # newest nights that are checked for kills; reading more costs a second on an object store
_CHECKED_DAYS = 366


def notify(context: NightContext, event: str, facts: Mapping[str, Any]) -> None:
    """Runs the hook and posts to the webhook; a failure of either is a warning."""
    tell_of(event, facts, context.options, context.clock, context.progress)


def tell_of(event: str, facts: Mapping[str, Any], options: Options, clock: Clock, progress: Progress) -> None:
    """Does the same where there is no night yet, since its spec can't be read."""
    assert event in EVENTS
    run = partial(run_hook, options.hook, event, facts, options.hook_seconds)
    for tell in (run, partial(post, options.webhook, event, facts, clock)):
        if (trouble := tell()) is not None:
            progress.warn(trouble)


def event_of(record: NightRecord) -> str:
    """Returns the event of a finished night."""
    if record.result in GOOD:
        return "recovery" if record.recovers else "success"
    return "failure" if record.result == "failed" else "regression"


def ended_state(record: NightRecord) -> NightState:
    """Returns the state of a night that has ended and whose hook was run. It follows from night.json."""
    kept = {*Attempt.model_fields, "ended", "result", "exit_code"}
    facts = {name: value for name, value in record.to_json().items() if name in kept}
    return NightState(**facts, state="ended", event=event_of(record))


def follows_trouble(context: NightContext, before: NightState | None) -> bool:
    """Whether an earlier attempt of this night, or else the night before it, failed, was partial or regressed."""
    if before is not None and (before.recovers or before.state not in UNREPORTED):
        return True
    earlier = [each for each in list_nights(context.store) if date_of(each) < context.night.date]
    if not earlier:
        return False
    record, state = read_night(context.store, earlier[-1]), read_state(context.store, earlier[-1])
    return record.result not in GOOD if record else bool(state and state.state not in UNREPORTED)


def notify_missed(context: NightContext, attempt: Attempt) -> None:
    """Notifies of the dates between the newest night and this one."""
    known = [each for each in list_nights(context.store) if each != context.night.id]
    newest = date_of(known[-1]) if known else context.night.date
    missed = [day.isoformat() for day in missed_dates(context.store, context.night.date) if day > newest]
    if missed:
        verb = "night was" if len(missed) == 1 else "nights were"
        context.progress.warn(f"{len(missed)} {verb} missed: {few_names(missed)}; --from and --to make up for them")
        notify(context, "missed", {**attempt.to_json(), "missed": missed})


def notify_broken(context: NightContext) -> None:
    """Notifies once of each night that was begun and neither ended nor failed; to be called under the lock."""
    for night in list_nights(context.store)[-_CHECKED_NIGHTS:]:
        state = read_state(context.store, night) if night != context.night.id else None
        if state is None or state.state not in UNREPORTED or read_night(context.store, night) is not None:
            continue
        why = state.error if "error" in state.model_fields_set else "killed, or its machine went down"
        error = f"begun {state.began} and never ended: {why}"
        context.progress.warn(f"night {night} was {error}; --date {state.date} continues it")
        notify(context, "failure", {**state.to_json(), "error": error})
        write_state(context.store, state.model_copy(update={"state": "broken", "error": error}))


def missed_dates(store: Store, until: date) -> list[date]:
    """Returns the dates of the last year before `until` that have no night; one night a day is expected.

    Nights that were deleted for their age are not missed.
    """
    known = {date_of(night) for night in list_nights(store)}
    if not known:
        return []
    first, through = min(known), pruned_through(store)
    first = first if through is None else max(first, through)
    first = max(first, until - timedelta(days=_CHECKED_DAYS))
    days = (first + timedelta(days=number) for number in range((until - first).days))
    return [day for day in days if day not in known and day != through]
