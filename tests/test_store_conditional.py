"""Conditional writes, in a folder and in a bucket: of several at once one succeeds, and no write is lost."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from sumsquares.jobs.storage import bucket
from sumsquares.jobs.storage.store import StorageError, Store

PROCESSES = 16


@pytest.fixture(params=["folder", "s3"])
def root(request, tmp_path, monkeypatch):
    """The address of an empty store of each kind."""
    monkeypatch.setattr(bucket, "_LONGEST_PAUSE", 0.01)
    return str(tmp_path / "store") if request.param == "folder" else request.getfixturevalue("s3_root")


def test_an_existing_file_is_not_created_again(root):
    """The first writer's bytes stay; a deleted file can be created again."""
    store = Store(root)
    assert store.create("a/b", b"one")
    assert not store.create("a/b", b"two")
    assert store.get("a/b") == b"one"
    store.delete("a/b")
    assert store.create("a/b", b"three")
    assert store.list() == ["a/b"]


def test_only_the_version_that_was_seen_is_replaced(root):
    """Another version stays as it is, and a missing file stays missing."""
    store = Store(root)
    with pytest.raises(FileNotFoundError):
        store.get_versioned("a")
    assert not store.replace("a", b"x", '"0123"')
    store.put("a", b"one")
    data, version = store.get_versioned("a")
    assert data == b"one"
    assert store.replace("a", b"two", version)
    assert not store.replace("a", b"three", version)
    assert store.get("a") == b"two"
    store.delete("a")
    assert not store.replace("a", b"four", version)
    assert store.list() == []


def increment(root, times, barrier=None):
    """Counts in a file by compare and swap."""
    store = Store(root)
    if barrier is not None:
        barrier.wait()
    for _ in range(times):
        done = False
        while not done:
            data, version = store.get_versioned("count")
            count, _, _ = data.partition(b" ")
            word = f"{int(count) + 1} {threading.get_ident()} {multiprocessing.current_process().pid}"
            done = store.replace("count", word.encode(), version)


def test_no_increment_of_many_processes_is_lost(tmp_path):
    """Eight processes count to 400 by compare and swap."""
    root = str(tmp_path)
    Store(root).put("count", b"0")
    context = multiprocessing.get_context("forkserver")
    processes = [context.Process(target=increment, args=(root, 50)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    assert Store(root).get("count").split()[0] == b"400"


def test_no_increment_of_many_threads_is_lost_in_a_bucket(s3_root, monkeypatch):
    """Four connections count to 20."""
    monkeypatch.setattr(bucket, "_LONGEST_PAUSE", 0.01)
    Store(s3_root).put("count", b"0")
    threads = [threading.Thread(target=increment, args=(s3_root, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert Store(s3_root).get("count").split()[0] == b"20"


def test_an_answer_that_was_lost_is_known_again(s3_root, s3_server, monkeypatch):
    """The write took place but its answer was lost: the writer still learns that it succeeded."""
    monkeypatch.setattr(bucket, "_LONGEST_PAUSE", 0.01)
    store = Store(s3_root)
    store.put("warm", b"")
    s3_server.faults.extend(["lost", "busy", "reset"])
    assert store.create("a", b"mine")
    _, version = store.get_versioned("a")
    s3_server.faults.extend(["lost", "busy"])
    assert store.replace("a", b"mine again", version)
    s3_server.faults.extend(["busy", "reset"])
    assert not store.create("a", b"another's")
    assert not s3_server.faults


def test_a_bucket_without_conditional_writes_says_so(monkeypatch):
    """Where conditional writes aren't known to work, they are refused with an alternative."""
    monkeypatch.setattr(bucket, "_open_filesystem", lambda scheme: None)
    with pytest.raises(StorageError, match=r"gs:// has no conditional writes here; use a folder or s3://"):
        Store("gs://bucket/x").create("a", b"")


def test_a_refused_create_leaves_no_temporary_file(tmp_path):
    """Nothing but the file itself remains."""
    store = Store(str(tmp_path))
    store.create("a", b"one")
    store.create("a", b"two")
    assert [path.name for path in Path(tmp_path).iterdir()] == ["a"]
