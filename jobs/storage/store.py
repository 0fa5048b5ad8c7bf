"""Store: the one place through which a job reads and writes files, a local folder or an object-store prefix.

It handles bytes and relative paths, and knows nothing of Parquet, packs or datasets. The lock of the nights isn't here:
it is built on the two conditional writes, `create` and `replace`.

Commit order, for files that belong together: the data first, and the file that makes them valid (a dataset's
manifest.json, a pack's .parquet) last. Readers start from that last file, so uncommitted data is never read, and
committed data is complete.

Writes are atomic: in a folder a file is written under a temporary name, flushed to the disk and renamed; on an object
store it is one put. Temporary files that killed processes left behind are never listed.
"""

import errno
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from sumsquares.jobs import exits
from sumsquares.jobs.machine.memory import available_memory
from sumsquares.jobs.messages.masking import masked
from sumsquares.jobs.storage.address import SCHEME, checked_path, checked_root
from sumsquares.jobs.storage.bucket import Bucket
from sumsquares.jobs.storage.folder import Folder
from sumsquares.jobs.storage.leftovers import PROBE, PROBED, TEMPORARY
from sumsquares.jobs.storage.plain import ForeignFile, NotPlain, readable

_MOST = {".toml": 1 << 20, ".json": 256 << 20, ".html": 256 << 20, ".parquet": 1 << 30}
"""The most bytes that a file of ours has, by suffix; for other suffixes it is the available memory."""


class StorageError(RuntimeError):
    """The store failed; the message says at what, where, why, and what to do."""

    exit_code = exits.STORAGE
    fatal = True
    """Whatever is tried next will fail as well: no further work item is begun."""


class _Files(Protocol):
    """What a folder and a bucket both offer; every failure is an OSError."""

    def get(self, path: str, most: int, size: int | None = None) -> bytes: ...
    def put(self, path: str, data: bytes) -> None: ...
    def put_all(self, files: Mapping[str, bytes]) -> None: ...
    def create(self, path: str, data: bytes) -> bool: ...
    def get_versioned(self, path: str, most: int) -> tuple[bytes, str]: ...
    def replace(self, path: str, data: bytes, version: str) -> bool: ...
    def exists(self, path: str) -> bool: ...
    def sizes(self, prefix: str) -> dict[str, int]: ...
    def times(self, prefix: str) -> dict[str, float]: ...
    def folders(self, prefix: str) -> list[str]: ...
    def delete(self, path: str) -> None: ...
    def free(self) -> int | None: ...
    def existing(self) -> "_Files": ...
    def take_turn(self, path: str) -> Callable[[], None]: ...
    def sweep(self, folders: Sequence[str], turns: Sequence[str], deletes: bool) -> int: ...
    def remove_empty(self, path: str) -> None: ...


class Store:
    """The files below one root, a local folder or `s3://`, `gs://`, `az://` with a bucket and a prefix.

    Paths are relative and posix ("trials/ab12.parquet"). A store holds its root alone and opens the
    connection when it is first used, so that it can be pickled and sent to a worker.

    Raises AddressError for a root or path that is not valid, StorageError for whatever goes wrong in use.
    """

    def __init__(self, root: str) -> None:
        self.root = checked_root(root)

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (self.root,)

    def get(self, path: str, most: int | None = None, size: int | None = None) -> bytes:
        """Returns a file's bytes; FileNotFoundError if there is no such file.

        Raises ForeignFile for anything but a regular file, and for more than `most` bytes, by default what its kind may
        have. `size` is that of a listing, which saves an object store a request.
        """
        with self._errors("read", checked_path(path)):
            return self._files.get(path, most_of(path) if most is None else most, size)

    def put(self, path: str, data: bytes) -> None:
        """Writes or replaces a file atomically: a reader sees all of the old or all of the new bytes."""
        with self._errors("write", checked_path(path)):
            self._files.put(path, data)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Writes files that belong together, each atomically. They become visible in the order given.

        After a power cut a folder may have any of them without the others; readers have to detect that.
        """
        with self._errors("write", [checked_path(path) for path in files][-1]):
            self._files.put_all(files)

    def create(self, path: str, data: bytes) -> bool:
        """Writes a file that doesn't exist yet. Of many writers one gets True; False means that it exists.

        `data` must be unique to the writer (hold a random word), so that it recognises its own after a lost answer.
        """
        with self._errors("create", checked_path(path)):
            return self._files.create(path, data)

    def get_versioned(self, path: str) -> tuple[bytes, str]:
        """Returns a file's bytes and an identifier of this version; FileNotFoundError if there is no such file."""
        with self._errors("read", checked_path(path)):
            return self._files.get_versioned(path, most_of(path))

    def replace(self, path: str, data: bytes, version: str) -> bool:
        """Replaces that version of a file. False means that it is another version by now, or gone.

        `data` must be unique to the writer, as in `create`.
        """
        with self._errors("replace", checked_path(path)):
            return self._files.replace(path, data, version)

    def exists(self, path: str) -> bool:
        """Whether there is a file (not a folder) of this name."""
        with self._errors("look for", checked_path(path)):
            return self._files.exists(path)

    def folders(self, prefix: str = "") -> list[str]:
        """Returns the paths of all folders below one, sorted, including empty ones and links; a bucket has none."""
        with self._errors("list", prefix and checked_path(prefix)):
            return sorted(self._files.folders(prefix))

    def list(self, prefix: str = "") -> list[str]:
        """Returns the paths of all files below a folder, sorted; [] if there is no such folder."""
        return [*self.sizes(prefix)]

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Returns the paths of all files below a folder with their sizes in bytes, sorted by path."""
        with self._errors("list", prefix and checked_path(prefix)):
            found = sorted(self._files.sizes(prefix).items())
        return {path: size for path, size in found if not PurePosixPath(path).name.startswith(TEMPORARY)}

    def times(self, prefix: str = "") -> dict[str, float]:
        """Returns the paths of all files below a folder with the time of their last write, in seconds since 1970."""
        with self._errors("list", prefix and checked_path(prefix)):
            found = self._files.times(prefix).items()
        return {path: time for path, time in found if not PurePosixPath(path).name.startswith(TEMPORARY)}

    def delete(self, path: str) -> None:
        """Deletes a file; a missing one is fine."""
        with self._errors("delete", checked_path(path)):
            self._files.delete(path)

    def remove_empty(self, folder: str) -> None:
        """Removes a folder, and those below it, as far as nothing is in them; a bucket has no folders."""
        with self._errors("remove", checked_path(folder)):
            self._files.remove_empty(folder)

    def probe(self, needed_bytes: int = 0) -> None:
        """Writes and deletes a small file, before any work is begun. It makes no folder.

        Raises StorageError if that fails, or if fewer than `needed_bytes` are free; an object store has no known limit.
        """
        with self._errors("write to", ""):
            free = self._files.free()
        room = "" if free is None else f" ({free:,} bytes free, {needed_bytes:,} needed)"
        if free is not None and free < needed_bytes:
            raise StorageError(f"cannot write to {self.describe()}: not enough room{room}; {_NO_ROOM}")
        with self.trial_file(room):
            pass

    @contextmanager
    def trial_file(self, note: str = "") -> Iterator[tuple[str, str]]:
        """Keeps a small file for the duration of the context; yields the root and the path where it is found.

        It lies in the root or, while that doesn't exist, in the nearest folder above, so that nothing is left behind.
        """
        path = f"{PROBE}{secrets.token_hex(8)}"
        with self._errors("write to", "", note):
            place = self._files.existing()
            place.put(path, PROBED)
        try:
            yield str(place.root) if isinstance(place, Folder) else self.root, path
        finally:
            with self._errors("write to", "", note):
                place.delete(path)

    @contextmanager
    def turn(self, path: str) -> Iterator[None]:
        """Waits for and holds the lock named `path`, for writing files that belong together.

        If its process dies the lock is released: in a folder at once, on S3 after a while. Without file locks or
        conditional writes it doesn't wait.
        """
        with self._errors("lock", checked_path(path)):
            give_up = self._files.take_turn(path)
        try:
            yield
        finally:
            with self._errors("unlock", path):
                give_up()

    def sweep(self, folders: Sequence[str], turns: Sequence[str], deletes: bool = True) -> int:
        """Deletes what killed processes left here more than OLD_SECONDS ago; never what is in use, or not ours.

        It searches `folders`; on an object store `turns`, the root, and what was listed before. Returns the bytes of
        what it deletes, or would delete.
        """
        with self._errors("sweep", ""):
            return self._files.sweep(folders, turns, deletes)

    def is_there(self) -> bool:
        """Whether the store's folder exists; False for a bucket, which has no folders."""
        return isinstance(self._files, Folder) and self._files.root.is_dir()

    def describe(self) -> str:
        """Returns the root as a message shows it."""
        return self.root if SCHEME.match(self.root) else f"the folder {self.root}"

    @cached_property
    def _files(self) -> _Files:
        scheme, separator, address = self.root.partition("://")
        if not separator:
            return Folder(Path(self.root))
        with self._errors("open", ""):
            return Bucket(scheme, address)

    @contextmanager
    def _errors(self, action: str, path: str, note: str = "") -> Iterator[None]:
        """Translates errors of the operating system and the object store into ours."""
        where = readable(f"{self.root}/{path}" if path else self.describe())
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and action == "read":
                raise FileNotFoundError(errno.ENOENT, "no such file in the store", where) from error
            if isinstance(error, NotPlain):
                size = "; our files are never that large" if error.errno == errno.EFBIG else ""
                remedy = "move it away, or choose another --store"
                raise ForeignFile(
                    f"{where}: {error.strerror} lies where a file of ours belongs{size}: {remedy}"
                ) from error
            reason = masked(error.strerror or str(error) or type(error).__name__)
            raise StorageError(f"cannot {action} {where}: {reason}{note}; {_remedy(error)}") from error


def most_of(path: str) -> int:
    """Returns the most bytes that a file of this kind may have."""
    return _MOST.get(PurePosixPath(path).suffix) or available_memory()


_NO_ROOM = "free some space, or choose another --store"
_REMEDIES = {
    _NO_ROOM: {errno.ENOSPC, errno.EDQUOT, errno.EFBIG},
    "fix its permissions, or choose another --store": {errno.EACCES, errno.EPERM, errno.EROFS},
    "a file stands where a folder is needed, or the reverse: move it away, or choose another --store": {
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
    },
    "its path is too long, or a link in it leads back to itself: choose another --store": {
        errno.ENAMETOOLONG,
        errno.ELOOP,
    },
}


def _remedy(error: OSError) -> str:
    own = getattr(error, "remedy", None)
    fitting = (remedy for remedy, numbers in _REMEDIES.items() if error.errno in numbers)
    return own or next(fitting, "look at the store, then run again: what was committed is kept")
