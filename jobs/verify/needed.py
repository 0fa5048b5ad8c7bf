"""What the specs of a store need: those of runs, of earlier runs that are kept, and of nights, before anything goes.

Where one of them is damaged, missing or behind a link its needs are unknown, and so nothing that a spec may name can be
deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sumsquares.datasets.errors import DataError
from sumsquares.jobs.night.nights import Night, date_of, folder_of, list_nights, run_name
from sumsquares.jobs.night.records import stored_night, trained_spec
from sumsquares.jobs.results.summary_file import SPEC, SUMMARY, read_summary, sha256_of
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_stored
from sumsquares.jobs.spec.seal_line import is_sealed
from sumsquares.jobs.spec.training_version import VERSIONS
from sumsquares.jobs.stages.needs import Needs
from sumsquares.jobs.stages.run_files import is_folder_of
from sumsquares.jobs.storage.layout import hidden_in, unit_of
from sumsquares.jobs.storage.store import Store


@dataclass
class Needed:
    """What is needed, as far as it is known."""

    needs: Needs = field(default_factory=Needs)
    unknown: list[str] = field(default_factory=list)
    """Paths of specs that are damaged or missing, and of links in the place of folders, behind which may be specs."""
    _seen: set[str] = field(default_factory=set)

    def add(self, spec: JobSpec) -> None:
        """Adds a spec's needs: trials of any training version, since it may have been started again after an update."""
        if spec.digest not in self._seen:
            self._seen.add(spec.digest)
            self.needs.add(spec, VERSIONS)


def needed(store: Store, sizes: Mapping[str, int]) -> Needed:
    """Returns what the specs among these files need; `sizes` are those of a listing."""
    units = {unit for path in sizes if (unit := unit_of(path)) is not None}
    runs = sorted(name for kind, name in units if kind == "run")
    nights = list_nights(store)
    found, of_nights = Needed(unknown=hidden_in(sizes)), {f"runs/{run_name(night)}" for night in nights}
    for folder in runs:
        if folder not in of_nights:
            try:
                found.add(intact_spec(store, folder))
            except (FileNotFoundError, SpecError, DataError):
                found.unknown.append(f"{folder}/{SPEC}")
    for night in nights:
        try:
            for spec in _of_night(store, night, has_run=f"runs/{run_name(night)}" in runs):
                found.add(spec)
        except (FileNotFoundError, SpecError, DataError):
            found.unknown.append(f"{folder_of(night)}/spec.toml")
    return found


def intact_spec(store: Store, folder: str) -> JobSpec:
    """Returns the spec in a run's folder if it belongs there, and is the one of the summary beside it.

    Raises:
        FileNotFoundError, SpecError, DataError: it is missing or damaged, or isn't.

    """
    path = f"{folder}/{SPEC}"
    data = store.get(path)
    spec = parse_stored(data, path)
    if not is_folder_of(spec, folder):
        raise SpecError(path, [f"it is the spec of run {spec.name}, digest {spec.digest[:12]}"])
    try:
        summary = read_summary(store.get(f"{folder}/{SUMMARY}"), SUMMARY)
    except (FileNotFoundError, DataError):
        return spec
    named = summary["files"].get(SPEC)
    is_named = is_sealed(data) or named is None or named["sha256"] == sha256_of(data)
    if not is_named or summary["spec_digest"] != spec.digest:
        raise SpecError(path, [f"it is not the spec of the {SUMMARY} beside it"])
    return spec


def _of_night(store: Store, night: str, has_run: bool) -> list[JobSpec]:
    """Returns the spec of a night as it was given, and what it trains."""
    found = stored_night(store, night)
    trained = [trained_spec(store, night)] if has_run and found is not None else []
    if found is not None:
        return [found.spec, found.trained, *trained]
    # No record says whether its data were fresh: both are kept.
    path = f"{folder_of(night)}/spec.toml"
    spec = parse_stored(store.get(path), path)
    both = [Night(date_of(night), spec, fresh) for fresh in (False, True)]
    if both[0].id != night:
        raise SpecError(path, [f"it is the spec of night {both[0].id}"])
    return [spec, *(each.trained for each in both)]
