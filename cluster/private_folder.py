"""The folder of a Ray of our own: this user's alone, and gone with its run. No Ray here.

A run that is killed leaves it behind; a later one removes it. Whose run goes on is told by a lock on the folder.
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
"""Bytes of the path of the folder that it is made in: a socket's path has 107 at most."""
PLACES = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  a folder of a random name is made in it, with mode 0700
REMOVE_SECONDS = 3.0
"""Until a folder is left behind."""
OLD_SECONDS = 600.0
"""After which a folder that nobody has locked is that of a killed run: a new one is locked at once."""


class PrivateFolder:
    """Is made, and kept until it is removed.

    Raises:
        ClusterError: it can't be made anywhere.

    """

    def __init__(self) -> None:
        self.path = _made()
        self._lock = os.open(self.path, os.O_RDONLY)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for place in {*_places(), str(Path(self.path).parent)}:
            _remove_abandoned(Path(place))

    def remove(self) -> None:
        """Deletes it although processes that were killed may still be about to write to it."""
        end = time.monotonic() + REMOVE_SECONDS
        while os.path.lexists(self.path) and time.monotonic() < end:
            shutil.rmtree(self.path, ignore_errors=True)
            time.sleep(0.05)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _made() -> str:
    """Where RAY_TMPDIR or TMPDIR says, or else where temporary files lie."""
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
        f"a local Ray has no folder for its sockets and logs ({'; '.join(why)}): "
        f"set RAY_TMPDIR to one that can be written, of at most {LONGEST} bytes; --workers 0 runs without Ray"
    )


def _places() -> Iterator[str]:
    named = (os.environ.get(name) for name in ("RAY_TMPDIR", "TMPDIR"))
    yield from dict.fromkeys(str(Path(place).absolute()) for place in (*named, *PLACES) if place)


def _remove_abandoned(place: Path) -> None:
    """What killed runs of this user have left beside it."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.getuid() or time.time() - about.st_mtime < OLD_SECONDS:
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
