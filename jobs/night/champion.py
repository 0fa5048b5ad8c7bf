"""The champion: one file that names the night whose models are used, and every move that has been made.

`nightly/champion.json` is moved by compare and swap alone. It carries the largest token of a lock under which it was
moved, and takes no smaller one: a night that has lost its lock without knowing can't move it (fencing).
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from jobs.exits import BusyError, UsageError
from jobs.night.nights import GOOD, Night, folder_of, list_nights, read_night, run_files, start_again, stored_night
from jobs.night.records import NightId
from jobs.night.sealed import DamagedRecord, seal, unseal
from jobs.storage.store import Store

PATH = "nightly/champion.json"


@dataclass(frozen=True)
class Move:
    """One change of the champion."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: str
    """promoted or rollback."""
    night: NightId
    """The champion from then on."""
    at: str
    """When."""


@dataclass(frozen=True)
class Champion:
    """What the file says."""

    night: NightId
    spec: str
    """Name of the spec whose nights these are."""
    token: int
    moves: tuple[Move, ...]
    """All of them, the last one last."""

    @property
    def line(self) -> list[str]:
        """The champions that were not taken back, the present one last."""
        line: list[str] = []
        for move in self.moves:
            if move.kind == "rollback" and move.night in line:
                del line[line.index(move.night) + 1 :]
            else:
                line.append(move.night)
        return line

    @property
    def taken_back(self) -> set[str]:
        """Nights that were champion and are not any more because of a rollback."""
        return {move.night for move in self.moves} - set(self.line)

    def encode(self) -> bytes:
        """The file's bytes, unlike those of any other writer."""
        return seal({"format": 1, **asdict(self), "word": secrets.token_hex(8)})


_SHAPE = TypeAdapter(Champion)


def read_champion(store: Store) -> tuple[Champion | None, str]:
    """The champion and the version of its file; None if there is none yet.

    Raises:
        DamagedRecord: the file is not what was written, or is gone though nights have been good.

    """
    try:
        found, version = _read(store)
    except DamagedRecord as error:
        raise DamagedRecord(f"{error}: {way_out(store)}") from error
    if found is None and (lost := _good(store)):
        raise DamagedRecord(f"{PATH}: missing, though night {lost[-1]['night']} was good: {way_out(store)}")
    return found, version


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
        raise DamagedRecord(f"{folder}: spec.toml of the champion is missing: {start_again(champion)}")
    raise DamagedRecord(f"{folder}: the files of the champion are missing: {way_out(store, champion)}")


def way_out(store: Store, lost: str | None = None) -> str:
    """What to do where the champion, or the file that names it, is lost: the night to go back to, or how to begin anew.

    It is the last good night, or the champion that this one was found the same as.
    """
    good = _good(store)
    pairs = [(each["against"] if each["result"] == "same" else None, each["night"]) for each in reversed(good)]
    names = (name for pair in pairs for name in pair if name not in (None, lost))
    if (to := next((name for name in names if _is_whole(store, name)), None)) is not None:
        return f"make the champion the night that it should be: `sumsquares nightly rollback --to {to}`"
    gone = "move the folder nightly out of the store" if good else f"delete {PATH}"
    return f"no good night has its files any more: {gone}, then the next night is the first"


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
        BusyError: somebody else moves it at this moment.

    """
    found, version = _readable(store, to)
    if to is None:
        if found is None or len(found.line) < 2:
            raise UsageError(f"{store.describe()} has no earlier champion to go back to; --to NIGHT takes any good one")
        to = found.line[-2]
    good = {record["night"]: record for record in _good(store)}
    if to not in good or not _is_whole(store, to):
        names = ", ".join(name for name in good if _is_whole(store, name)) or "none"
        raise UsageError(f"{to} is no good night of {store.describe()} with all its files; there are: {names}")
    if found is None:
        found = Champion(to, good[to]["spec_name"], max(record["token"] for record in good.values()), ())
    moved = replace(found, night=to, moves=(*found.moves, Move("rollback", to, at)))
    if not (store.replace(PATH, moved.encode(), version) if version else store.create(PATH, moved.encode())):
        raise BusyError(f"{PATH} was moved at this moment: look with `sumsquares nightly status`, then try again")
    return moved


def _read(store: Store) -> tuple[Champion | None, str]:
    """The file itself."""
    try:
        data, version = store.get_versioned(PATH)
    except FileNotFoundError:
        return None, ""
    found = unseal(data, PATH, "", _SHAPE)
    if not found.moves or found.moves[-1].night != found.night:
        raise DamagedRecord(f"{PATH}: damaged, its last move is not to {found.night}")
    return found, version


def _readable(store: Store, to: str | None) -> tuple[Champion | None, str]:
    """The champion; a damaged file counts as none where the night is named."""
    try:
        return read_champion(store)
    except DamagedRecord:
        if to is None:
            raise
    try:
        return None, store.get_versioned(PATH)[1]
    except FileNotFoundError:
        return None, ""


def _good(store: Store) -> list[dict[str, Any]]:
    """The records of the good nights, the newest last."""
    records = (read_night(store, night) for night in list_nights(store))
    return [record for record in records if record and record["result"] in GOOD]


def _is_whole(store: Store, night: str) -> bool:
    """Whether a night can be the champion: it has its spec, and its run."""
    try:
        return stored_night(store, night) is not None and bool(run_files(store, night))
    except DamagedRecord:
        return False
