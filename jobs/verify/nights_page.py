"""Checks the page of nights by its seal. It may be older than the nights: each night writes it again at its end."""

from __future__ import annotations

from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.page import is_intact, page_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.verify.damage import Damage, foreign
from sumsquares.jobs.verify.snapshot import Snapshot


def check_page(snapshot: Snapshot, path: str) -> list[Damage]:
    """Returns what is wrong with the page."""
    data = snapshot.get(path)
    if data is None or is_intact(data):
        return []
    if not is_ours(path, data):
        return [foreign(path)]
    reason = "its SHA-256 is not the one that it states"
    again = "the next night writes it"
    return [
        Damage(
            path, "page", reason, "", rewrites=lambda: {path: page_of(snapshot.store, Clock().today())}, fallback=again
        )
    ]
