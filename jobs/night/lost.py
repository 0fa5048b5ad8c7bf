"""Nights that can be the champion, and what to do where it is lost: its own files, or the file that names it."""

from __future__ import annotations

from typing import Any

from sumsquares.jobs.night.nights import (
    GOOD,
    Night,
    folder_of,
    list_nights,
    read_night,
    read_state,
    run_files,
    start_again,
    stored_night,
)
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed

PATH = "nightly/champion.json"
_LAST = "the last night that the gate promoted"
_WHICH = {"first": _LAST, "better": _LAST, "same": "a night that was found as good as the champion"}
"""Which night a remedy names, by its result."""
_JUDGED = "the last night that others were judged against"


def good_nights(store: Store) -> list[dict[str, Any]]:
    """The records of the nights that were good, or that others were judged against as champion; the newest last."""
    records = [record for night in list_nights(store) if (record := read_night(store, night)) is not None]
    champions = {record["against"] for record in records}
    return [record for record in records if record["result"] in GOOD or record["night"] in champions]


def were_good(store: Store) -> list[str]:
    """Nights that were good by their night.json, or, where that is lost, by their state.json; the newest last."""
    known = {record["night"] for record in good_nights(store)}
    for night in list_nights(store):
        state = read_state(store, night) if night not in known and read_night(store, night) is None else None
        if state is not None and state["state"] == "ended" and state.get("result") in GOOD:
            known.add(night)
    return sorted(known)


def is_whole(store: Store, night: str) -> bool:
    """Whether a night can be the champion: it has its spec, and its run."""
    try:
        return stored_night(store, night) is not None and bool(run_files(store, night))
    except DamagedRecord:
        return False


def champion_night(store: Store, champion: str) -> Night:
    """The night that is champion.

    Raises:
        DamagedRecord: its files are gone, or its spec is not the one that its id promises.

    """
    found = stored_night(store, champion)
    if found is not None:
        return found
    folder = folder_of(champion)
    if store.exists(f"{folder}/night.json") or store.exists(f"{folder}/state.json"):
        raise DamagedRecord(f"{folder}: spec.toml of the champion is missing: {start_again(store, champion)}")
    raise DamagedRecord(f"{folder}: the files of the champion are missing: {way_out(store, champion)}")


def way_out(store: Store, lost: str | None = None) -> str:
    """What to do: the night to go back to, one that `rollback` accepts, or how to begin anew.

    It is the last good night, or the champion that this one was found the same as.
    """
    good = {each["night"]: each for each in good_nights(store)}
    nights = [*reversed(good.values())]
    pairs = [(each["against"] if each["result"] == "same" else None, each["night"]) for each in nights]
    names = (name for pair in pairs for name in pair if name is not None and name != lost and name in good)
    if (to := next((name for name in names if is_whole(store, name)), None)) is None:
        gone = "move the folder nightly out of the store" if were_good(store) else f"delete {PATH}"
        return f"no good night has its files any more: {gone}, then the next night is the first"
    back, other = typed(store, "nightly", "rollback", "--to", to), typed(store, "nightly", "promote", "NIGHT")
    return (
        f"{back} goes back to {_WHICH.get(good[to]['result'], _JUDGED)}; if another was promoted by hand since, {other}"
    )
