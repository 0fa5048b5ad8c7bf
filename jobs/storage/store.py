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
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from datasets.errors import DataError
from jobs.storage.bucket import SCHEMES, Bucket
from jobs.storage.folder import TEMPORARY, Folder

_VALID = "valid are a local folder, " + ", ".join(f"{scheme}://bucket/prefix" for scheme in SCHEMES)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(/?)")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")
_SECRET = re.compile(r"(?i)\b([\w-]*(?:sig|signature|credential|token|secret|key))=[^&\s'\"]+")


class AddressError(ValueError):
    """The address of a store, or a path inside it, is not a valid one (exit code 2)."""


class StorageError(RuntimeError):
    """The store failed (exit code 4); the message says at what, where, why, and what to do."""

    ends_run = True
    """Whatever is tried next will fail as well: no further piece of work is begun."""


class NoPlainFile(DataError):  # noqa: N818  its base says that it is an error
    """Something else than a plain file stands where one must be (exit code 3)."""


class _Files(Protocol):
    """What a folder and a bucket both offer; every failure is an OSError."""

    def get(self, path: str) -> bytes: ...
    def put(self, path: str, data: bytes) -> None: ...
    def put_all(self, files: Mapping[str, bytes]) -> None: ...
    def create(self, path: str, data: bytes) -> bool: ...
    def get_versioned(self, path: str) -> tuple[bytes, str]: ...
    def replace(self, path: str, data: bytes, version: str) -> bool: ...
    def exists(self, path: str) -> bool: ...
    def sizes(self, prefix: str) -> dict[str, int]: ...
    def folders(self) -> list[str]: ...
    def delete(self, path: str) -> None: ...
    def free(self) -> int | None: ...
    def existing(self) -> "_Files": ...
    def take_turn(self, path: str) -> Callable[[], None]: ...


class Store:
    """The files below one root, a local folder or `s3://`, `gs://`, `az://` with a bucket and a prefix.

    Paths are relative and posix ("trials/ab12.parquet"). A store holds its root alone and opens the
    connection when it is first used, so that it can be pickled and sent to a worker.

    Raises AddressError for a root or path that is not valid, StorageError for whatever goes wrong in use.
    """

    def __init__(self, root: str) -> None:
        self.root = _checked_root(root)

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (self.root,)

    def get(self, path: str) -> bytes:
        """Return a file's bytes; FileNotFoundError if there is no such file, NoPlainFile if it is something else."""
        with self._errors("read", _checked(path)):
            return self._files.get(path)

    def put(self, path: str, data: bytes) -> None:
        """Write a file, or replace it, atomically: whoever reads it sees all of the old or all of the new."""
        with self._errors("write", _checked(path)):
            self._files.put(path, data)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Write files that belong together, each atomically: none appears before those that stand in front of it.

        After a power cut a folder may have some and not others, in any order: their reader has to find that out.
        """
        with self._errors("write", [_checked(path) for path in files][-1]):
            self._files.put_all(files)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file that isn't there yet and say True; of many at once, one does. False if it is there.

        `data` must be the writer's own (hold a random word), so that one whose answer was lost knows it again.
        """
        with self._errors("create", _checked(path)):
            return self._files.create(path, data)

    def get_versioned(self, path: str) -> tuple[bytes, str]:
        """Return a file's bytes and a name for this version of it; FileNotFoundError if there is none."""
        with self._errors("read", _checked(path)):
            return self._files.get_versioned(path)

    def replace(self, path: str, data: bytes, version: str) -> bool:
        """Write a file in place of that version of it and say True; False if it is another one by now, or gone.

        `data` must be the writer's own, as in `create`.
        """
        with self._errors("replace", _checked(path)):
            return self._files.replace(path, data, version)

    def exists(self, path: str) -> bool:
        """Say whether there is a file (not a folder) of this name."""
        with self._errors("look for", _checked(path)):
            return self._files.exists(path)

    def folders(self) -> list[str]:
        """Return the paths of all folders, sorted, the empty ones too; a bucket has none."""
        with self._errors("list", ""):
            return sorted(self._files.folders())

    def list(self, prefix: str = "") -> list[str]:
        """Return the paths of all files below a folder, sorted; [] if there is no such folder."""
        return [*self.sizes(prefix)]

    def sizes(self, prefix: str = "") -> dict[str, int]:
        """Return the paths of all files below a folder with their sizes in bytes, sorted by path."""
        with self._errors("list", prefix and _checked(prefix)):
            found = sorted(self._files.sizes(prefix).items())
        return {path: size for path, size in found if not PurePosixPath(path).name.startswith(TEMPORARY)}

    def delete(self, path: str) -> None:
        """Delete a file; a missing one is fine."""
        with self._errors("delete", _checked(path)):
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
        path = f"probe-{secrets.token_hex(8)}"
        with self._errors("write to", "", note):
            place = self._files.existing()
            place.put(path, b"sumsquares")
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
        with self._errors("lock", _checked(path)):
            give_up = self._files.take_turn(path)
        try:
            yield
        finally:
            with self._errors("unlock", path):
                give_up()

    def describe(self) -> str:
        """Return the root as a message shows it."""
        return self.root if _SCHEME.match(self.root) else f"the folder {self.root}"

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
        where = f"{self.root}/{path}" if path else self.describe()
        try:
            yield
        except OSError as error:
            if isinstance(error, FileNotFoundError) and action == "read":
                raise FileNotFoundError(errno.ENOENT, "no such file in the store", where) from error
            if isinstance(error, IsADirectoryError) and action == "read":
                why = "a folder, a pipe, a device or a file of more than 4 GiB stands where a file of ours must be"
                raise NoPlainFile(f"{where}: {why}: move it away, then `sumsquares verify` says what to do") from error
            reason = _SECRET.sub(r"\1=***", error.strerror or str(error) or type(error).__name__)
            raise StorageError(f"cannot {action} {where}: {reason}{note}; {_remedy(error)}") from error


def _checked(path: str) -> str:
    """Return the path if it stays inside the store, else raise AddressError."""
    if not path.isprintable() or "\\" in path or any(_is_odd(part) for part in path.split("/")):
        example = "write a relative one such as 'trials/a.parquet'"
        raise AddressError(f"{path[:200]!r} is no path inside a store: {example}")
    return path


def _is_odd(part: str) -> bool:
    return part in ("", ".", "..") or part.startswith(TEMPORARY)


def _checked_root(address: str) -> str:
    """Return a store's address in its normal form, else raise AddressError, which never repeats a secret."""
    scheme = _SCHEME.match(address)
    if re.search(r":[^@]*@", address) or (scheme and re.search(r"[@?#]", address)):
        raise AddressError(
            "the store's address seems to hold credentials: leave them out, and give them through the "
            "environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, ...)"
        )
    if not address.strip() or not address.isprintable():
        raise AddressError(f"the store's address is empty or holds control characters: {_VALID}")
    if not scheme:
        return str(Path(address).expanduser().absolute())
    name = scheme[1].lower()
    if name not in SCHEMES or not scheme[2]:
        raise AddressError(f"a store's address can't begin with {scheme[0]!r}: {_VALID}")
    bucket, *prefix = address[scheme.end() :].rstrip("/").split("/")
    if not _BUCKET.fullmatch(bucket):
        raise AddressError(f"the {name}:// address of the store has no valid bucket name: {_VALID}")
    return f"{name}://{bucket}" + (f"/{_checked('/'.join(prefix))}" if prefix else "")


_NO_ROOM = "free some space, or choose another --store"
_REMEDIES = {
    _NO_ROOM: {errno.ENOSPC, errno.EDQUOT, errno.EFBIG},
    "mend its permissions, or choose another --store": {errno.EACCES, errno.EPERM, errno.EROFS},
    "a file stands where a folder is needed, or the reverse: move it away, or choose another --store": {
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
    },
}


def _remedy(error: OSError) -> str:
    own = getattr(error, "remedy", None)
    fitting = (remedy for remedy, numbers in _REMEDIES.items() if error.errno in numbers)
    return own or next(fitting, "look at the store, then run again: what was committed is kept")
