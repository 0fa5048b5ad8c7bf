"""Bucket: the files below a prefix of an object store (S3, Google Cloud Storage, Azure), through fsspec.

This is the part of `jobs.storage.store` that talks to a network: every call is retried with growing, jittered pauses
until it succeeds or a deadline passes. Retries are safe, because a put replaces the whole object with the same bytes,
and a conditional put that finds its own bytes there has succeeded. Nothing is cached: fsspec's listings are switched
off, since another worker may have written in the meantime. It validates no paths and words no messages for the user.
"""

import logging
import math
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from itertools import count
from typing import Any, TypeVar

from sumsquares.jobs.storage.bucket_errors import BucketError, as_os_error, is_answer, is_refused, is_transient
from sumsquares.jobs.storage.leftovers import OLD_SECONDS, TURN_NAME, is_half_written, is_probe
from sumsquares.jobs.storage.plain import NotPlain, check_size

T = TypeVar("T")

# The module that fsspec needs for each scheme, and what installs it.
SCHEMES = {"s3": ("s3fs", "sumsquares[s3]"), "gs": ("gcsfs", "gcsfs"), "az": ("adlfs", "adlfs")}

# Seconds after which a failing call is given up.
PATIENCE = 60.0
# The same until anything has answered: a wrong address or a server that is down is reported soon.
FIRST_PATIENCE = 5.0
# Seconds after which a lock is taken from its holder: writing a run's files takes less.
TURN = 60.0
_LONGEST_PAUSE = 8.0
_JITTER = random.SystemRandom()
_LOG = logging.getLogger(__name__)

# One retry loop, ours: three nested ones (botocore's, s3fs's, this) would multiply their times. One
# connection per object: with more, s3fs asks for its size first and fills what a short read lacks with zeros.
_S3_OPTIONS: dict[str, Any] = {
    "max_concurrency": 1,
    "config_kwargs": {
        "retries": {"mode": "standard", "total_max_attempts": 1},
        "connect_timeout": 5,
        "read_timeout": 30,
        "max_pool_connections": 32,
    },
}


class Bucket:
    """The objects below `bucket/prefix`. Every failure is an OSError, a missing object FileNotFoundError."""

    def __init__(self, scheme: str, address: str) -> None:
        self._scheme = scheme
        self._filesystem = _open_filesystem(scheme)
        self._address = address
        self._bucket = address.partition("/")[0]
        self._seen = False  # whether the bucket is known to exist
        self._has_answered = False
        self._leftovers: dict[str, dict[str, Any]] = {}  # by path, what listings came across

    def get(self, path: str, most: int, size: int | None = None) -> bytes:
        """Returns an object's bytes; `size` is that of a listing, and costs a request if it isn't given."""
        check_size(self._head(path)[0] if size is None else size, most)
        return bytes(self._call(lambda: self._filesystem.cat_file(self._full(path))))

    def put(self, path: str, data: bytes) -> None:
        """Writes or replaces an object."""
        self._call(lambda: self._filesystem.pipe_file(self._full(path), data))

    def put_all(self, files: Mapping[str, bytes]) -> None:
        """Writes or replaces objects, one after the other."""
        for path, data in files.items():
            self.put(path, data)

    def create(self, path: str, data: bytes) -> bool:
        """Writes an object that doesn't exist yet; returns False, and changes nothing, if it does."""
        return self._put_if(path, data, IfNoneMatch="*")

    def get_versioned(self, path: str, most: int) -> tuple[bytes, str]:
        """Returns an object's bytes and its ETag, which is requested first: it is never newer than the bytes."""
        size, tag = self._head(path)
        return self.get(path, most, size), tag

    def replace(self, path: str, data: bytes, version: str) -> bool:
        """Replaces that version of an object; returns False, and changes nothing, if it is another version or gone."""
        return self._put_if(path, data, IfMatch=version)

    def _put_if(self, path: str, data: bytes, **condition: str) -> bool:
        """Makes a conditional put. The answer to an earlier attempt may be lost: finding our own bytes is a success."""
        if self._scheme != "s3":
            remedy = "use a folder or s3://; Google's buckets have an S3 address as well (AWS_ENDPOINT_URL)"
            raise BucketError(f"{self._scheme}:// has no conditional writes here", remedy)
        bucket, _, key = self._full(path).partition("/")

        def put() -> bool:
            try:
                self._filesystem.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
            except FileNotFoundError:  # replace what isn't there
                return False
            except OSError as error:
                if not is_refused(error):
                    raise
                return False
            return True

        try:
            return self._call(put) or self.get(path, len(data)) == data
        except NotPlain:  # larger than ours
            return False
        except FileNotFoundError:
            return False

    def exists(self, path: str) -> bool:
        """Whether there is an object of this name."""
        try:
            return bool(self._info(path)["type"] == "file")
        except FileNotFoundError:
            return False

    def sizes(self, prefix: str) -> dict[str, int]:
        """Returns the sizes of all objects below prefix by path, in no order; none if there are none."""
        return {path: int(about["size"]) for path, about in self._listed(prefix).items()}

    def times(self, prefix: str) -> dict[str, float]:
        """Returns when each object below prefix was last written, by path; infinite where the store doesn't tell."""
        return {path: _written(about) for path, about in self._listed(prefix).items()}

    def _listed(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Returns what a listing says of each object below prefix, by path."""
        folder = self._full(prefix) + "/" if prefix else self._address + "/"
        try:
            found = self._call(lambda: self._filesystem.find(folder, detail=True), checked=False)
        except FileNotFoundError:
            found = {}
        if not found:
            self._check_bucket()
        start = len(self._address) + 1
        ours = {name[start:]: about for name, about in found.items() if name.startswith(folder)}
        self._leftovers |= {path: about for path, about in ours.items() if _is_left(path)}
        return {path: about for path, about in ours.items() if path and not path.endswith("/")}

    def folders(self, prefix: str) -> list[str]:  # noqa: ARG002  there is none below any
        """Returns no folders: a bucket has none."""
        return []

    def delete(self, path: str) -> None:
        """Deletes an object; a missing one is fine."""
        try:
            self._call(lambda: self._filesystem.rm_file(self._full(path)))
        except FileNotFoundError:
            return

    def free(self) -> int | None:
        """Returns None: an object store has no known limit."""
        return None

    def existing(self) -> "Bucket":
        """Returns itself: a prefix need not be made."""
        return self

    def take_turn(self, path: str) -> Callable[[], None]:
        """Waits for the lock of a path, and returns the function that releases it; no lock without conditional writes.

        The lock is an object. If it stays unchanged for TURN its process is taken to be dead.
        """
        if self._scheme != "s3":
            return lambda: None
        folder, _, name = path.rpartition("/")
        lock, own = f"{folder}/{TURN_NAME}{name}", secrets.token_hex(16).encode()
        seen, since = "", 0.0
        while not self.create(lock, own):
            try:
                found = self._head(lock)[1]
            except FileNotFoundError:
                continue
            if found != seen:
                seen, since = found, time.monotonic()
            if time.monotonic() - since > TURN and self.replace(lock, own, found):
                break
            time.sleep(_JITTER.uniform(0.1, 0.3))
        return lambda: self._delete_own(lock, own)

    def _delete_own(self, path: str, own: bytes) -> None:
        with suppress(FileNotFoundError):
            if self.get(path, len(own), len(own)) == own:
                self.delete(path)

    def remove_empty(self, path: str) -> None:
        """Does nothing: a bucket has no folders."""

    def sweep(self, folders: Sequence[str], turns: Sequence[str], deletes: bool) -> int:  # noqa: ARG002  see below
        """Deletes what killed processes left long ago in the root, in `turns`, and in what was listed.

        Returns the bytes. `folders` aren't searched: a listing takes a second.
        """
        for folder in turns:
            self.sizes(folder)
        with suppress(FileNotFoundError):
            found = self._call(lambda: self._filesystem.ls(self._address, detail=True), checked=False)
            names = {str(about["name"])[len(self._address) + 1 :]: about for about in found}
            self._leftovers |= {path: about for path, about in names.items() if _is_left(path)}
        old = {path: about for path, about in self._leftovers.items() if _is_old(about)}
        for path, about in old.items() if deletes else ():
            if path.rpartition("/")[2].startswith(TURN_NAME):
                self._end_turn(path, str(about.get("ETag", "")))
            else:
                self.delete(path)
        self._leftovers.clear()
        return sum(int(about.get("size") or 0) for about in old.values())

    def _end_turn(self, path: str, version: str) -> None:
        """Deletes the lock of a dead process safely: by becoming its holder first."""
        own = secrets.token_hex(16).encode()
        if self._scheme == "s3" and self.replace(path, own, version):
            self._delete_own(path, own)

    def _full(self, path: str) -> str:
        return f"{self._address}/{path}"

    def _head(self, path: str) -> tuple[int, str]:
        """Returns an object's size and ETag. On S3 it needs no permission to list, and one request if missing."""
        if self._scheme != "s3":
            about = self._info(path)
            return int(about["size"] or 0), str(about.get("ETag", ""))
        bucket, _, key = self._full(path).partition("/")
        found = self._call(lambda: self._filesystem.call_s3("head_object", Bucket=bucket, Key=key))
        return int(found["ContentLength"]), str(found.get("ETag", ""))

    def _info(self, path: str) -> dict[str, Any]:
        info: dict[str, Any] = self._call(lambda: self._filesystem.info(self._full(path)))
        return info

    def _call(self, work: Callable[[], T], checked: bool = True) -> T:
        """Returns what `work` returns, with as many attempts as PATIENCE allows.

        With `checked`, "no such object" is believed only after the bucket itself has been seen.
        """
        began = time.monotonic()
        for attempt in count():
            try:
                answer = work()
                self._has_answered = True
                return answer
            except FileNotFoundError:
                self._has_answered = True
                if checked:
                    self._check_bucket()
                raise
            except Exception as error:
                self._has_answered = self._has_answered or is_answer(error)
                end = began + (PATIENCE if self._has_answered else min(PATIENCE, FIRST_PATIENCE))
                pause = _JITTER.uniform(0, min(_LONGEST_PAUSE, 0.1 * 2.0**attempt))
                if not is_transient(error) or time.monotonic() + pause > end:
                    raise as_os_error(error, attempt + 1) from error
                _LOG.warning("object store: %s; again in %.1f s", type(error).__name__, pause)
                time.sleep(pause)
        raise AssertionError("count() doesn't end")

    def _check_bucket(self) -> None:
        if self._seen:
            return
        try:
            self._call(lambda: self._filesystem.info(self._bucket), checked=False)
        except FileNotFoundError:
            remedy = "create it, or correct --store (and the endpoint, AWS_ENDPOINT_URL)"
            raise BucketError(f"there is no bucket {self._bucket!r}", remedy) from None
        except BucketError as error:
            if not isinstance(error.__cause__, PermissionError):
                raise  # else a policy that allows the objects and not the bucket: the object's answer stands
        self._seen = True


def _open_filesystem(scheme: str) -> Any:
    module, package = SCHEMES[scheme]
    try:
        import_module(module)
    except ImportError as error:
        reason = f"{scheme}:// needs {module}, which is not installed"
        raise BucketError(reason, f"pip install {package}") from error
    import fsspec

    options = _S3_OPTIONS if scheme == "s3" else {}
    filesystem = fsspec.filesystem(scheme, use_listings_cache=False, skip_instance_cache=True, **options)
    if scheme == "s3":
        filesystem.retries = 1
    return filesystem


def _is_left(path: str) -> bool:
    """Whether an object's name is one of those that a killed process leaves behind; probes lie in the root."""
    name = path.rpartition("/")[2]
    return is_half_written(name) or name.startswith(TURN_NAME) or is_probe(path)


def _is_old(about: Mapping[str, Any]) -> bool:
    return time.time() - _written(about) > OLD_SECONDS


def _written(about: Mapping[str, Any]) -> float:
    """Returns when an object was written, in seconds since 1970: infinitely late if that isn't known."""
    modified = about.get("LastModified") or about.get("updated") or about.get("last_modified")
    return modified.timestamp() if isinstance(modified, datetime) else math.inf
