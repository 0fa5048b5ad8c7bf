"""Folder: the files below a folder of this machine, each written whole or not at all.

It is the part of `jobs.storage.store` that speaks to the operating system. It checks no paths and words no messages
for the user; `jobs.storage.store` does.
"""

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

TEMPORARY = ".tmp-"


class Folder:
    """The files below a local folder. Every failure is an OSError, a missing file FileNotFoundError."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, path: str) -> bytes:
        """Return a file's bytes."""
        return (self.root / path).read_bytes()

    def put(self, path: str, data: bytes) -> None:
        """Write or replace a file: under a temporary name, flushed to the disk, then renamed."""
        target = self.root / path
        _make_folders(target.parent)
        temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
        try:
            _write_through(temporary, data)
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)

    def exists(self, path: str) -> bool:
        """Say whether there is a file of this name."""
        return (self.root / path).is_file()

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the sizes of all files below prefix by path, in no order; none if there is no such folder."""
        walk = os.walk(self.root / prefix, onerror=_raise_unless_missing)
        paths = (f"{folder}/{name}" for folder, _, names in walk for name in names)
        start = len(str(self.root)) + 1
        return {path[start:]: size for path in paths if (size := _size(path)) is not None}

    def delete(self, path: str) -> None:
        """Delete a file; a missing one is fine."""
        (self.root / path).unlink(missing_ok=True)

    def free(self) -> int | None:
        """Return the bytes that this user may still write, also while the folder doesn't exist yet."""
        existing = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
        return shutil.disk_usage(existing).free


def _make_folders(folder: Path) -> None:
    """Make a folder and its missing parents, each flushed to the disk so that it survives a power cut."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        _sync_folder(path.parent)


def _write_through(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(path: str) -> int | None:
    """Return a file's size, or None if it was deleted or renamed since it was listed."""
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return None


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
