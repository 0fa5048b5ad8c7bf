"""The files of a night, whole: its spec, how far it has come, how it ended, its scores; and the nights' own files.

state.json of a night that has ended follows from its night.json, a spec that another night has too from that one,
scores from the trials. A verdict follows from nothing any more: the night is judged again, by what is there then.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.champion import read_champion
from sumsquares.jobs.night.lock import PATH as LOCK
from sumsquares.jobs.night.lock import read_lease
from sumsquares.jobs.night.lost import PATH as CHAMPION
from sumsquares.jobs.night.lost import way_out
from sumsquares.jobs.night.nights import Night, date_of, folder_of, list_nights, run_files, run_name, start_again
from sumsquares.jobs.night.reading import Reading
from sumsquares.jobs.night.records import SHAPES
from sumsquares.jobs.night.retention import THROUGH, read_through
from sumsquares.jobs.night.scores import measure_night, scores_path
from sumsquares.jobs.night.telling import ended_state
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.spec.job_spec import SpecError, parse_stored
from sumsquares.jobs.spec.seal_line import is_sealed
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.typed import typed
from sumsquares.jobs.verify.damage import Damage, foreign
from sumsquares.jobs.verify.references import known_night, night_command
from sumsquares.jobs.verify.snapshot import Snapshot


def check_night(snapshot: Snapshot, night: str) -> list[Damage]:
    """What is wrong with a night's files."""
    if not any(unit_of(path) for path in snapshot.store.list(folder_of(night))):
        return []
    records: dict[str, dict[str, Any]] = {}
    reasons = {kind: _record_damage(snapshot, night, kind, records) for kind in ("night", "state")}
    found = _check_spec(snapshot, night, records)
    known = known_night(snapshot.store, night)
    if (ended := records.get("night")) is not None and known is not None:
        reasons["night"] = _contradiction(ended, known)
    found += _check_records(snapshot, night, records, reasons, known)
    return found + _check_scores(snapshot, night, ended, known)


def check_record(snapshot: Snapshot, path: str) -> list[Damage]:
    """What is wrong with one of the nights' own files."""
    if path == LOCK:
        return _check_lock(snapshot)
    if path == CHAMPION:
        return _check_champion(snapshot)
    return _check_pruned(snapshot)


def _record_damage(snapshot: Snapshot, night: str, kind: str, records: dict[str, dict[str, Any]]) -> str | None:
    """What is wrong with night.json or state.json, which is put among the records if it is whole."""
    path = f"{folder_of(night)}/{kind}.json"
    if (data := snapshot.get(path)) is None:
        return None
    try:
        found: dict[str, Any] = unseal(data, path, "", SHAPES[kind]).model_dump(exclude_unset=True)
    except DamagedRecord as error:
        return _reason(error, path)
    if (found["night"], found["date"]) != (night, date_of(night).isoformat()):
        return f"it is that of night {found['night']}"
    records[kind] = found
    return None


def _contradiction(ended: dict[str, Any], night: Night) -> str | None:
    """What a whole night.json says otherwise than its night is."""
    promised = {
        "spec_name": night.spec.name,
        "spec_digest": night.spec.digest,
        "run": run_name(night.id),
        "trained_digest": night.trained.digest,
    }
    wrong = [name for name, value in promised.items() if ended[name] != value]
    return f"its {wrong[0]} is not that of the night" if wrong else None


def _check_records(
    snapshot: Snapshot,
    night: str,
    records: dict[str, dict[str, Any]],
    reasons: dict[str, str | None],
    known: Night | None,
) -> list[Damage]:
    """What is wrong with night.json and state.json, or missing."""
    ended, state = records.get("night"), records.get("state")
    paths = {kind: f"{folder_of(night)}/{kind}.json" for kind in reasons}
    found = []
    if reasons["night"] is None and ended is None and state is not None and state["state"] == "ended":
        reasons["night"] = "missing, though state.json says that the night has ended"
    if reasons["state"] is None and state is None and _was_begun(snapshot, night, ended):
        reasons["state"] = "missing, though the night was begun"
    if reasons["night"] is not None:
        first = f"once {CHAMPION} is whole, " if _is_champion_lost(snapshot) else ""
        judged = f"{first}{night_command(snapshot.store, known, night)} judges it again, by what is there then"
        found.append(Damage(paths["night"], "record", reasons["night"], judged))
        ended = None
    if reasons["state"] is not None:
        path = paths["state"]
        if ended is not None:
            anew = ended_state(ended)
            found.append(
                Damage(path, "record", reasons["state"], "", rewrites=lambda: {path: seal({"format": 1, **anew})})
            )
        else:
            again = f"{night_command(snapshot.store, known, night)} writes it anew"
            found.append(Damage(path, "record", reasons["state"], again))
    return found


def _is_champion_lost(snapshot: Snapshot) -> bool:
    """Whether no night can be judged before the champion's file is put right."""
    try:
        read_champion(snapshot.store)
    except DataError:
        return True
    return False


def _was_begun(snapshot: Snapshot, night: str, ended: dict[str, Any] | None) -> bool:
    """Whether there are files that a night without a state.json has not."""
    return ended is not None or snapshot.store.exists(scores_path(night)) or bool(run_files(snapshot.store, night))


def _check_spec(snapshot: Snapshot, night: str, records: dict[str, dict[str, Any]]) -> list[Damage]:
    path = f"{folder_of(night)}/spec.toml"
    data, facts = snapshot.get(path), records.get("state") or records.get("night")
    reason = _spec_damage(data, path, night, facts)
    if reason is None:
        return []
    if (copy := _copy_of(snapshot, night, facts)) is not None:
        return [Damage(path, "spec", reason, "", rewrites=lambda: {path: copy})]
    return [Damage(path, "spec", reason, start_again(snapshot.store, night))]


def _spec_damage(data: bytes | None, path: str, night: str, facts: dict[str, Any] | None) -> str | None:
    """What is wrong with the bytes of a night's spec."""
    if data is None:
        return "missing"
    try:
        found = Night(date_of(night), parse_stored(data, path), bool(facts and facts["fresh"]))
    except SpecError as error:
        return error.problems[0]
    if found.id != night or (facts is not None and facts["spec_name"] != found.spec.name):
        return "it is not the spec that the night's name promises"
    stated = facts.get("source_sha256") if facts else None
    if not is_sealed(data) and stated not in (None, sha256_of(data)):
        return "damaged, it has lost its seal and is not the file that the night's records name"
    return None


def _copy_of(snapshot: Snapshot, night: str, facts: dict[str, Any] | None) -> bytes | None:
    """The spec as another night keeps it, the very same file if there is one."""
    copies = []
    for other in list_nights(snapshot.store):
        path = f"{folder_of(other)}/spec.toml"
        data = snapshot.get(path) if other != night and other[10:] == night[10:] else None
        if data is not None and _spec_damage(data, path, night, facts) is None:
            copies.append(data)
    same = [data for data in copies if facts and facts.get("source_sha256") == sha256_of(data)]
    return next(iter([*same, *copies]), None)


def _check_scores(snapshot: Snapshot, night: str, ended: dict[str, Any] | None, known: Night | None) -> list[Damage]:
    path = scores_path(night)
    data = snapshot.get(path) if ended is not None else None
    if ended is None or (data is not None and sha256_of(data) == ended["scores_sha256"]):
        return []
    if data is not None and not is_ours(path, data):
        return [foreign(path)]
    reason = "missing" if data is None else "its SHA-256 is not the one that night.json names"
    again = f"{night_command(snapshot.store, known, night)} measures it again"
    if known is None or not snapshot.are_stored(known.trained):
        return [Damage(path, "scores", reason, again)]
    measured = partial(_measured, snapshot, known, ended["scores_sha256"])
    return [Damage(path, "scores", reason, "", rewrites=lambda: {path: measured()}, fallback=again)]


def _measured(snapshot: Snapshot, night: Night, sha256: str) -> bytes:
    """The scores as they were.

    Raises:
        DamagedRecord: trials of the night are lost, or this version of pyarrow writes other bytes.

    """
    _, data = measure_night(snapshot.store, night, Reading())
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
        remedy = "the next night that deletes old ones writes it again; until then their dates may be told as missed"
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
    """The file that names the champion; its night's own files are checked with those of all nights."""
    store = snapshot.store
    try:
        champion, _ = read_champion(store)
    except DamagedRecord as error:
        remedy = way_out(store)
        return [Damage(CHAMPION, "champion", _reason(error, CHAMPION).removesuffix(f": {remedy}"), remedy)]
    if champion is None or store.list(folder_of(champion.night)) or run_files(store, champion.night):
        return []
    reason = f"it names night {champion.night}, of which nothing is in the store"
    return [Damage(CHAMPION, "champion", reason, way_out(store, champion.night))]


def _reason(error: Exception, path: str) -> str:
    return str(error).removeprefix(f"{path}: ")
