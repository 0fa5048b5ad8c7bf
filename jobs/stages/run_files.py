"""The files of a run in the store. They always belong to one run, and an earlier run of the same name is kept.

`runs/<name>/` holds the run that finished last. When a run with another spec finishes, the files of the earlier one
move to `runs/<name>/previous/<first 12 digits of its spec's digest>/`, and so do those of the same spec by another
training version; from version 4 on, the folder's name ends with it. Trials are stored apart from runs: those that
both specs have are not trained again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary, sha256_of
from sumsquares.jobs.spec.difference import describe_difference
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.seal_line import is_sealed, seal_text
from sumsquares.jobs.spec.training_version import TRAINING_VERSION, UNRECORDED, VERSIONS
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.layout import unit_of
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed

PREVIOUS = "previous"


class DamagedSpec(DataError):  # noqa: N818  its base says that it is an error
    """The stored spec of a run is not the one that was run."""


def write_anew(store: Store) -> str:
    """The remedy for a damaged job.toml or summary.json."""
    return f"run {typed(store, 'summarize', 'SPEC')} to write it anew, with the spec that was run"


def run_folder(name: str) -> str:
    """Path of a run's folder."""
    return f"runs/{name}"


def spec_path(name: str) -> str:
    """Path of a run's spec."""
    return f"{run_folder(name)}/{SPEC}"


def kept_folder(spec: JobSpec) -> str:
    """Path of the folder of an earlier run: it names the spec and the training version."""
    version = f"-{spec.training_version}" if spec.training_version != UNRECORDED else ""
    return f"{run_folder(spec.name)}/{PREVIOUS}/{spec.digest[:12]}{version}"


def is_folder_of(spec: JobSpec, folder: str) -> bool:
    """Whether it is where a run of this spec has its files, or had them moved to, at any training version."""
    return folder in (run_folder(spec.name), *(kept_folder(spec.trained_by(version)) for version in VERSIONS))


def stored_spec(store: Store, name: str, unfinished: int = TRAINING_VERSION) -> JobSpec | None:
    """The spec of the last run of that name at its training version, or None.

    `unfinished` is the training version of a run that has no summary, which would name it. The limit on trials was
    checked when it ran, and isn't again.

    Raises:
        DamagedSpec: it can't be read, or is that of a run of another name.

    """
    path = spec_path(name)
    try:
        data = store.get(path)
        spec = parse_stored(data, path)
    except FileNotFoundError:
        return None
    except SpecError as error:
        raise DamagedSpec(f"{error}; {write_anew(store)}") from error
    if spec.name != name:
        raise DamagedSpec(f"{path}: damaged, it is the spec of run {spec.name}: {write_anew(store)}")
    summary = _summary_of(store, name)
    if not is_sealed(data) and not _is_named(summary, data):
        raise DamagedSpec(
            f"{path}: damaged, it has lost its seal and is not the file that {SUMMARY} names: {write_anew(store)}"
        )
    return spec.trained_by(summary["training_version"] if summary else unfinished)


def is_of_another(store: Store, spec: JobSpec) -> bool:
    """Whether the last run of the spec's name has another spec or is of another training version."""
    try:
        earlier = stored_spec(store, spec.name, spec.training_version)
    except DamagedSpec:
        return False
    return earlier is not None and kept_folder(earlier) != kept_folder(spec)


def difference_to_earlier(store: Store, spec: JobSpec) -> list[str]:
    """How the spec differs from that of the earlier run of its name; empty if there is none that can be read."""
    try:
        earlier = stored_spec(store, spec.name)
    except DamagedSpec:
        return []
    return describe_difference(earlier, spec) if earlier else []


def begin_run(store: Store, spec: JobSpec) -> None:
    """Writes the spec of a run with a new name; an earlier run of the name stays as it is."""
    if not store.exists(spec_path(spec.name)):
        store.put(spec_path(spec.name), seal_text(spec.stored_text))


def publish_run(store: Store, spec: JobSpec, files: Mapping[str, bytes]) -> str | None:
    """Replaces an earlier run by a finished one; returns the folder that the earlier one was moved to, if any.

    `files` by name, SUMMARY last. Of two concurrent calls the second waits. After an interruption the run has no
    summary until it is summarised again.
    """
    assert [*files][-1] == SUMMARY
    folder = run_folder(spec.name)
    with store.turn(f"{folder}/{SUMMARY}"):
        aside = _move_aside(store, spec)
        store.put(spec_path(spec.name), seal_text(spec.stored_text))
        for name, data in files.items():
            store.put(f"{folder}/{name}", data)
    return aside


def _move_aside(store: Store, spec: JobSpec) -> str | None:
    """Copies an earlier run of another spec or training version, then deletes its files except the spec."""
    try:
        earlier = stored_spec(store, spec.name, spec.training_version)
    except DamagedSpec:  # its spec is unknown, and its name is needed
        store.delete(f"{run_folder(spec.name)}/{SUMMARY}")
        return None
    if earlier is None or kept_folder(earlier) == kept_folder(spec):
        return None
    folder, aside = run_folder(spec.name), kept_folder(earlier)
    ours = ("run", folder)  # foreign files stay; those of still earlier runs belong to units of their own
    files = [path for path in store.list(folder) if unit_of(path) == ours]
    for path in files:
        store.put(f"{aside}/{path.removeprefix(folder + '/')}", store.get(path))
    # The summary is deleted first, since it marks a run as complete, and the spec is replaced later: if interrupted
    # before that, the next call finds the earlier spec and starts again.
    for path in sorted(files, key=lambda path: not path.endswith(f"/{SUMMARY}")):
        if path != spec_path(spec.name):
            store.delete(path)
    return aside


def _summary_of(store: Store, name: str) -> dict[str, Any] | None:
    """The content of a run's summary; None if it is missing or damaged."""
    path = f"{run_folder(name)}/{SUMMARY}"
    try:
        return read_summary(store.get(path), path)
    except (FileNotFoundError, DamagedRecord):
        return None


def _is_named(summary: Mapping[str, Any] | None, data: bytes) -> bool:
    """Whether a spec without a seal is the one that the summary beside it records, if it records one."""
    named = summary["files"].get(SPEC) if summary else None
    return named is None or named["sha256"] == sha256_of(data)
