"""What every check looks at: the store, and who needs what is in it. What is read is counted and told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.store import Store
from sumsquares.jobs.verify.owners import Owners

LINE_SECONDS = 5.0
"""Between two lines that tell how far it is."""


@dataclass
class Meter:
    """How much has been read, each file once."""

    total: int
    """Bytes there are."""
    say: Callable[[str], None]
    done: int = 0
    _told: float = field(default_factory=time.monotonic)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _seen: set[str] = field(default_factory=set)

    def add(self, path: str, size: int) -> None:
        """A file more, unless it was read before; several threads do this."""
        with self._guard:
            if path in self._seen:
                return
            self._seen.add(path)
            self.done += size
            if time.monotonic() - self._told > LINE_SECONDS:
                self._told = time.monotonic()
                self.say(f"{self.done:,} of {self.total:,} bytes read")


@dataclass(frozen=True)
class World:
    """A store at one moment."""

    store: Store
    owners: Owners
    stored: frozenset[str]
    """Ids of all trials that have a result in a pack of which nothing is wrong."""
    meter: Meter

    def are_stored(self, spec: JobSpec) -> bool:
        """Whether each trial of a spec has one."""
        return all(trial.id in self.stored for trial in trials(spec))

    def get(self, path: str) -> bytes | None:
        """A file's bytes, or None if there is none; ForeignFile if it is something else."""
        try:
            data = self.store.get(path)
        except FileNotFoundError:
            return None
        self.meter.add(path, len(data))
        return data
