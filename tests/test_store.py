import contextlib
import errno
import os
import pickle
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.storage import bucket
from sumsquares.jobs.storage.address import AddressError
from sumsquares.jobs.storage.store import StorageError, Store

NAMES = st.sampled_from(["a", "b.json", "x/a", "x/y/a", "x/y/b", "y"])
STEPS = st.lists(st.tuples(st.sampled_from(["put", "delete"]), NAMES, st.binary(max_size=40)), max_size=15)


def files_on_disk(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_a_folder_store_behaves_like_a_dictionary(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, bytes]]
) -> None:
    """After any puts and deletes, reads, listings and sizes give exactly the last contents."""
    store, expected = Store(str(tmp_path_factory.mktemp("store"))), {}
    for action, path, data in steps:
        if action == "put":
            store.put(path, data)
            expected[path] = data
        else:
            store.delete(path)
            expected.pop(path, None)
    assert store.list() == sorted(expected)
    assert store.list("x") == sorted(path for path in expected if path.startswith("x/"))
    assert {path: store.get(path) for path in store.list()} == expected
    assert all(store.exists(path) for path in expected)
    assert store.sizes() == {path: len(data) for path, data in expected.items()}


class Breakdown:
    """Counts the operating system's calls in a put and lets one fail, a write after half of its bytes."""

    NAMES = ("mkdir", "open", "fdopen", "fsync", "replace")

    def __init__(self, fail_at: int, error: BaseException) -> None:
        self.calls, self.fail_at, self.error = 0, fail_at, error

    def step(self) -> None:
        self.calls += 1
        if self.calls == self.fail_at:
            raise self.error

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.step()
            result = function(*args, **kwargs)
            return _TornFile(result, self) if function.__name__ == "fdopen" else result

        return wrapped

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for name in self.NAMES:
            patch.setattr(os, name, self.wrap(getattr(os, name)))


class _TornFile:
    def __init__(self, file: Any, breakdown: Breakdown) -> None:
        self.file, self.breakdown = file, breakdown

    def __enter__(self) -> "_TornFile":
        return self

    def __exit__(self, *exc: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        self.breakdown.step()
        self.file.write(data[len(data) // 2 :])


OLD = {"x/old": b"old", "y": b"other"}


def old_store(root: Path) -> Store:
    store = Store(str(root))
    for path, data in OLD.items():
        store.put(path, data)
    return store


def calls_of_a_put(root: Path, target: str) -> int:
    store, quiet = old_store(root), Breakdown(0, OSError())
    with pytest.MonkeyPatch.context() as patch:
        quiet.install(patch)
        store.put(target, b"new" * 1000)
    return quiet.calls


@pytest.mark.parametrize(("target", "steps"), [("x/new/file", 9), ("x/old", 7)])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_a_put_that_fails_at_any_step_leaves_all_of_the_old_or_all_of_the_new(
    tmp_path: Path, target: str, steps: int, number: int
) -> None:
    """Whichever step fails, there is no partial or temporary file, and other files are untouched."""
    assert calls_of_a_put(tmp_path / "quiet", target) >= steps
    for fail_at in range(1, calls_of_a_put(tmp_path / "again", target) + 1):
        root = tmp_path / str(fail_at)
        store, after = old_store(root), OLD | {target: b"new" * 1000}
        with pytest.MonkeyPatch.context() as patch:
            Breakdown(fail_at, OSError(number, os.strerror(number))).install(patch)
            with pytest.raises(StorageError, match=f"{target}: {re.escape(os.strerror(number))}"):
                store.put(target, b"new" * 1000)
        assert files_on_disk(root) in (OLD, after)
        store.put(target, b"new" * 1000)
        assert files_on_disk(root) == after


def test_files_that_are_put_together_appear_in_order_and_complete(tmp_path: Path) -> None:
    """Whichever step fails, a file is there only if those before it are, and no temporary file stays."""
    new = {"x/first": b"1" * 1000, "x/old": b"2" * 1000, "z/last": b"3" * 1000}
    states = [OLD | dict([*new.items()][:count]) for count in range(len(new) + 1)]
    seen = set()
    for fail_at in count(1):
        store = old_store(tmp_path / str(fail_at))
        with pytest.MonkeyPatch.context() as patch:
            breakdown = Breakdown(fail_at, OSError(errno.EIO, os.strerror(errno.EIO)))
            breakdown.install(patch)
            with contextlib.suppress(StorageError):
                store.put_all(new)
        seen.add(states.index(files_on_disk(Path(store.root))))
        store.put_all(new)
        assert files_on_disk(Path(store.root)) == states[-1]
        if breakdown.calls < fail_at:
            break
    assert seen == {*range(len(states))}


class Killed(BaseException):
    """Stands for the end of the process: nothing is cleaned up after it."""


def test_what_a_killed_put_leaves_behind_is_never_listed(tmp_path: Path) -> None:
    """A process that dies in a put leaves at most a temporary file, which no listing shows."""
    for fail_at in range(1, calls_of_a_put(tmp_path / "quiet", "x/new/file") + 1):
        store = old_store(tmp_path / str(fail_at))
        with pytest.MonkeyPatch.context() as patch:
            Breakdown(fail_at, Killed()).install(patch)
            patch.setattr(os, "unlink", lambda *_a, **_k: None)
            with contextlib.suppress(Killed):
                store.put("x/new/file", b"new")
        assert store.list() in (["x/old", "y"], ["x/new/file", "x/old", "y"])
        assert {path: store.get(path) for path in OLD} == OLD


def test_a_read_only_folder_is_refused_with_its_path_and_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The probe names the folder, the reason, the room and what to do, before any work."""
    if os.geteuid() == 0:  # root may write anywhere

        def refuse(*_args: Any, **_kwargs: Any) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match=r"Permission denied .*bytes free.*permissions") as caught:
        Store(str(tmp_path)).probe(1000)
    assert str(tmp_path) in str(caught.value)


def test_a_probe_leaves_nothing_and_knows_the_room(tmp_path: Path) -> None:
    """A probe passes in a folder that is yet to be made, and refuses more bytes than are free."""
    store = Store(str(tmp_path / "a" / "b"))
    store.probe(1)
    assert store.list() == []
    with pytest.raises(StorageError, match=r"bytes free, 1,152,921,504,606,846,976 needed\); free some"):
        store.probe(2**60)


def test_a_full_disk_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left: the message says to free some, and the probe how much is free and needed."""
    Breakdown(1, OSError(errno.ENOSPC, "No space left on device")).install(monkeypatch)
    with pytest.raises(StorageError, match=r"No space left on device \(.*free, 7 needed\); free some space"):
        Store(str(tmp_path)).probe(7)


@pytest.mark.parametrize("use", ["put", "list", "get", "probe"])
def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path, use: str) -> None:
    """Every use of such a store reports the file."""
    (tmp_path / "file").write_bytes(b"")
    store = Store(str(tmp_path / "file"))
    actions: dict[str, Callable[[], object]] = {
        "put": lambda: store.put("x", b""),
        "list": lambda: store.list("x"),
        "get": lambda: store.get("x"),
        "probe": store.probe,
    }
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        actions[use]()


def test_a_missing_file_is_distinguished_from_an_empty_store(tmp_path: Path) -> None:
    """Reading a missing file raises FileNotFoundError with its full path; a missing folder lists as empty."""
    store = Store(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="none/x/y"):
        store.get("x/y")
    assert store.list("x") == []
    assert not store.exists("x")
    assert not (tmp_path / "none").exists()


BAD_PATHS = [
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a//b",
    "./a",
    "a/.",
    "a\x00b",
    "a\nb",
    "a\\b",
    "x/.tmp-1",
]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_leaves_the_store_is_refused(tmp_path: Path, path: str) -> None:
    """Absolute paths, parents, control characters and temporary names never reach the disk."""
    store = Store(str(tmp_path))
    for action in (store.get, store.exists, store.delete):
        with pytest.raises(AddressError, match="not a path inside a store"):
            action(path)
    with pytest.raises(AddressError):
        store.put(path, b"")


@pytest.mark.parametrize(
    "address",
    [
        "s3://AKIAKEY:hunter2@bucket",
        "s3://AKIAKEY:hun/ter2@bucket/x",
        "https://user:hunter2@host/x",
        "ftp://hunter2@host",
        "s3:/AKIAKEY:hunter2@bucket",
        "AKIAKEY:hunter2@bucket",
        "az://container/x?sig=hunter2",
        "gs://bucket#hunter2",
        "S3://a:hunter2",
        "s3://AKIAKEY:hunter2",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    """No part of an address that may be a secret appears in the message."""
    with pytest.raises(AddressError) as caught:
        Store(address)
    shown = repr(caught.value)
    assert not any(part in shown for part in ("hunter2", "ter2", "AKIAKEY", "user"))


@pytest.mark.parametrize("address", ["ftp://host/x", "http://host", "file:///x", "s3:/bucket/x", "", " ", "s3://"])
def test_an_unknown_address_lists_the_valid_ones(address: str) -> None:
    """An unknown or misspelt scheme is answered with the valid ones."""
    with pytest.raises(AddressError, match=r"a local folder, s3://.*gs://.*az://"):
        Store(address)


def test_a_missing_s3fs_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without s3fs, the first use of an s3:// store names the extra to install."""

    def missing(name: str) -> object:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(bucket, "import_module", missing)
    with pytest.raises(StorageError, match=r"s3fs.*; pip install sumsquares\[s3\]"):
        Store("s3://bucket/x").probe()


def test_a_store_travels_and_opens_nothing_before_its_first_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pickling keeps the root alone, absolute, so that a worker in another folder finds the same files."""
    monkeypatch.chdir(tmp_path)
    store = Store("here")
    store.put("a", b"1")
    monkeypatch.chdir("/")
    assert pickle.loads(pickle.dumps(store)).get("a") == b"1"  # noqa: S301  our own bytes
    assert store.describe() == f"the folder {tmp_path}/here"
    far = Store("S3://bucket/x/")
    assert (far.root, far.describe(), len(pickle.dumps(far)) < 100) == (
        "s3://bucket/x",
        "s3://bucket/x",
        True,
    )
