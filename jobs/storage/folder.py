"""Folder: the files below a folder of this machine, each written whole or not at all.

`create` is a hard link, which one process alone can make, on this host or another. `replace` compares and renames
under an advisory lock (flock) on a file beside it: the kernel drops it with its process, so it is never stale. Between
hosts that is as good as the file system's flock: NFS 4, CephFS and EFS have it. It is the part of
`jobs.storage.store` that speaks to the operating system. It checks no paths and words no messages for the user.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

TEMPORARY = ".tmp-"
LARGEST = 4 << 30
"""Bytes of a file that is read: packs and shards have a few hundred MB at most."""
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


class Folder:
    """The files below a local folder. Every failure is an OSError, a missing file FileNotFoundError."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, path: str) -> bytes:
        """Return a plain file's bytes; anything else of that name is not opened, as a pipe would wait for ever."""
        target = self.root / path
        about = target.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > LARGEST:
            raise IsADirectoryError(errno.EISDIR, "it is no plain file of a size that we write", str(target))
        return target.read_bytes()

    def put(self, path: str, data: bytes) -> None:
        """Write or replace a file: under a temporary name, flushed to the disk, then renamed."""
        target = self.root / path
        with _temporary(target, data) as temporary:
            temporary.replace(target)
        _sync_folder(target.parent)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Write or replace files, flushed side by side (5 ms for two, not 23), then renamed one after the other."""
        targets = [self.root / path for path in files]
        with ExitStack() as stack, ThreadPoolExecutor(len(files)) as pool:
            written = pool.map(lambda *file: stack.enter_context(_temporary(*file)), targets, files.values())
            for temporary, target in zip(list(written), targets, strict=True):
                temporary.replace(target)
        for folder in {target.parent for target in targets}:
            _sync_folder(folder)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file that isn't there yet; False, and nothing is changed, if it is."""
        target = self.root / path
        with _temporary(target, data) as temporary:
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
        _sync_folder(target.parent)
        return True

    def get_versioned(self, path: str) -> tuple[bytes, str]:
        """Return a file's bytes and their SHA-256."""
        data = self.get(path)
        return data, hashlib.sha256(data).hexdigest()

    def replace(self, path: str, data: bytes, version: str) -> bool:
        """Write a file in place of that version; False, and nothing is changed, if it is another or none."""
        with _alone(self.root / path):
            try:
                found = self.get_versioned(path)[1]
            except FileNotFoundError:
                return False
            if found == version:
                self.put(path, data)
            return found == version

    def exists(self, path: str) -> bool:
        """Say whether there is a file of this name."""
        return (self.root / path).is_file()

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the sizes of all files below prefix by path, in no order; none if there is no such folder."""
        walk = os.walk(self.root / prefix, onerror=_raise_unless_missing)
        paths = (f"{folder}/{name}" for folder, _, names in walk for name in names)
        start = len(str(self.root)) + 1
        return {path[start:]: size for path in paths if (size := _size(path)) is not None}

    def folders(self) -> list[str]:
        """Return the paths of all folders, in no order."""
        walk = os.walk(self.root, onerror=_raise_unless_missing)
        start = len(str(self.root)) + 1
        return [f"{folder}/{name}"[start:] for folder, names, _ in walk for name in names]

    def delete(self, path: str) -> None:
        """Delete a file; a missing one is fine."""
        (self.root / path).unlink(missing_ok=True)

    def free(self) -> int | None:
        """Return the bytes that this user may still write, also while the folder doesn't exist yet."""
        return shutil.disk_usage(self.existing().root).free

    def existing(self) -> "Folder":
        """Return the folder itself or, while it doesn't exist, the nearest one above it."""
        return Folder(next(folder for folder in (self.root, *self.root.parents) if folder.exists()))

    def take_turn(self, path: str) -> Callable[[], None]:
        """Wait for the lock of a path, which needs no file of that name; return what gives it up.

        There is no lock where the file system has none.
        """
        held = ExitStack()
        try:
            held.enter_context(_alone(self.root / path))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return held.close


@contextmanager
def _temporary(target: Path, data: bytes) -> Iterator[Path]:
    """A flushed file beside the target, to be renamed or linked; on leaving it is gone."""
    _make_folders(target.parent)
    temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        _write_through(temporary, data)
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One process and thread at a time, among those that replace this file."""
    _make_folders(target.parent)
    descriptor = os.open(target.parent / f"{TEMPORARY}lock-{target.name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
