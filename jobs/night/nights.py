"""A night: its logical date and its spec, and the names that follow from them.

    nightly/<date>-<digest>/   its own files, see records.py
    runs/night-<date>-<digest>/   the run that trained it, an ordinary one

Nothing is trained or decided here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.written import derived, raw_of
from sumsquares.jobs.stages.run_files import run_folder
from sumsquares.jobs.storage.layout import is_night
from sumsquares.jobs.storage.store import Store

FOLDER = "nightly"
NAMES = ("spec.toml", "state.json", "night.json", "scores.parquet")
"""Files of a night."""


@dataclass(frozen=True)
class Night:
    """One night of a spec."""

    date: date
    """Logical, in UTC: the night's name, whenever it is started."""
    spec: JobSpec
    """As it was given, at the training version of the night.

    All nights of a spec are measured on the test splits of its datasets. A table's rows are those of its file when the
    night began.
    """
    fresh: bool = False
    """Whether it trains on rows of its own."""

    @property
    def id(self) -> str:
        """Such as 2026-11-22-0123456789ab."""
        return f"{self.date.isoformat()}-{self.spec.digest[:12]}"

    @property
    def run(self) -> str:
        """Name of the run that trains it."""
        return run_name(self.id)

    @cached_property
    def trained(self) -> JobSpec:
        """What is trained: the spec under the run's name, and in a fresh night with the date's own training rows."""
        raw = raw_of(self.spec)
        raw["name"] = self.run
        if self.fresh:
            for dataset in raw["dataset"]:
                dataset["seed"] = fresh_seed(self.date, dataset.get("seed", 0))
        return derived(self.spec, raw, f"night {self.id}")


def fresh_seed(day: date, seed: int) -> int:
    """Returns the seed of a dataset's rows on that day. Datasets that share a seed still share a stream."""
    digest = hashlib.sha256(f"sumsquares night {day.isoformat()} seed {seed}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def run_name(night: str) -> str:
    """Returns the name of a night's run."""
    return f"night-{night}"


def folder_of(night: str) -> str:
    """Returns the folder of a night's own files."""
    return f"{FOLDER}/{night}"


def date_of(night: str) -> date:
    """Returns the logical date in an id."""
    return date.fromisoformat(night[:10])


def list_nights(store: Store) -> list[str]:
    """Returns the ids of all nights in the store by date, finished or not.

    Other names are foreign. A link in the place of a night's folder counts as a night.
    """
    paths = [path.split("/") for path in store.list(FOLDER) if path != FOLDER]
    names = {path[1] for path in paths if path[2:] == [] or (len(path) == 3 and path[2] in NAMES)}
    return sorted(name for name in names if is_night(name))


def run_files(store: Store, night: str) -> list[str]:
    """Returns the files of a night's run, the spec last: it says which trials are the night's."""
    folder = run_folder(run_name(night))
    return sorted(store.list(folder), key=lambda path: path.endswith("job.toml"))
