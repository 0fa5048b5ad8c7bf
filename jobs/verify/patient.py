"""A store of which single files can't be read: each is a fault of its own, and the others are looked at."""

from __future__ import annotations

import errno

from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import StorageError, Store

_OF_ONE_FILE = {errno.EACCES, errno.EPERM, errno.EIO}


class UnreadableFile(ForeignFile):
    """The system refuses to read a file, or the disk can't; what is in it isn't known, so it is left alone."""


class PatientStore(Store):
    """A store whose `get` says UnreadableFile where another would say StorageError and end it all."""

    def get(self, path: str, most: int | None = None, size: int | None = None) -> bytes:
        """Return a file's bytes, as Store.get does."""
        try:
            return super().get(path, most, size)
        except StorageError as error:
            raise _of_one_file(error) from error.__cause__

    def get_versioned(self, path: str) -> tuple[bytes, str]:
        """Return a file's bytes and its version, as Store.get_versioned does."""
        try:
            return super().get_versioned(path)
        except StorageError as error:
            raise _of_one_file(error) from error.__cause__


def _of_one_file(error: StorageError) -> Exception:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in _OF_ONE_FILE:
        return UnreadableFile(str(error).removeprefix("cannot read "))
    return error
