"""How a check reads the store: one unreadable file doesn't end it, what is read is counted, and the specs are known."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sumsquares.jobs.spec.job_spec import JobSpec
from sumsquares.jobs.spec.variants import trials
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import StorageError, Store
from sumsquares.jobs.verify.references import References

_OF_ONE_FILE = {errno.EACCES, errno.EPERM, errno.EIO}
LINE_SECONDS = 0.5
"""Seconds between two lines of progress."""


class UnreadableFile(ForeignFile):
    """The system or the disk refuses to read a file. Its content is unknown, so it is left alone."""


class TolerantStore(Store):
    """A store in which a file that can't be read is UnreadableFile, not a StorageError that ends everything."""

    def get(self, path: str, most: int | None = None, size: int | None = None) -> bytes:
        """Returns a file's bytes, as Store.get does."""
        try:
            return super().get(path, most, size)
        except StorageError as error:
            raise _of_one_file(error) from error.__cause__

    def get_versioned(self, path: str) -> tuple[bytes, str]:
        """Returns a file's bytes and its version, as Store.get_versioned does."""
        try:
            return super().get_versioned(path)
        except StorageError as error:
            raise _of_one_file(error) from error.__cause__


def _of_one_file(error: StorageError) -> Exception:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in _OF_ONE_FILE:
        return UnreadableFile(str(error).removeprefix("cannot read "))
    return error


@dataclass
class ReadProgress:
    """How much has been read; each file counts once."""

    total: int
    """Bytes of all files."""
    say: Callable[[str], None]
    done: int = 0
    _reported: float = field(default_factory=time.monotonic)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _seen: set[str] = field(default_factory=set)

    def add(self, path: str, size: int) -> None:
        """Counts a file that was read, once. Called from several threads."""
        with self._guard:
            if path in self._seen:
                return
            self._seen.add(path)
            self.done += size
            if time.monotonic() - self._reported > LINE_SECONDS:
                self._reported = time.monotonic()
                self.say(f"{self.done:,} of {self.total:,} bytes read")


@dataclass(frozen=True)
class Snapshot:
    """A store at one moment, and what its specs refer to."""

    store: Store
    references: References
    stored: frozenset[str]
    """Ids of all trials that have a result in an undamaged pack."""
    meter: ReadProgress

    def are_stored(self, spec: JobSpec) -> bool:
        """Whether each trial of a spec has such a result."""
        return all(trial.id in self.stored for trial in trials(spec))

    def get(self, path: str) -> bytes | None:
        """Returns a file's bytes, or None if there is none; raises ForeignFile if it is something else."""
        try:
            data = self.store.get(path)
        except FileNotFoundError:
            return None
        self.meter.add(path, len(data))
        return data
