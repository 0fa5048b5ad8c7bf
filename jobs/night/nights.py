"""A night: its logical date and its spec, the names that follow from them, and its files in the store.

    nightly/<date>-<digest>/spec.toml     the spec as it was given
    nightly/<date>-<digest>/state.json    how far it has come; written at each start and when it fails
    nightly/<date>-<digest>/scores.parquet  how good its trials are: see jobs.night.scores
    nightly/<date>-<digest>/night.json    how it ended; written last, and once it is there the night is finished
    runs/night-<date>-<digest>/           the run that trained it, an ordinary one

Nothing is trained or decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from sumsquares.jobs.night.records import SHAPES
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.spec.job_spec import JobSpec, SpecError, parse_spec, parse_stored
from sumsquares.jobs.spec.seal_line import is_sealed, seal_text
from sumsquares.jobs.stages.foreign import refuse_foreign
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.layout import is_night
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.storage.typed import typed

FOLDER = "nightly"
GOOD = ("first", "better", "same")
"""Results of a night that is at least as good as its champion."""
SILENT = ("running", "stopped")
"""States of a night that has not ended, of which nobody has been told."""
NAMES = ("spec.toml", "state.json", "night.json", "scores.parquet")
"""Files of a night."""
_NO_LIMIT = 2**63


@dataclass(frozen=True)
class Night:
    """One night of a spec."""

    date: date
    """Logical, in UTC: the night's name, whenever it is started."""
    spec: JobSpec
    """As it was given; its datasets' test splits are what all its nights are measured on."""
    fresh: bool = False
    """Whether it trains on rows of its own."""

    @property
    def id(self) -> str:
        """Such as 2026-11-22-0123456789ab."""
        return f"{self.date.isoformat()}-{self.spec.digest[:12]}"

    @property
    def run(self) -> str:
        """The name of the run that trains it."""
        return run_name(self.id)

    @cached_property
    def trained(self) -> JobSpec:
        """What is trained: the spec under the run's name; of a fresh night with the dates' own training rows."""
        raw = self.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
        raw["name"] = self.run
        if self.fresh:
            for dataset in raw["dataset"]:
                dataset["seed"] = fresh_seed(self.date, dataset.get("seed", 0))
        return parse_spec(_toml(raw).encode(), f"night {self.id}", max_trials=_NO_LIMIT)


def fresh_seed(day: date, seed: int) -> int:
    """The seed of a dataset's rows on that day. Datasets of one seed still draw from one stream."""
    digest = hashlib.sha256(f"sumsquares night {day.isoformat()} seed {seed}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def run_name(night: str) -> str:
    """The run of a night."""
    return f"night-{night}"


def folder_of(night: str) -> str:
    """Where a night's files lie."""
    return f"{FOLDER}/{night}"


def list_nights(store: Store) -> list[str]:
    """Ids of all nights in the store, finished or not, in the order of their dates.

    Other names are foreign. A night whose folder is a link is one too.
    """
    paths = [path.split("/") for path in store.list(FOLDER)]
    names = {path[1] for path in paths if path[2:] == [] or (len(path) == 3 and path[2] in NAMES)}
    return sorted(name for name in names if is_night(name))


def date_of(night: str) -> date:
    """The logical date in an id."""
    return date.fromisoformat(night[:10])


def read_night(store: Store, night: str) -> dict[str, Any] | None:
    """How a night ended; None if it hasn't, or if the file that says so is damaged: it is then made anew."""
    return _read(store, night, "night")


def read_state(store: Store, night: str) -> dict[str, Any] | None:
    """How far a night has come; None if it was never started, or if the file that says so is damaged."""
    return _read(store, night, "state")


def write_record(store: Store, night: str, kind: str, body: Mapping[str, Any]) -> None:
    """Writes night.json or state.json."""
    store.put(f"{folder_of(night)}/{kind}.json", seal({"format": 1, **body}))


def keep_source(store: Store, night: Night) -> None:
    """Keeps the spec as it was given."""
    store.put(f"{folder_of(night.id)}/spec.toml", seal_text(night.spec.source_text))


def stored_night(store: Store, night: str) -> Night | None:
    """A night of the store, or None if it is gone, or nothing whole says whether its data were fresh.

    Raises:
        DamagedRecord: its spec is not the one that its id promises.

    """
    path = f"{folder_of(night)}/spec.toml"
    facts = read_state(store, night) or read_night(store, night)
    try:
        text = store.get(path)
    except FileNotFoundError:
        return None
    if facts is None:
        return None
    try:
        found = Night(date_of(night), parse_stored(text, path), facts["fresh"])
    except SpecError:
        found = None
    # Without a seal an earlier version wrote it, unless the record says that this one did: then the end was cut off.
    is_whole = is_sealed(text) or facts.get("source_sha256", sha256_of(text)) == sha256_of(text)
    if found is None or found.id != night or not is_whole:
        remedy = start_again(store, night)
        raise DamagedRecord(f"{path}: damaged, it is not the spec that the night's name promises: {remedy}")
    return found


def start_again(store: Store, night: str) -> str:
    """The remedy for a night's specs, which follow from its own: see jobs.night.sources."""
    other = typed(store, "nightly", "rollback", "--to", "NIGHT")
    return f"{start_by_hand(store, night)} writes it anew; or {other} makes another night the champion"


def start_by_hand(store: Store, night: str) -> str:
    """What starts a night again whose spec is not in the store."""
    given = typed(store, "nightly", "SPEC", "--date", str(date_of(night)))
    return f"{given} with the night's own spec (and --fresh-data if it had that)"


def run_files(store: Store, night: str) -> list[str]:
    """The files of its run, the spec last: it says which trials are the night's."""
    folder = run_folder(run_name(night))
    return sorted(store.list(folder), key=lambda path: path.endswith("job.toml"))


def _read(store: Store, night: str, kind: str) -> dict[str, Any] | None:
    """A record that is that night's own."""
    path = f"{folder_of(night)}/{kind}.json"
    try:
        found: dict[str, Any] = unseal(store.get(path), path, "", SHAPES[kind]).model_dump(exclude_unset=True)
    except (FileNotFoundError, DamagedRecord):
        return None
    return found if (found["night"], found["date"]) == (night, date_of(night).isoformat()) else None


def _toml(raw: Mapping[str, Any]) -> str:
    """A spec as TOML: JSON's strings, numbers and lists are TOML's as well."""
    lines = [f"{key} = {json.dumps(raw[key])}" for key in ("name", "engine") if key in raw]
    tables = [("[[dataset]]", each) for each in raw["dataset"]]
    tables += [("[train]", raw["train"])] if "train" in raw else []
    tables += [("[[grid]]", each) for each in raw["grid"]]
    for head, table in tables:
        lines += [head, *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def check_night(store: Store, night: str) -> None:
    """Raises ForeignFile if a file of the night's own would be."""
    paths = [f"{folder_of(night)}/{name}" for name in NAMES]
    there = store.sizes(folder_of(night))
    refuse_foreign(store, [path for path in paths if path in there])
