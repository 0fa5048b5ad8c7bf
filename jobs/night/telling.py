"""What the hook is told, and when: of a night's end, of nights that never came, and of those that broke in silence.

A night that was killed can tell nobody. The next one does, since it holds the lock and knows that the other doesn't.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.night.calendar import missed_dates
from sumsquares.jobs.night.here import Here, Options
from sumsquares.jobs.night.nights import GOOD, SILENT, Night, date_of, list_nights, read_night, read_state, write_record
from sumsquares.jobs.storage.store import Store

_STATE = (
    *("night", "date", "spec_name", "spec_digest", "fresh", "run", "token", "attempt", "began", "recovers", "ended"),
    *("result", "exit_code", "source_sha256"),
)
_BACK = 30  # nights that are looked at: reading more costs a second on an object store


def event_of(record: Mapping[str, Any]) -> str:
    """The event of a finished night."""
    if record["result"] in GOOD:
        return "recovery" if record["recovers"] else "success"
    return "failure" if record["result"] == "failed" else "regression"


def ended_state(record: Mapping[str, Any]) -> dict[str, Any]:
    """What state.json holds of a night that has ended and of which the hook was told: it follows from night.json."""
    return {**{name: record[name] for name in _STATE if name in record}, "state": "ended", "event": event_of(record)}


def follows_trouble(night: Night, before: Mapping[str, Any] | None, store: Store) -> bool:
    """Whether an earlier attempt of this night, or else the night before it, failed, was partial or regressed."""
    if before is not None and (before["recovers"] or before["state"] not in SILENT):
        return True
    earlier = [each for each in list_nights(store) if date_of(each) < night.date]
    if not earlier:
        return False
    record, state = read_night(store, earlier[-1]), read_state(store, earlier[-1])
    return record["result"] not in GOOD if record else bool(state and state["state"] not in SILENT)


def tell_missed(night: Night, facts: Mapping[str, Any], options: Options, here: Here) -> None:
    """Tells of the dates between the newest night and this one."""
    known = [each for each in list_nights(here.store) if each != night.id]
    newest = date_of(known[-1]) if known else night.date
    missed = [day.isoformat() for day in missed_dates(here.store, night.date) if day > newest]
    if missed:
        verb = "night was" if len(missed) == 1 else "nights were"
        here.progress.warn(f"{len(missed)} {verb} missed: {few_names(missed)}; --from and --to make up for them")
        here.tell(options, "missed", {**facts, "missed": missed})


def tell_broken(night: Night, options: Options, here: Here) -> None:
    """Tells once of nights that were begun and neither ended nor failed; to be called under the lock."""
    for each in list_nights(here.store)[-_BACK:]:
        state = read_state(here.store, each) if each != night.id else None
        if state is None or state["state"] not in SILENT or read_night(here.store, each) is not None:
            continue
        why = state.get("error", "killed, or its machine went down")
        error = f"begun {state['began']} and never ended: {why}"
        here.progress.warn(f"night {each} was {error}; --date {state['date']} goes on with it")
        here.tell(options, "failure", {**state, "error": error})
        write_record(here.store, each, "state", {**state, "state": "broken", "error": error})
