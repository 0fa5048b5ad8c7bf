"""Notifications: the events of nights, and the hook, a command of the user's that is run for each of them.

The hook runs without a shell and can't change how a night ended. A night that was killed can't notify anyone. The next
one does: it holds the lock, so it knows that the killed one is gone.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.night.context import NightContext
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
from sumsquares.jobs.storage.store import Store

EVENTS = ("success", "regression", "recovery", "failure", "missed")

_CHECKED_NIGHTS = 30  # newest nights that are checked for kills; reading more costs a second on an object store
_CHECKED_DAYS = 366
_PLAIN = re.compile(r"(?:[./~][\w./+-]{0,99}|[\w.+-]{1,100})", re.ASCII)
"""A program that a message may name: a name, or a path that begins like one. A URL may hold a secret anywhere."""


def notify(context: NightContext, event: str, facts: Mapping[str, Any]) -> None:
    """Runs the hook; a failure of the hook is a warning."""
    if (trouble := run_hook(context.options.hook, event, facts, context.options.hook_seconds)) is not None:
        context.progress.warn(trouble)


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


def check_hook(command: str | None) -> None:
    """Raises ValueError, in words, for a command that can't be parsed or has no program."""
    if command is None:
        return
    words = shlex.split(command)
    if not words:
        raise ValueError("it is empty")
    if shutil.which(words[0]) is None:
        raise ValueError(f"{_program(words)} is not there or can't be executed")


def run_hook(command: str | None, event: str, facts: Mapping[str, Any], seconds: float) -> str | None:
    """Runs the command with `{"event": ..., ...facts}` as JSON on its standard input and in SUMSQUARES_EVENT.

    Returns what went wrong with it, or None. What it prints goes to stderr. After `seconds` it is killed together with
    everything that it has started.
    """
    assert event in EVENTS
    if command is None:
        return None
    payload = json.dumps({"event": event, **facts}, allow_nan=False).encode() + b"\n"
    environment = {**os.environ, "SUMSQUARES_EVENT": event}
    try:
        hook = subprocess.Popen(  # noqa: S603  the user's own command, without a shell
            shlex.split(command), stdin=subprocess.PIPE, stdout=2, env=environment, start_new_session=True
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "its words can't be those of a command"
        return f"the hook for {event} could not be started: {_program(shlex.split(command))}: {why}"
    try:
        hook.communicate(payload, seconds)
    except subprocess.TimeoutExpired:
        return f"the hook for {event} was stopped after {seconds:g} s"
    finally:
        if hook.returncode is None:  # also when a signal stops this process
            with suppress(ProcessLookupError):
                os.killpg(hook.pid, signal.SIGKILL)
            hook.wait()
    return f"the hook for {event} failed: {_ending(hook.returncode)}" if hook.returncode else None


def _program(words: Sequence[str]) -> str:
    """Returns the program's name alone. Its arguments, a URL or the value of a variable may be secret."""
    return masked(words[0]) if _PLAIN.fullmatch(words[0]) else "the program of --hook"


def _ending(code: int) -> str:
    return f"it ended with exit code {code}" if code > 0 else f"it was ended by {signal.Signals(-code).name}"
