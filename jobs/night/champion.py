"""The champion: the night whose models are used, every move that has been made, and how to recover a lost one.

`nightly/champion.json` is moved by compare and swap alone. It carries the largest token of a lock under which it was
moved and accepts no smaller one, so a night that has lost its lock without knowing can't move it (fencing).
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace

from pydantic import ConfigDict, TypeAdapter

from sumsquares.jobs.exits import BusyError, UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.night.nights import Night, folder_of, list_nights, run_files, run_name
from sumsquares.jobs.night.records import (
    GOOD,
    NightId,
    NightRecord,
    read_night,
    read_state,
    rerun_remedy,
    stored_night,
)
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.layout import is_night
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed

PATH = "nightly/champion.json"
ACCEPTED = "accepted"
_LAST_PROMOTED = "the last night that the gate promoted"
_REMEDY_NIGHT = {
    "first": _LAST_PROMOTED,
    "better": _LAST_PROMOTED,
    "same": "a night without a significant difference from the champion",
}
"""Which night a remedy names, by its result."""
_REMEDY_CHAMPION = "the last night that others were judged against"


@dataclass(frozen=True)
class Move:
    """One change of the champion."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: str
    """promoted, rollback, or accepted: promoted by hand."""
    night: NightId
    """The champion from then on."""
    at: str
    """Time of the move."""


@dataclass(frozen=True)
class Champion:
    """What champion.json holds."""

    night: NightId
    spec: str
    """Name of the spec whose nights these are."""
    token: int
    moves: tuple[Move, ...]
    """All moves, the latest one last."""

    @property
    def lineage(self) -> list[str]:
        """The champions that were not rolled back, the present one last."""
        lineage: list[str] = []
        for move in self.moves:
            if move.kind == "rollback" and move.night in lineage:
                del lineage[lineage.index(move.night) + 1 :]
            else:
                lineage.append(move.night)
        return lineage

    @property
    def rolled_back(self) -> set[str]:
        """Nights that were champion and no longer are because of a rollback."""
        return {move.night for move in self.moves} - set(self.lineage)

    def encode(self) -> bytes:
        """Returns the file's bytes; a random word makes them unique to this writer."""
        return seal({"format": 1, **asdict(self), "word": secrets.token_hex(8)})


_SHAPE = TypeAdapter(Champion)


def read_champion(store: Store) -> tuple[Champion | None, str]:
    """Returns the champion and the version of its file; None if there is none yet.

    Raises:
        DamagedRecord: the file is not what was written, or is gone though nights have been good.

    """
    try:
        found, version = _read(store)
    except DamagedRecord as error:
        raise DamagedRecord(f"{error}: {recovery(store)}") from error
    if found is None and (good := known_good(store)):
        raise DamagedRecord(f"{PATH}: missing, though night {good[-1]} was good: {recovery(store)}")
    return found, version


def champion_night(store: Store, champion: str) -> Night:
    """Returns the night that is champion.

    Raises:
        DamagedRecord: its files are gone, or its spec is not the one that its id promises.

    """
    found = stored_night(store, champion)
    if found is not None:
        return found
    folder = folder_of(champion)
    if store.exists(f"{folder}/night.json") or store.exists(f"{folder}/state.json"):
        raise DamagedRecord(f"{folder}: spec.toml of the champion is missing: {rerun_remedy(store, champion)}")
    raise DamagedRecord(f"{folder}: the files of the champion are missing: {recovery(store, champion)}")


def promote(store: Store, night: str, spec: str, token: int, at: str, against: str | None) -> bool:
    """Makes a night the champion if the champion is still the one it was judged against; False if it isn't.

    Raises:
        BusyError: a later holder of the lock has moved it.

    """
    found, version = _read(store)  # the one that it was judged against was read with all checks
    if found is not None and found.night == night:
        return True
    if found is not None and found.token > token:
        raise BusyError(f"night {night} has lost its lock to another that moved {PATH}; start it again")
    if (found and found.night) != against:
        return False
    moves = (*(found.moves if found else ()), Move("promoted", night, at))
    data = Champion(night, spec, token, moves).encode()
    return store.replace(PATH, data, version) if found else store.create(PATH, data)


def rollback(store: Store, at: str, to: str | None = None) -> Champion:
    """Makes the champion before this one, or any good night, the champion again.

    Raises:
        UsageError: there is none, or its files are gone.
        BusyError: another process moves it at this moment.

    """
    found, version = _readable(store, to)
    if to is None:
        if found is None or len(found.lineage) < 2:
            raise UsageError(f"{store.describe()} has no earlier champion to go back to; --to NIGHT takes any good one")
        to = found.lineage[-2]
    record = read_night(store, to) if is_night(to) else None
    good = _may_return(store, found)
    if record is None or to not in good or not has_files(store, to):
        names = few_names([name for name in good if has_files(store, name)])
        raise UsageError(
            f"{shown(to)} is not a good night of {store.describe()} with all its files; there are: {names}"
        )
    return _move(store, found, version, record, Move("rollback", to, at))


def accept(store: Store, night: str, at: str) -> tuple[Champion, bool]:
    """Makes a finished night the champion, whatever the gate found; also returns whether it wasn't the champion yet.

    Raises:
        UsageError: it is unknown or not finished, a dataset of it has no result, or its files are gone.
        BusyError: another process moves the champion at this moment.

    """
    found, version = _readable(store, night)
    if found is not None and found.night == night:
        return found, False
    record = read_night(store, night) if is_night(night) else None
    if record is None:
        remedy = "`sumsquares nightly status` lists the nights; an unfinished one continues when it is started again"
        if of_date := [each for each in list_nights(store) if night and each.startswith(f"{night}-")]:
            remedy = f"a night is named as a whole, of that date there are {few_names(of_date)}; {remedy}"
        raise UsageError(
            f"{shown(night)} is not a finished night of {store.describe()}, so it can't be promoted: {remedy}"
        )
    if record.result == "failed":
        raise UsageError(f"night {night} can't be promoted: {record.message}")
    if not run_files(store, night):
        remedy = "promote another night, or train its spec again under another date"
        raise UsageError(f"night {night} can't be promoted: {run_folder(run_name(night))} is gone: {remedy}")
    champion_night(store, night)
    return _move(store, found, version, record, Move(ACCEPTED, night, at)), True


def good_nights(store: Store) -> list[NightRecord]:
    """Returns the records of nights that were good, or that others were judged against; the newest last."""
    records = [record for night in list_nights(store) if (record := read_night(store, night)) is not None]
    champions = {record.against for record in records}
    return [record for record in records if record.result in GOOD or record.night in champions]


def known_good(store: Store) -> list[str]:
    """Returns the nights that were good by their night.json or, if that is lost, their state.json; the newest last."""
    known = {record.night for record in good_nights(store)}
    for night in list_nights(store):
        state = read_state(store, night) if night not in known and read_night(store, night) is None else None
        if state is not None and state.state == "ended" and state.result in GOOD:
            known.add(night)
    return sorted(known)


def has_files(store: Store, night: str) -> bool:
    """Whether a night can be the champion: it has its spec and its run."""
    try:
        return stored_night(store, night) is not None and bool(run_files(store, night))
    except DamagedRecord:
        return False


def recovery(store: Store, lost: str | None = None) -> str:
    """Returns the remedy for a lost champion: a night that `rollback` accepts, or how to start over.

    The night is the last good one, or the champion from which that one didn't differ.
    """
    good = {each.night: each for each in good_nights(store)}
    newest_first = [*reversed(good.values())]
    pairs = [(each.against if each.result == "same" else None, each.night) for each in newest_first]
    names = (name for pair in pairs for name in pair if name is not None and name != lost and name in good)
    if (to := next((name for name in names if has_files(store, name)), None)) is None:
        gone = "move the folder nightly out of the store" if known_good(store) else f"delete {PATH}"
        return f"no good night has its files any more: {gone}, then the next night is the first"
    back, other = typed(store, "nightly", "rollback", "--to", to), typed(store, "nightly", "promote", "NIGHT")
    which = _REMEDY_NIGHT.get(good[to].result, _REMEDY_CHAMPION)
    return f"{back} goes back to {which}; if another was promoted by hand since, {other}"


def _move(store: Store, found: Champion | None, version: str, record: NightRecord, move: Move) -> Champion:
    """Moves the champion by hand; `version` is that of the file, or empty if there is none."""
    tokens = [each.token for each in (record, *good_nights(store))]
    known = found or Champion(move.night, record.spec_name, max(tokens), ())
    moved = replace(known, night=move.night, moves=(*known.moves, move))
    if not (store.replace(PATH, moved.encode(), version) if version else store.create(PATH, moved.encode())):
        raise BusyError(f"{PATH} was moved at this moment: look with `sumsquares nightly status`, then try again")
    return moved


def _read(store: Store) -> tuple[Champion | None, str]:
    """Returns what the file itself holds."""
    try:
        data, version = store.get_versioned(PATH)
    except FileNotFoundError:
        return None, ""
    found = unseal(data, PATH, "", _SHAPE)
    if not found.moves or found.moves[-1].night != found.night:
        raise DamagedRecord(f"{PATH}: damaged, its last move is not to {found.night}")
    return found, version


def _may_return(store: Store, champion: Champion | None) -> list[str]:
    """Returns the nights that were good, or have been champion by a promotion by hand."""
    accepted = [move.night for move in champion.moves if move.kind == ACCEPTED] if champion else []
    return sorted({*(record.night for record in good_nights(store)), *accepted})


def _readable(store: Store, to: str | None) -> tuple[Champion | None, str]:
    """Returns the champion; a damaged file counts as none if the night is named."""
    try:
        return read_champion(store)
    except DamagedRecord:
        if to is None:
            raise
    try:
        return None, store.get_versioned(PATH)[1]
    except FileNotFoundError:
        return None, ""
