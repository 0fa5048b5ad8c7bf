"""Store: the one place through which a job reads and writes files, a local folder or an object-store prefix.

It knows bytes and relative paths; it knows nothing of Parquet, packs or datasets, and it holds no locks: those are
made of its two conditional writes, `create` and `replace`.

Commit order, for whoever writes several files that belong together: data first, and the one file that makes
them count (a dataset's manifest.json, a pack's .parquet) last. A reader starts from that last file, so what
was not committed is never read, and what was committed is complete.

A file appears whole or not at all: in a folder it is written under a temporary name, flushed to the disk and
renamed; on an object store it is one put. A temporary file that a killed process left behind is never listed.
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
"""Bytes of a file of ours by its suffix, where nothing more exact is known; of others what the memory holds."""


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
    def folders(self, prefix: str) -> list[str]: ...
    def delete(self, path: str) -> None: ...
    def free(self) -> int | None: ...
    def existing(self) -> "_Files": ...
    def take_turn(self, path: str) -> Callable[[], None]: ...
    def sweep(self, folders: Sequence[str], turns: Sequence[str]) -> None: ...


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
        """Return a file's bytes; FileNotFoundError if there is no such file.

        Raises ForeignFile for what is no plain file, or has more than `most` bytes: by default what its kind may have.
        `size` is what a listing said of it, which saves an object store the question.
        """
        with self._errors("read", checked_path(path)):
            return self._files.get(path, most_of(path) if most is None else most, size)

    def put(self, path: str, data: bytes) -> None:
        """Write a file, or replace it, atomically: whoever reads it sees all of the old or all of the new."""
        with self._errors("write", checked_path(path)):
            self._files.put(path, data)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Write files that belong together, each atomically: none appears before those that stand in front of it.

        After a power cut a folder may have some and not others, in any order: their reader has to find that out.
        """
        with self._errors("write", [checked_path(path) for path in files][-1]):
            self._files.put_all(files)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file that isn't there yet and say True; of many at once, one does. False if it is there.

        `data` must be the writer's own (hold a random word), so that one whose answer was lost knows it again.
        """
        with self._errors("create", checked_path(path)):
            return self._files.create(path, data)

    def get_versioned(self, path: str) -> tuple[bytes, str]:
        """Return a file's bytes and a name for this version of it; FileNotFoundError if there is none."""
        with self._errors("read", checked_path(path)):
            return self._files.get_versioned(path, most_of(path))

    def replace(self, path: str, data: bytes, version: str) -> bool:
        """Write a file in place of that version of it and say True; False if it is another one by now, or gone.

        `data` must be the writer's own, as in `create`.
        """
        with self._errors("replace", checked_path(path)):
            return self._files.replace(path, data, version)

    def exists(self, path: str) -> bool:
        """Say whether there is a file (not a folder) of this name."""
        with self._errors("look for", checked_path(path)):
            return self._files.exists(path)

    def folders(self, prefix: str = "") -> list[str]:
        """Return the paths of all folders below one, sorted, empty ones and links to folders too; a bucket has none."""
        with self._errors("list", prefix and checked_path(prefix)):
            return sorted(self._files.folders(prefix))

    def list(self, prefix: str = "") -> list[str]:
        """Return the paths of all files below a folder, sorted; [] if there is no such folder."""
        return [*self.sizes(prefix)]

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Return the paths of all files below a folder with their sizes in bytes, sorted by path."""
        with self._errors("list", prefix and checked_path(prefix)):
            found = sorted(self._files.sizes(prefix).items())
        return {path: size for path, size in found if not PurePosixPath(path).name.startswith(TEMPORARY)}

    def delete(self, path: str) -> None:
        """Delete a file; a missing one is fine."""
        with self._errors("delete", checked_path(path)):
            self._files.delete(path)

    def probe(self, needed_bytes: int = 0) -> None:
        """Write and delete a small file, before any work is begun; no folder is made for it.

        Raises StorageError when it can't be written, or when fewer than `needed_bytes` are free; an object
        store has no known limit.
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
        """Keep a small file for as long as the context lasts; yield the root and the path at which it can be found.

        It lies in the root or, where that doesn't exist yet, in the nearest folder above: nothing is left behind.
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
        """Wait for, and hold, the right to write files that belong together and are named by `path`.

        A process that dies gives it up: in a folder at once, on S3 after a while. Where there are no file locks and no
        conditional writes, nobody waits.
        """
        with self._errors("lock", checked_path(path)):
            give_up = self._files.take_turn(path)
        try:
            yield
        finally:
            with self._errors("unlock", path):
                give_up()

    def sweep(self, folders: Sequence[str], turns: Sequence[str]) -> None:
        """Delete what killed processes left here more than OLD_SECONDS ago; nothing that is in use or somebody else's.

        It is looked for in `folders`; on an object store in `turns`, in its root, and in what was listed before.
        """
        with self._errors("sweep", ""):
            self._files.sweep(folders, turns)

    def is_there(self) -> bool:
        """Say whether there is the store's folder; a bucket has none, so that it is there once a file is in it."""
        return isinstance(self._files, Folder) and self._files.root.is_dir()

    def describe(self) -> str:
        """Return the root as a message shows it."""
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
        """Translate the operating system's and the object store's errors into ours."""
        where = readable(f"{self.root}/{path}" if path else self.describe())
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and action == "read":
                raise FileNotFoundError(errno.ENOENT, "no such file in the store", where) from error
            if isinstance(error, NotPlain):
                size = "; none of ours is that large" if error.errno == errno.EFBIG else ""
                remedy = "move it away, or choose another --store"
                raise ForeignFile(
                    f"{where}: {error.strerror} lies where a file of ours belongs{size}: {remedy}"
                ) from error
            reason = masked(error.strerror or str(error) or type(error).__name__)
            raise StorageError(f"cannot {action} {where}: {reason}{note}; {_remedy(error)}") from error


def most_of(path: str) -> int:
    """Return the bytes that a file of ours may have, by its kind."""
    return _MOST.get(PurePosixPath(path).suffix) or available_memory()


_NO_ROOM = "free some space, or choose another --store"
_REMEDIES = {
    _NO_ROOM: {errno.ENOSPC, errno.EDQUOT, errno.EFBIG},
    "mend its permissions, or choose another --store": {errno.EACCES, errno.EPERM, errno.EROFS},
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
