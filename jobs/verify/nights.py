"""Checks the files of a night (spec.toml, state.json, night.json, scores.parquet) and those that all nights share.

The state.json of a night that has ended follows from its night.json, a spec from another night with the same one, and
the scores from the trials. A lost verdict follows from nothing: the night is judged again, against what is there then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.champion import PATH as CHAMPION
from sumsquares.jobs.night.champion import read_champion, recovery
from sumsquares.jobs.night.context import ResultsCache
from sumsquares.jobs.night.lock import PATH as LOCK
from sumsquares.jobs.night.lock import read_lease
from sumsquares.jobs.night.nights import Night, date_of, folder_of, list_nights, run_files, run_name
from sumsquares.jobs.night.notify import ended_state
from sumsquares.jobs.night.records import (
    Attempt,
    NightRecord,
    NightState,
    encode_state,
    is_of_night,
    parse_night,
    parse_state,
    rerun_remedy,
)
from sumsquares.jobs.night.retention import THROUGH, read_through
from sumsquares.jobs.night.scores import measure_night, scores_path
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.spec.job_spec import SpecError, parse_stored
from sumsquares.jobs.spec.seal_line import is_sealed
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.typed import typed
from sumsquares.jobs.verify.damage import Damage, foreign
from sumsquares.jobs.verify.references import known_night, night_command
from sumsquares.jobs.verify.snapshot import Snapshot

Record = TypeVar("Record", NightRecord, NightState)


@dataclass(frozen=True)
class _Records:
    """night.json and state.json as far as they are intact, and what is wrong with them otherwise."""

    ended: NightRecord | None
    state: NightState | None
    ended_reason: str | None
    """None also if the file is missing."""
    state_reason: str | None


def check_night(snapshot: Snapshot, night: str) -> list[Damage]:
    """Returns what is wrong with a night's files."""
    if not any(unit_of(path) for path in snapshot.store.list(folder_of(night))):
        return []
    ended, ended_reason = _read(snapshot, night, "night", parse_night)
    state, state_reason = _read(snapshot, night, "state", parse_state)
    known = known_night(snapshot.store, night)
    found = _check_spec(snapshot, night, state or ended)
    if ended is not None and known is not None:
        ended_reason = _contradiction(ended, known)
    found += _check_records(snapshot, night, _Records(ended, state, ended_reason, state_reason), known)
    return found + _check_scores(snapshot, night, ended, known)


def check_record(snapshot: Snapshot, path: str) -> list[Damage]:
    """Returns what is wrong with one of the files that all nights share."""
    if path == LOCK:
        return _check_lock(snapshot)
    if path == CHAMPION:
        return _check_champion(snapshot)
    return _check_pruned(snapshot)


def _read(
    snapshot: Snapshot, night: str, kind: str, parse: Callable[[bytes, str], Record]
) -> tuple[Record | None, str | None]:
    """Returns night.json or state.json if it is intact, and what is wrong with it if it isn't."""
    path = f"{folder_of(night)}/{kind}.json"
    if (data := snapshot.get(path)) is None:
        return None, None
    try:
        found = parse(data, path)
    except DamagedRecord as error:
        return None, _reason(error, path)
    return (found, None) if is_of_night(found, night) else (None, f"it is that of night {found.night}")


def _contradiction(ended: NightRecord, night: Night) -> str | None:
    """Returns how an intact night.json contradicts its night."""
    promised = {
        "spec_name": night.spec.name,
        "spec_digest": night.spec.digest,
        "run": run_name(night.id),
        "trained_digest": night.trained.digest,
    }
    wrong = [name for name, value in promised.items() if getattr(ended, name) != value]
    return f"its {wrong[0]} is not that of the night" if wrong else None


def _check_records(snapshot: Snapshot, night: str, records: _Records, known: Night | None) -> list[Damage]:
    """Returns what is wrong with night.json and state.json, or missing."""
    ended, state, found = records.ended, records.state, list[Damage]()

    # A lost verdict follows from nothing, so the night is judged again.
    reason = records.ended_reason
    if reason is None and ended is None and state is not None and state.state == "ended":
        reason = "missing, though state.json says that the night has ended"
    if reason is not None:
        first = f"once {CHAMPION} is intact, " if _is_champion_lost(snapshot) else ""
        judged = f"{first}{night_command(snapshot.store, known, night)} judges it again, against what is there then"
        found.append(Damage(f"{folder_of(night)}/night.json", "record", reason, judged))

    # The state of a night that has ended follows from an intact night.json.
    intact, reason = (ended if reason is None else None), records.state_reason
    if reason is None and state is None and _was_begun(snapshot, night, ended):
        reason = "missing, though the night was begun"
    if reason is not None:
        path = f"{folder_of(night)}/state.json"
        if intact is not None:
            data = encode_state(ended_state(intact))
            found.append(Damage(path, "record", reason, "", rewrites=lambda: {path: data}))
        else:
            again = f"{night_command(snapshot.store, known, night)} rewrites it"
            found.append(Damage(path, "record", reason, again))
    return found


def _is_champion_lost(snapshot: Snapshot) -> bool:
    """Whether the champion's file is damaged or lost, so that no night can be judged."""
    try:
        read_champion(snapshot.store)
    except DataError:
        return True
    return False


def _was_begun(snapshot: Snapshot, night: str, ended: NightRecord | None) -> bool:
    """Whether files exist that a night gets only after its state.json."""
    return ended is not None or snapshot.store.exists(scores_path(night)) or bool(run_files(snapshot.store, night))


def _check_spec(snapshot: Snapshot, night: str, record: Attempt | None) -> list[Damage]:
    path = f"{folder_of(night)}/spec.toml"
    reason = _spec_damage(snapshot.get(path), path, night, record)
    if reason is None:
        return []
    if (copy := _copy_of(snapshot, night, record)) is not None:
        return [Damage(path, "spec", reason, "", rewrites=lambda: {path: copy})]
    return [Damage(path, "spec", reason, rerun_remedy(snapshot.store, night))]


def _spec_damage(data: bytes | None, path: str, night: str, record: Attempt | None) -> str | None:
    """Returns what is wrong with the bytes of a night's spec."""
    if data is None:
        return "missing"
    try:
        found = Night(date_of(night), parse_stored(data, path), bool(record and record.fresh))
    except SpecError as error:
        return error.problems[0]
    if found.id != night or (record is not None and record.spec_name != found.spec.name):
        return "it is not the spec that the night's name promises"
    stated = record.source_sha256 if record and "source_sha256" in record.model_fields_set else None
    if not is_sealed(data) and stated not in (None, sha256_of(data)):
        return "damaged, it has lost its seal and is not the file that the night's records name"
    return None


def _copy_of(snapshot: Snapshot, night: str, record: Attempt | None) -> bytes | None:
    """Returns the spec as another night has it, preferably the identical file."""
    copies = []
    for other in list_nights(snapshot.store):
        path = f"{folder_of(other)}/spec.toml"
        data = snapshot.get(path) if other != night and other[10:] == night[10:] else None
        if data is not None and _spec_damage(data, path, night, record) is None:
            copies.append(data)
    same = [data for data in copies if record and record.source_sha256 == sha256_of(data)]
    return next(iter([*same, *copies]), None)


def _check_scores(snapshot: Snapshot, night: str, ended: NightRecord | None, known: Night | None) -> list[Damage]:
    path = scores_path(night)
    data = snapshot.get(path) if ended is not None else None
    if ended is None or (data is not None and sha256_of(data) == ended.scores_sha256):
        return []
    if data is not None and not is_ours(path, data):
        return [foreign(path)]
    reason = "missing" if data is None else "its SHA-256 is not the one that night.json names"
    again = f"{night_command(snapshot.store, known, night)} measures it again"
    if known is not None and known.spec.is_earlier and not snapshot.are_stored(known.trained):
        again = "trials that an earlier version trained are gone, so it can't be measured again: put a copy back"
    if known is None or not snapshot.are_stored(known.trained):
        return [Damage(path, "scores", reason, again)]
    measured = partial(_measured, snapshot, known, ended.scores_sha256)
    return [Damage(path, "scores", reason, "", rewrites=lambda: {path: measured()}, fallback=again)]


def _measured(snapshot: Snapshot, night: Night, sha256: str) -> bytes:
    """Returns the file of scores, measured again to the same bytes.

    Raises:
        DamagedRecord: trials of the night are lost, or this version of pyarrow writes other bytes.

    """
    _, data = measure_night(snapshot.store, night, ResultsCache())
    if sha256_of(data) != sha256:
        raise DamagedRecord(f"{scores_path(night.id)}: other bytes than night.json names")
    return data


def _check_pruned(snapshot: Snapshot) -> list[Damage]:
    if (data := snapshot.get(THROUGH)) is None:
        return []
    try:
        read_through(data)
    except DamagedRecord as error:
        if not is_ours(THROUGH, data):
            return [foreign(THROUGH)]
        remedy = (
            "the next night that deletes old ones writes it again; until then their dates may be reported as missed"
        )
        return [Damage(THROUGH, "record", _reason(error, THROUGH), remedy, (THROUGH,))]
    return []


def _check_lock(snapshot: Snapshot) -> list[Damage]:
    try:
        read_lease(snapshot.store)
    except DamagedRecord as error:
        unlock, again = typed(snapshot.store, "nightly", "unlock"), typed(snapshot.store, "verify")
        remedy = f"make sure that no night runs, then {unlock}, then {again} again"
        return [Damage(LOCK, "lock", _reason(error, LOCK).partition(": ")[0], remedy)]
    return []


def _check_champion(snapshot: Snapshot) -> list[Damage]:
    """Checks the file that names the champion; the files of its night are checked like those of any night."""
    store = snapshot.store
    try:
        champion, _ = read_champion(store)
    except DamagedRecord as error:
        remedy = recovery(store)
        return [Damage(CHAMPION, "champion", _reason(error, CHAMPION).removesuffix(f": {remedy}"), remedy)]
    if champion is None or store.list(folder_of(champion.night)) or run_files(store, champion.night):
        return []
    reason = f"it names night {champion.night}, of which nothing is in the store"
    return [Damage(CHAMPION, "champion", reason, recovery(store, champion.night))]


def _reason(error: Exception, path: str) -> str:
    return str(error).removeprefix(f"{path}: ")
