"""The calendar of a store's nights: which dates should have had one and have none. One night a day is expected."""

from __future__ import annotations

from datetime import date, timedelta

from sumsquares.jobs.night.nights import date_of, list_nights
from sumsquares.jobs.night.retention import pruned_through
from sumsquares.jobs.storage.store import Store

_LONGEST = 366


def missed_dates(store: Store, until: date) -> list[date]:
    """Dates before `until` without a night, of the last year; what was deleted for its age is not missed."""
    known = {date_of(night) for night in list_nights(store)}
    if not known:
        return []
    first, through = min(known), pruned_through(store)
    first = first if through is None else max(first, through)
    first = max(first, until - timedelta(days=_LONGEST))
    days = (first + timedelta(days=number) for number in range((until - first).days))
    return [day for day in days if day not in known and day != through]
