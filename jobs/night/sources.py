"""The specs of a night in the store: its own, and that of the run which trained it. Both follow from the night's id.

So they are compared with it before they are used, and written anew when the night is started again.
"""

from __future__ import annotations

from sumsquares.jobs.night.nights import (
    Night,
    folder_of,
    keep_source,
    read_night,
    run_name,
    start_again,
    stored_night,
)
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.seal_line import seal_text
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import Store


def trained_spec(store: Store, night: str) -> JobSpec:
    """What a night has trained, as its run says.

    Raises:
        DamagedRecord: the run's spec is gone, or is not what the night trained.

    """
    path = f"{run_folder(run_name(night))}/job.toml"
    expected = _trained_digest(store, night)
    try:
        spec = parse_stored(store.get(path), path)
    except FileNotFoundError:
        raise DamagedRecord(f"{path}: missing: {start_again(store, night)}") from None
    except SpecError:
        spec = None
    if expected is None:
        remedy = start_again(store, night)
        raise DamagedRecord(f"{folder_of(night)}: nothing there says any more what it trained: {remedy}")
    if spec is None or (spec.name, spec.digest) != (run_name(night), expected):
        raise DamagedRecord(f"{path}: damaged, it is not what night {night} trained: {start_again(store, night)}")
    return spec


def mend_specs(store: Store, night: Night) -> None:
    """Writes the spec of a night that was begun, and of its run once it has ended, where it isn't what it was."""
    if not store.list(folder_of(night.id)):
        return
    try:
        whole = stored_night(store, night.id) is not None
    except DamagedRecord:
        whole = False
    if not whole:
        keep_source(store, night)
    record = read_night(store, night.id)
    if record is None or record["trained_digest"] != night.trained.digest:
        return
    try:
        trained_spec(store, night.id)
    except DamagedRecord:
        store.put(f"{run_folder(night.run)}/job.toml", seal_text(night.trained.source_text))


def _trained_digest(store: Store, night: str) -> str | None:
    """The digest of what a night trained; None where nothing whole tells."""
    if (record := read_night(store, night)) is not None:
        return str(record["trained_digest"])
    found = stored_night(store, night)
    return found.trained.digest if found else None
