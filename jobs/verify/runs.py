"""Checks the files of a run, of an earlier run that is kept, or of a night's run: what follows from the spec.

A sealed summary.json names the other files. If one of them is damaged, all that follow from the spec are deleted, the
summary first: a run without them counts as unfinished. Files of an earlier version have no seal: fewer faults are
found there.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sumsquares.datasets.differences import UNREADABLE
from sumsquares.jobs.night.nights import run_name
from sumsquares.jobs.pipeline.summarizing import files_of_run
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary, sha256_of
from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.seal_line import is_sealed, seal_text
from sumsquares.jobs.stages.run_files import is_folder_of, write_anew
from sumsquares.jobs.stages.running import damage_of
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.layout import DERIVED
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed
from sumsquares.jobs.verify.damage import Damage, foreign
from sumsquares.jobs.verify.references import known_night, night_command, run_command
from sumsquares.jobs.verify.run_spec import (
    RunFolder,
    check_spec,
    copy_of,
    delete_by_hand,
    spec_damage,
    spec_of,
)
from sumsquares.jobs.verify.snapshot import Snapshot


def check_run(snapshot: Snapshot, folder: str) -> list[Damage]:
    """Returns what is wrong with the files in a run's folder."""
    read = {name: snapshot.get(f"{folder}/{name}") for name in (SPEC, *DERIVED)}
    files = {name: data for name, data in read.items() if data is not None}
    name = folder.removeprefix("runs/")
    night = known_night(snapshot.store, name.removeprefix(run_name(""))) if name.startswith(run_name("")) else None
    run = RunFolder(snapshot, folder, files, night)
    summary, reason = _summary(run)
    spec, found = check_spec(run, summary)
    if reason is None and summary is not None and (other := _contradiction(run, spec, summary)) is not None:
        if copy_of(run, summary, is_exact=True) is None:
            reason = other
        else:
            found.append(spec_damage(run, summary, f"it is not the file that {SUMMARY} names"))
    run = replace(run, has_spec=all(each.rewrites is not None for each in found))
    if reason is not None:
        found.append(_derived(run, SUMMARY, reason))
    elif summary is None and files.keys() & set(DERIVED):
        found.append(_derived(run, SUMMARY, "missing, though files beside it were written before it"))
    if summary is not None and not summary["files"]:
        return found + _check_old(run)
    return found + _check_named(run, summary or {"files": {}})


def check_running(snapshot: Snapshot, path: str) -> list[Damage]:
    """Returns what is wrong with the record of a command that works in the store."""
    data = snapshot.get(path)
    if data is None or (reason := damage_of(data, path)) is None:
        return []
    if not is_ours(path, data):
        return [foreign(path)]
    return [Damage(path, "running", reason, "a command that still works writes it again", (path,))]


def _summary(run: RunFolder) -> tuple[dict[str, Any] | None, str | None]:
    """Returns the summary's content, and what is wrong with it."""
    data, path = run.files.get(SUMMARY), f"{run.folder}/{SUMMARY}"
    if data is None:
        return None, None
    try:
        found = read_summary(data, path)
    except DamagedRecord as error:
        return None, str(error).removeprefix(f"{path}: ")
    if not found["files"] and (json.dumps(json.loads(data), indent=1) + "\n").encode() != data:
        return None, "damaged, its content is valid, but in other bytes than were written"
    return found, None


def _contradiction(run: RunFolder, spec: JobSpec | None, summary: dict[str, Any]) -> str | None:
    """Returns how an intact summary contradicts the intact spec beside it."""
    if spec is None:
        return None
    if summary["spec_digest"] != spec.digest:
        return f"it is not the summary of the {SPEC} beside it"
    named = summary["files"].get(SPEC)
    if named is not None and is_sealed(run.files[SPEC]) and named["sha256"] != sha256_of(run.files[SPEC]):
        return f"the {SPEC} beside it was written later"
    return None


def _derived(run: RunFolder, name: str, reason: str) -> Damage:
    """Returns the damage of a file that follows from the spec."""
    path, data = f"{run.folder}/{name}", run.files.get(name)
    if data is not None and not is_ours(path, data):
        return foreign(path)
    if run.is_kept:
        return _derived_of_kept(run, path, reason)
    if not run.has_spec:
        return Damage(
            path, "summary", reason, f"restore {run.folder}/{SPEC} first, see its own entry: this file follows from it"
        )
    if (lost := _lost(run)) is not None:
        return Damage(path, "summary", reason, lost)
    all_of_it = {each: run.files[each] for each in DERIVED if each in run.files}
    deletes = tuple(f"{run.folder}/{each}" for each, has in all_of_it.items() if is_ours(f"{run.folder}/{each}", has))
    return Damage(path, "summary", reason, _again(run), deletes)


def _derived_of_kept(run: RunFolder, path: str, reason: str) -> Damage:
    """Returns the same for an earlier run, which no run rewrites: repair does, if the store has all of its trials."""
    spec = spec_of(run)
    if spec is None or not is_folder_of(spec, run.folder):
        return Damage(path, "summary", reason, delete_by_hand(run))
    if _lost(run) is not None:
        return Damage(path, "summary", reason, delete_by_hand(run))
    train = run_command(run.snapshot.store, "train", run.folder)
    otherwise = f"{train}, then {typed(run.snapshot.store, 'verify', '--repair')} rewrites it"
    if not run.snapshot.are_stored(spec):
        return Damage(path, "summary", reason, otherwise)
    rebuilt = partial(_rebuilt, run.snapshot.store, run.folder, spec)
    return Damage(path, "summary", reason, "", rewrites=rebuilt, fallback=otherwise)


def _lost(run: RunFolder) -> str | None:
    """Returns the remedy for files that can't be made again: trials of an earlier training version are gone."""
    spec = spec_of(run) if run.night is None else run.night.trained
    if spec is None or not spec.is_earlier or run.snapshot.are_stored(spec):
        return None
    again = "" if run.night else f", or {run_command(run.snapshot.store, 'run', run.folder)} trains its trials anew"
    return f"trials that an earlier version trained are gone, so it can't be made again: put a copy back{again}"


def _rebuilt(store: Store, folder: str, spec: JobSpec) -> dict[str, bytes]:
    """Returns the files of an earlier run by path, the summary last; its environment and times are those of now.

    Raises:
        DataError: a model that the summary shows is damaged or gone.

    """
    made = {SPEC: seal_text(spec.stored_text), **files_of_run(spec, store)}
    return {f"{folder}/{name}": data for name, data in made.items()}


def _again(run: RunFolder) -> str:
    spec = spec_of(run)
    if run.night_id is None and spec is None:
        return write_anew(run.snapshot.store)
    if run.night_id is not None:
        return f"{night_command(run.snapshot.store, run.night, run.night_id)} makes it again"
    verb = "summarize" if spec is None or run.snapshot.are_stored(spec) else "run"
    return f"{run_command(run.snapshot.store, verb, run.folder)} makes it again"


def _check_named(run: RunFolder, summary: dict[str, Any]) -> list[Damage]:
    """Checks the files that the summary names, except the spec."""
    found = []
    for name, named in summary["files"].items():
        data = run.files.get(name) if name in DERIVED else run.snapshot.get(f"{run.folder}/{name}")
        if name == SPEC or (data is not None and sha256_of(data) == named["sha256"]):
            continue
        reason = f"missing, though {SUMMARY} names it" if data is None else "its bytes are not those that were written"
        found.append(_derived(run, name, reason))
    return found


def _check_old(run: RunFolder) -> list[Damage]:
    """Checks that files which no hash covers can be read to their end."""
    table, page = run.files.get("summary.parquet"), run.files.get("report.html")
    wrong = []
    if table is not None:
        try:
            pq.read_table(pa.BufferReader(table))
        except UNREADABLE as error:
            wrong.append(_derived(run, "summary.parquet", f"it can't be read: {error}"))
    if page is not None and not page.rstrip().endswith(b"</html>"):
        wrong.append(_derived(run, "report.html", "it is cut off"))
    missing = [name for name in ("summary.parquet", "report.html") if name not in run.files]
    return wrong + [_derived(run, name, f"missing beside its {SUMMARY}") for name in missing]
