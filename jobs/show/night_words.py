"""How nights are spoken of, in `nightly status` and on the page of nights: results, and moves of the champion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

from sumsquares.jobs.show.format import counted, listed

RESULTS = {
    "first": "promoted: the first",
    "better": "promoted: better",
    "same": "no significant difference",
    "worse": "regressed",
    "apart": "not comparable",
    "failed": "failed",
    "partial": "lacks trials",
    "stopped": "stopped by a signal",
    "broken": "killed, never ended",
    "running": "begun, not ended",
    "ended": "ended, its record is lost",
    "damaged": "its records are damaged",
}
"""By the result of a night, or by its state if it has no verdict."""
REGRESSED = ("worse", "apart")
JUDGED = ("first", "better", "same", *REGRESSED)
"""Results of nights that were judged; all others are of nights that failed or didn't finish."""
_MOVES = {"promoted": "promoted by the gate", "accepted": "promoted by hand", "rollback": "restored by a rollback"}


_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}):[0-9]{2}Z")


def result_words(result: str) -> str:
    """Returns the result in words."""
    return RESULTS.get(result, result)


def move_words(kind: str, place: int) -> str:
    """Returns who made a night the champion, and how; `place` is that of the change among all, from 0."""
    if place == 0 and kind == "promoted":
        return "promoted without a comparison"
    return _MOVES.get(kind, kind)


def spans(days: Sequence[date]) -> list[str]:
    """Returns dates in ascending order, those that follow each other as one span: `2026-11-03 to 2026-11-05`."""
    found: list[list[date]] = []
    for day in sorted(set(days)):
        if found and day - found[-1][-1] == timedelta(days=1):
            found[-1].append(day)
        else:
            found.append([day])
    return [f"{each[0]}" if len(each) == 1 else f"{each[0]} to {each[-1]}" for each in found]


def missing_words(days: Sequence[date], most: int) -> str:
    """Returns how many nights are missing, and the newest `most` spans of their dates."""
    all_spans = spans(days)
    more = f"{len(all_spans) - most} earlier times and " if len(all_spans) > most else ""
    return f"{counted(len(days), 'night')}: {more}{listed(all_spans[-most:])}"


def age_words(day: date, today: date) -> str:
    """Returns how old a night is: `of today`, `1 day old`."""
    days = (today - day).days
    return f"{counted(days, 'day')} old" if days > 0 else "of today" if days == 0 else f"dated {day}"


def when_words(at: str) -> str:
    """Returns a time as a person would say it: `on 2026-11-22 at 03:21 UTC`; what isn't one as it is."""
    match = _TIME.fullmatch(at)
    return f"on {match[1]} at {match[2]} UTC" if match else f"at {at}"
