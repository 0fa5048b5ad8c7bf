"""Folder: the files below a local folder, each written atomically.

`create` makes a hard link, which only one process can do, on any host. `replace` compares and renames under an advisory
lock (flock) on a file beside the target; the kernel releases it when its process ends, so it is never stale. Between
hosts it is as reliable as the file system's flock, which NFS 4, CephFS and EFS have. This is the part of
`jobs.storage.store` that talks to the operating system. It validates no paths and words no messages for the user.
"""

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sumsquares.jobs.storage.leftovers import LOCK_NAME, OLD_SECONDS, PROBED, TEMPORARY, is_half_written, is_probe
from sumsquares.jobs.storage.plain import NotPlain, check_target, is_plain, read_plain

_FILES = (".parquet", ".safetensors", ".state", ".json", ".toml", ".html")
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}


class Folder:
    """The files below a local folder. Every failure is an OSError, a missing file FileNotFoundError."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def get(self, path: str, most: int, size: int | None = None) -> bytes:  # noqa: ARG002  asking costs nothing here
        """Returns a file's bytes, `most` at most."""
        return read_plain(self.root / path, most)

    def put(self, path: str, data: bytes) -> None:
        """Writes or replaces a file: under a temporary name, flushed to the disk, then renamed."""
        target = self.root / path
        check_target(target)
        with _temporary(target, data) as temporary:
            temporary.replace(target)
        _sync_folder(target.parent)

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Writes or replaces files: flushed in parallel (5 ms for two, not 23), then renamed in order."""
        targets = [self.root / path for path in files]
        for target in targets:
            check_target(target)
        with ExitStack() as stack, ThreadPoolExecutor(len(files)) as pool:
            written = pool.map(lambda *file: stack.enter_context(_temporary(*file)), targets, files.values())
            for temporary, target in zip(list(written), targets, strict=True):
                temporary.replace(target)
        for folder in {target.parent for target in targets}:
            _sync_folder(folder)

    def create(self, path: str, data: bytes) -> bool:
        """Writes a file that doesn't exist yet; returns False, and changes nothing, if it does."""
        target = self.root / path
        with _temporary(target, data) as temporary:
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
        _sync_folder(target.parent)
        return True

    def get_versioned(self, path: str, most: int) -> tuple[bytes, str]:
        """Returns a file's bytes and their SHA-256."""
        data = self.get(path, most)
        return data, hashlib.sha256(data).hexdigest()

    def replace(self, path: str, data: bytes, version: str) -> bool:
        """Replaces that version of a file; returns False, and changes nothing, if it is another version or gone."""
        with _alone(self.root / path):
            try:
                found = self.get_versioned(path, most=1 << 30)[1]
            except FileNotFoundError:
                return False
            if found == version:
                self.put(path, data)
            return found == version

    def exists(self, path: str) -> bool:
        """Whether there is a file of this name."""
        return is_plain(self.root / path)

    def sizes(self, prefix: str) -> dict[str, int]:
        """Returns the sizes of all files below prefix by path, in no order; none if there is no such folder.

        They include what isn't a regular file: a FIFO, a device, a link that is broken or leads to a folder, a folder
        with a file's name. A broken link in the place of prefix is listed, too: what lies behind it isn't known.
        """
        if prefix and _is_broken_link(self.root / prefix):
            return {prefix: 0}
        walk = os.walk(self.root / prefix, onerror=_raise_unless_missing)
        paths = (f"{folder}/{name}" for folder, inner, names in walk for name in (*names, *_odd(folder, inner)))
        start = len(str(self.root)) + 1
        return {path[start:]: size for path in paths if (size := _size(path)) is not None}

    def times(self, prefix: str) -> dict[str, float]:
        """Returns when each file below prefix was last written, by path, in no order."""
        found = {}
        for path in self.sizes(prefix):
            with suppress(OSError):  # it is gone since it was listed, or a link that leads nowhere
                found[path] = (self.root / path).stat().st_mtime
        return found

    def folders(self, prefix: str) -> list[str]:
        """Returns the paths of all folders below prefix, in no order. Links to folders are listed, not followed."""
        walk = os.walk(self.root / prefix, onerror=_raise_unless_missing)
        start = len(str(self.root)) + 1
        return [f"{folder}/{name}"[start:] for folder, names, _ in walk for name in names]

    def delete(self, path: str) -> None:
        """Deletes a file; a missing one is fine.

        Nothing behind a link to a folder is deleted, unless the link is one of the root's own folders.
        """
        target = self.root / path
        inner = [folder for folder in target.parents if self.root in folder.parents][:-1]
        if any(folder.is_symlink() for folder in inner):
            raise NotPlain(errno.EINVAL, "a link to a folder, behind which nothing is deleted,")
        target.unlink(missing_ok=True)

    def remove_empty(self, path: str) -> None:
        """Removes a folder and those below it as far as they are empty, but for locks that nobody holds."""
        for folder, _, names in os.walk(self.root / path, topdown=False):
            if all(name.startswith(LOCK_NAME) for name in names):
                for name in names:
                    _delete_lock(Path(folder, name))
                with suppress(OSError):
                    Path(folder).rmdir()

    def sweep(self, folders: Sequence[str], turns: Sequence[str], deletes: bool) -> int:  # noqa: ARG002  see below
        """Deletes what killed processes left long ago below these folders, and their probes in and above the root.

        Returns the bytes. `turns` are among what is found by name, which costs 1 us a file.
        """
        old = [path for path in self._left(folders) if _is_old(path)]
        size = sum(found for path in old if (found := _size(str(path))) is not None)
        for path in old if deletes else ():
            if path.name.startswith(LOCK_NAME):
                _delete_lock(path)
            else:
                _delete_old(path)
        return size

    def _left(self, folders: Sequence[str]) -> Iterator[Path]:
        """Yields what has the name of a file that a killed process leaves, of any age."""
        for top in folders:
            for folder, _, names in os.walk(self.root / top):
                yield from (Path(folder, name) for name in names if name.startswith(LOCK_NAME) or is_half_written(name))
        for place in (self.root, self.root.parent):  # a store that isn't there yet is probed above
            with suppress(OSError):
                for path in place.iterdir():
                    if (is_probe(path.name) or is_half_written(path.name)) and _is_probed(path):
                        yield path

    def free(self) -> int | None:
        """Returns the bytes that this user may still write, also while the folder doesn't exist yet."""
        return shutil.disk_usage(self.existing().root).free

    def existing(self) -> "Folder":
        """Returns the folder itself or, while it doesn't exist, the nearest one above it."""
        return Folder(next(folder for folder in (self.root, *self.root.parents) if folder.exists()))

    def take_turn(self, path: str) -> Callable[[], None]:
        """Waits for the lock of a path, which need not exist, and returns the function that releases it.

        On a file system without locks it doesn't wait.
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
    """Yields a flushed file beside the target, to be renamed or linked; it is deleted at the end."""
    temporary = target.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    _make_folders(target.parent)
    try:
        try:
            _write_through(temporary, data)
        except FileNotFoundError:  # the folder was empty, and was removed at this moment
            _make_folders(target.parent)
            _write_through(temporary, data)
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Holds the lock for replacing this file: one thread of one process at a time."""
    _make_folders(target.parent)
    descriptor = _locked(target.parent / f"{LOCK_NAME}{target.name}")
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    """Opens and locks a lock file, making it if needed.

    A file that was deleted meanwhile excludes no other process, so it tries again.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _delete_lock(path: Path) -> None:
    """Deletes a lock file that nobody holds, while holding it: a process that waits for it will see that."""
    with suppress(OSError):
        if path.lstat().st_size:
            return
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):
                path.unlink()
        finally:
            os.close(descriptor)


def _delete_old(path: Path) -> None:
    with suppress(OSError):
        if _is_old(path):
            path.unlink()


def _is_old(path: Path) -> bool:
    """Whether it is a regular file that hasn't been written for long."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime > OLD_SECONDS


def _is_probed(path: Path) -> bool:
    """Whether it holds a probe's content, or the beginning of it."""
    try:
        return PROBED.startswith(read_plain(path, len(PROBED)))
    except OSError:
        return False


def _make_folders(folder: Path) -> None:
    """Makes a folder and its missing parents, each flushed to the disk so that it survives a power cut."""
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


def _odd(folder: str, inner: Iterable[str]) -> Iterator[str]:
    """Yields links to folders, which are not followed, and folders in the place of a file."""
    return (name for name in inner if name.endswith(_FILES) or os.path.islink(f"{folder}/{name}"))  # noqa: PTH114


def _size(path: str) -> int | None:
    """Returns a file's size, 0 for anything but a regular file, None if it is gone since it was listed."""
    try:
        found = os.stat(path)  # noqa: PTH116  a Path costs 2 us more, of 5
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not os.path.islink(path):  # noqa: PTH114  the same
            return None
        if isinstance(error, FileNotFoundError) or error.errno == errno.ELOOP:
            return 0
        raise


def _is_broken_link(path: Path) -> bool:
    """Whether it is a link that leads nowhere; one that leads back to itself can't be listed, which is an error."""
    try:
        path.stat()
    except FileNotFoundError:
        return path.is_symlink()
    except OSError:
        return False
    return False


def _raise_unless_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
