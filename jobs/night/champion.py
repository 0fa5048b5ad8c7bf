"""The champion: one file that names the night whose models are used, and every move that has been made.

`nightly/champion.json` is moved by compare and swap alone. It carries the largest token of a lock under which it was
moved, and takes no smaller one: a night that has lost its lock without knowing can't move it (fencing).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from sumsquares.jobs.exits import BusyError, UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.night.lost import PATH as PATH
from sumsquares.jobs.night.lost import champion_night, good_nights, is_whole, way_out, were_good
from sumsquares.jobs.night.nights import read_night, run_files, run_name
from sumsquares.jobs.night.records import NightId
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.layout import is_night
from sumsquares.jobs.storage.store import Store

ACCEPTED = "accepted"


@dataclass(frozen=True)
class Move:
    """One change of the champion."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    kind: str
    """promoted, rollback, or accepted: promoted by hand."""
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
    if found is None and (good := were_good(store)):
        raise DamagedRecord(f"{PATH}: missing, though night {good[-1]} was good: {way_out(store)}")
    return found, version


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
    record = read_night(store, to) if is_night(to) else None
    good = _may_return(store, found)
    if record is None or to not in good or not is_whole(store, to):
        names = few_names([name for name in good if is_whole(store, name)])
        raise UsageError(f"{shown(to)} is no good night of {store.describe()} with all its files; there are: {names}")
    return _move(store, found, version, record, Move("rollback", to, at))


def accept(store: Store, night: str, at: str) -> tuple[Champion, bool]:
    """Makes a finished night the champion, whatever the gate said of it; returns whether it wasn't the champion yet.

    Raises:
        UsageError: it is unknown or not finished, a dataset of it has no result, or its files are gone.
        BusyError: somebody else moves the champion at this moment.

    """
    found, version = _readable(store, night)
    if found is not None and found.night == night:
        return found, False
    record = read_night(store, night) if is_night(night) else None
    if record is None:
        remedy = (
            "`sumsquares nightly status` lists the nights; one that is not finished goes on when it is started again"
        )
        raise UsageError(
            f"{shown(night)} is no finished night of {store.describe()}, so it can't be promoted: {remedy}"
        )
    if record["result"] == "failed":
        raise UsageError(f"night {night} can't be promoted: {record['message']}")
    if not run_files(store, night):
        remedy = "promote another night, or train its spec again under another date"
        raise UsageError(f"night {night} can't be promoted: {run_folder(run_name(night))} is gone: {remedy}")
    champion_night(store, night)
    return _move(store, found, version, record, Move(ACCEPTED, night, at)), True


def _move(store: Store, found: Champion | None, version: str, record: Mapping[str, Any], move: Move) -> Champion:
    """Moves the champion by hand; `version` is that of the file, or empty where there is none."""
    tokens = [each["token"] for each in (record, *good_nights(store))]
    known = found or Champion(move.night, record["spec_name"], max(tokens), ())
    moved = replace(known, night=move.night, moves=(*known.moves, move))
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


def _may_return(store: Store, champion: Champion | None) -> list[str]:
    """Nights that were good, or have been champion by a promotion by hand."""
    accepted = [move.night for move in champion.moves if move.kind == ACCEPTED] if champion else []
    return sorted({*(record["night"] for record in good_nights(store)), *accepted})


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
