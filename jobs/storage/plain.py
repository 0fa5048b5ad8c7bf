"""Opens regular files only, and reads them up to a bound: a FIFO would block, a device would fill the memory.

Links are followed, since a store may lie on several disks; their target has to be a regular file.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.file_kinds import kind_of_file

_LONGEST = 1000  # characters of a path in a message


class NotPlain(OSError):  # noqa: N818  its base says that it is an error
    """Not a regular file, or larger than the file that belongs there; it wasn't read."""


class ForeignFile(DataError):  # noqa: N818  the same
    """Something that isn't ours in the place of a file of ours; it is never deleted unasked."""


def read_plain(path: Path, most: int) -> bytes:
    """Returns a regular file's bytes, `most` at most.

    Raises NotPlain for anything else, which is not opened; OSError where the file is missing or can't be read.
    """
    _check_plain(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)  # what was looked at may have been replaced
        if not stat.S_ISREG(found.st_mode):
            raise NotPlain(errno.EINVAL, kind_of_file(found.st_mode))
        check_size(found.st_size, most)
        data = file.read(most + 1)
    check_size(len(data), most)
    return data


def check_target(path: Path) -> None:
    """Raises NotPlain if a write to this path would replace anything but a regular file."""
    with suppress(FileNotFoundError, NotADirectoryError):
        _check_plain(path)


def check_size(size: int, most: int) -> None:
    """Raises NotPlain for a file larger than what belongs there."""
    if size > most:
        raise NotPlain(errno.EFBIG, f"a file of more than {most:,} bytes")


def is_plain(path: Path) -> bool:
    """Whether it is a regular file, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


def readable(path: str) -> str:
    """A path as a message shows it: decoded, without control characters, shortened if it is very long."""
    with suppress(UnicodeEncodeError):
        path = os.fsencode(path).decode("utf-8", "backslashreplace")
    path = path if path.isprintable() else ascii(path)[1:-1]
    return path if len(path) <= _LONGEST else f"{path[:_LONGEST]}... ({len(path)} characters)"


def _check_plain(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise NotPlain(errno.EINVAL, "a link that leads back to itself") from error
        if error.errno == errno.ENOENT and path.is_symlink():
            raise NotPlain(errno.EINVAL, "a link that leads nowhere") from error
        raise
    if not stat.S_ISREG(mode):
        raise NotPlain(errno.EINVAL, kind_of_file(mode))
