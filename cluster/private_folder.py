"""The folder of a local Ray: private to this user, and removed when the run ends. No Ray here.

A run that is killed leaves its folder behind, and a later run removes it. A lock on the folder shows whether its run is
still alive.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sumsquares.cluster.workers import ClusterError

PREFIX = "sumsquares-ray-"
LONGEST = 107 - len(f"/{PREFIX}12345678/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")
"""Longest parent path in bytes: the path of a socket may have 107."""
PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  the folder has a random name and mode 0700
REMOVE_SECONDS = 3.0
"""After which a folder that cannot be deleted is left behind."""
OLD_SECONDS = 600.0
"""Minimum age of an abandoned folder: a new one may not be locked yet."""


class PrivateFolder:
    """Creates a folder that exists until it is removed.

    Raises:
        ClusterError: no place for it is usable.

    """

    def __init__(self) -> None:
        self.path = _created()
        self._lock = os.open(self.path, os.O_RDONLY)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for place in {*_places(), str(Path(self.path).parent)}:
            _remove_abandoned(Path(place))

    def remove(self) -> None:
        """Deletes the folder, retrying for as long as killed processes may still write to it."""
        end = time.monotonic() + REMOVE_SECONDS
        while os.path.lexists(self.path) and time.monotonic() < end:
            shutil.rmtree(self.path, ignore_errors=True)
            time.sleep(0.05)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _created() -> str:
    """Creates the folder in RAY_TMPDIR or TMPDIR, or else in one of the usual places for temporary files."""
    why = []
    for place in _places():
        if len(os.fsencode(place)) > LONGEST:
            why.append(f"{place[:200]}: longer than {LONGEST} bytes")
            continue
        try:
            return tempfile.mkdtemp(prefix=PREFIX, dir=place)
        except OSError as error:
            why.append(f"{place}: {error.strerror}")
    raise ClusterError(
        f"no usable folder for the sockets and logs of a local Ray ({'; '.join(why)}): "
        f"set RAY_TMPDIR to a writable folder whose path has at most {LONGEST} bytes; --workers 0 runs without Ray"
    )


def _places() -> Iterator[str]:
    named = (os.environ.get(name) for name in ("RAY_TMPDIR", "TMPDIR"))
    yield from dict.fromkeys(str(Path(place).absolute()) for place in (*named, *PLACES) if place)


def _remove_abandoned(place: Path) -> None:
    """Deletes the folders that killed runs of this user left there."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.getuid() or time.time() - about.st_mtime < OLD_SECONDS:
                continue
            # The lock is free only if the run that made the folder has ended.
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
