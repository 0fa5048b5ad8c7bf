"""Which files a table consists of, whether one has changed, and how one is opened: plain files alone. It reads nothing.

A FIFO would block and a device would never end, so a local file is opened only if it is a regular one. A file that a
link leads to is read.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict

from sumsquares.datasets.file_kinds import kind_of_file
from sumsquares.datasets.tables.addresses import Address, address_of
from sumsquares.datasets.tables.errors import TableError, TableMissing
from sumsquares.datasets.tables.shown import path_shown, similar

MOST_FILES = 10_000
_MAGIC = "*?["
PARQUET = (".parquet", ".pq", ".parq")
CSV = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.bz2", ".csv.zst")
"""How files of a folder end that are part of its table; a text beside them explains them rather."""


class Stamp(BaseModel):
    """What tells cheaply whether a file has changed since it was read."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    path: str
    """Absolute path, or address in an object store."""
    size: int
    """Bytes."""
    changed: str
    """When it was changed, in nanoseconds since 1970, or an object store's ETag or time."""


@dataclass(frozen=True)
class TableFile:
    """One file of a table."""

    stamp: Stamp
    opened: Callable[[], IO[bytes]]
    """Opens it; raises OSError."""

    @property
    def name(self) -> str:
        """Its name as messages show it."""
        return path_shown(self.stamp.path.rpartition("/")[2])

    @property
    def is_parquet(self) -> bool:
        """Whether its name says so; other names than those of Parquet and CSV are taken for CSV."""
        return self.stamp.path.lower().endswith(PARQUET)


def find(file: str, folder: str, source: str) -> tuple[TableFile, ...]:
    """Returns the files of a table, sorted by path: one, those of a folder, or those of a glob.

    Raises:
        TableMissing: there is none.
        TableError: it isn't a plain file, or the files are of two kinds.
        TableUnreachable: an object store doesn't answer.

    """
    if "\0" in file:
        raise TableError(source, ["file: a path has no NUL character; write it without"])
    address = address_of(file, folder, source)
    found = _remote(address, source) if address else _local(_absolute(file, folder), source)
    if len(found) > MOST_FILES:
        raise TableError(source, [f"file: more than {MOST_FILES:,} files; write them as fewer, larger ones"])
    if len({each.is_parquet for each in found}) > 1:
        names = ", ".join(next(each.name for each in found if each.is_parquet is kind) for kind in (True, False))
        remedy = 'write a glob for one kind, such as "folder/*.parquet"'
        raise TableError(source, [f"file: both Parquet and CSV files, such as {names}; {remedy}"])
    return found


def _absolute(file: str, folder: str) -> str:
    file = file.removeprefix("file://")
    return os.path.abspath(os.path.join(folder, os.path.expanduser(file)))  # noqa: PTH100, PTH111, PTH118  .. and links


def _local(path: str, source: str) -> tuple[TableFile, ...]:
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        if error.errno == errno.ENOENT and any(mark in path for mark in _MAGIC):
            return _of_paths(
                _globbed(path), source, f"no file matches {path_shown(path)}; a path is relative to the spec"
            )
        raise _unreadable(path, error, source) from error
    if stat.S_ISDIR(mode):
        return _in_folder(path, source)
    if not stat.S_ISREG(mode):
        kind = kind_of_file(mode)
        raise TableError(source, [f"file: {path_shown(path)} is {kind}; write the path of a Parquet or CSV file"])
    return _of_paths([path], source, "")


def _in_folder(path: str, source: str) -> tuple[TableFile, ...]:
    try:
        names = os.listdir(path)  # noqa: PTH208  names alone
    except OSError as error:
        raise _unreadable(path, error, source) from error
    paths = [f"{path}/{name}" for name in names if is_table(name)]
    remedy = '; its own folders are not read: write a glob, such as "folder/**/*.parquet"' if names else ""
    return _of_paths(paths, source, f"the folder {path_shown(path)} has no *.parquet and no *.csv{remedy}")


def is_table(name: str) -> bool:
    """Whether a file in a folder is one of its table's: by its name; hidden ones and those with _ first are not."""
    return name.lower().endswith((*PARQUET, *CSV)) and not name.startswith((".", "_"))


def _globbed(pattern: str) -> list[str]:
    """Returns the plain files that match; ** stands for any folders."""
    matches = islice(glob.iglob(pattern, recursive=True), 20 * MOST_FILES)  # noqa: PTH207  Path.glob needs a root
    return [each for each in matches if not Path(each).name.startswith((".", "_")) and Path(each).is_file()]


def _of_paths(paths: list[str], source: str, none: str) -> tuple[TableFile, ...]:
    if not paths:
        raise TableMissing(source, [f"file: {none}"])
    return tuple(_file(path, source) for path in sorted(paths))


def _file(path: str, source: str) -> TableFile:
    try:
        found = Path(path).stat()
    except OSError as error:
        raise _unreadable(path, error, source) from error
    stamp = Stamp(
        path=os.fsencode(path).decode("utf-8", "backslashreplace"), size=found.st_size, changed=str(found.st_mtime_ns)
    )
    return TableFile(stamp, lambda: _open_plain(path, source))


def _open_plain(path: str, source: str) -> IO[bytes]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(path, error, source) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # what was looked at may have been replaced
        os.close(descriptor)
        raise TableError(source, [f"file: {path_shown(path)} is no regular file; write the path of one"])
    return os.fdopen(descriptor, "rb")


def _unreadable(path: str, error: OSError, source: str) -> TableError:
    shown = path_shown(path)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR if Path(path).is_symlink():
            return TableMissing(source, [f"file: {shown} is a link that leads nowhere; write the path of a file"])
        case errno.ENOENT | errno.ENOTDIR:
            return TableMissing(source, [f"file: there is no {shown}; {_near(path)}a path is relative to the spec"])
        case errno.ELOOP:
            return TableError(source, [f"file: {shown} is a link that leads back to itself; write the path of a file"])
        case errno.EACCES | errno.EPERM:
            return TableError(source, [f"file: no permission to read {shown}; change it, for example with chmod"])
    return TableError(source, [f"file: {shown} can't be read ({error.strerror}); write the path of a readable file"])


def _near(path: str) -> str:
    with suppress(OSError):
        folder, name = os.path.split(path)
        return similar(name, sorted(islice(os.listdir(folder), 1000)))  # noqa: PTH208
    return ""


def _remote(address: Address, source: str) -> tuple[TableFile, ...]:
    found = address.files(is_table, any(mark in address.path for mark in _MAGIC))
    if not found:
        raise TableMissing(source, [f"file: there is nothing at {path_shown(address.shown)}; correct the address"])
    return tuple(_object(address, about) for about in sorted(found, key=lambda about: str(about["name"])))


def _object(address: Address, about: dict[str, Any]) -> TableFile:
    path = str(about["name"])
    keys = ("ETag", "etag", "LastModified", "last_modified", "updated", "created", "mtime")
    changed = next((str(about[key]) for key in keys if about.get(key)), "")
    stamp = Stamp(path=f"{address.scheme}://{path.lstrip('/')}", size=int(about.get("size") or 0), changed=changed)
    return TableFile(stamp, lambda: address.opened(path))
