"""Files that killed processes leave in a store are deleted once they are old, unless they are in use or foreign."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

import pytest
from test_run import run

from sumsquares.jobs.storage import bucket, folder
from sumsquares.jobs.storage.leftovers import OLD_SECONDS
from sumsquares.jobs.storage.store import Store

HEX = "0123456789abcdef"
OURS = {
    f"trials/.tmp-{HEX}": b"half a pa",
    f"states/.tmp-{HEX}": b"",
    f"datasets/ab/train/.tmp-{HEX}": b"half",
    "runs/other/.tmp-lock-summary.json": b"",
    "nightly/.tmp-lock-lock.json": b"",
    f"probe-{HEX}": b"sumsquares",
}
FOREIGN = {
    f"trials/.tmp-{HEX}0": b"",
    "trials/.tmp-notes": b"",
    f"trials/.TMP-{HEX}": b"",
    f"trials/tmp-{HEX}": b"",
    f"trials/probe-{HEX}": b"sumsquares",
    "probe-0000000000000000": b"mine",
    "probe-notes": b"sumsquares",
    f"mine/.tmp-{HEX}": b"",
    f".tmp-{HEX}": b"mine",
    "runs/small/.tmp-lock-notes": b"not empty",
}


def made(root: Path, age: float, files=OURS) -> list[Path]:
    paths = [root / name for name in files]
    for path, data in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (time.time() - age,) * 2)
    return paths


def there(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.exists()]


def test_a_run_removes_what_is_old_and_leaves_what_is_foreign_or_young(tmp_path):
    """Temporary files, probes and lock files; also beside the store, where a probe is before the store exists."""
    beside = made(tmp_path, OLD_SECONDS + 60, {f"probe-{HEX}": b"sumsquares", f".tmp-{HEX}": b"sums"})
    old, foreign = made(tmp_path / "store", OLD_SECONDS + 60), made(tmp_path / "store", 10 * OLD_SECONDS, FOREIGN)
    foreign += made(tmp_path, 10 * OLD_SECONDS, {"probe-1111111111111111": b"mine", ".tmp-1111111111111111": b"mine"})
    (tmp_path / f"store/trials/.tmp-{HEX[::-1]}").mkdir()
    foreign.append(tmp_path / f"store/trials/.tmp-{HEX[::-1]}")
    assert run(tmp_path)[1] == 0
    assert there(old + beside) == []
    assert there(foreign) == foreign
    young = made(tmp_path / "store", OLD_SECONDS - 60)
    assert run(tmp_path)[1] == 0
    assert there(young) == young


def test_a_refusal_removes_nothing(tmp_path):
    """Checks that can refuse a run come first."""
    old = made(tmp_path / "store", OLD_SECONDS + 60)
    with pytest.raises(ValueError, match="rows"):
        run(tmp_path, "name = 'small'\n[[dataset]]\nrows = 0")
    assert there(old) == old


def test_a_lock_that_is_held_stays(tmp_path):
    """However old its file is."""
    (path,) = made(tmp_path, OLD_SECONDS + 60, {"runs/x/.tmp-lock-summary.json": b""})
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        Store(str(tmp_path)).sweep(["runs"], [])
        assert path.exists()
    Store(str(tmp_path)).sweep(["runs"], [])
    assert not path.exists()


def test_locks_lock_while_their_files_are_removed(tmp_path, monkeypatch):
    """Four threads take turns, and a fifth deletes the lock file whenever it is free: the lock stays exclusive."""
    monkeypatch.setattr(folder, "OLD_SECONDS", -1.0)
    store, inside, seen, removed = Store(str(tmp_path)), [], [], []
    is_over, real = threading.Event(), Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        removed.extend([1] * path.name.startswith(".tmp-lock-"))
        real(path, missing_ok)

    def work() -> None:
        while not is_over.is_set():
            with store.turn("runs/x/summary.json"):
                inside.append(1)
                seen.append(len(inside))
                time.sleep(0.0002)
                inside.pop()
            time.sleep(0.001)

    monkeypatch.setattr(Path, "unlink", unlink)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 10
    while len(removed) < 10 and time.monotonic() < end:
        store.sweep(["runs"], [])
    is_over.set()
    for thread in threads:
        thread.join()
    assert len(removed) >= 10
    assert set(seen) == {1}


def test_an_object_store_is_swept_where_it_was_listed(s3_root, s3_server, monkeypatch):
    """Old probes in its root, and turns of dead processes in the given folders, are deleted; young ones stay."""
    store, prefix = Store(s3_root), s3_root.removeprefix("s3://")
    ours = [f"probe-{HEX}", "runs/small/.tmp-turn-summary.json"]
    foreign = [f"trials/probe-{HEX}", "probe-notes", "runs/small/summary.json", "runs/small/.tmp-notes"]
    for name in (*ours, *foreign):
        s3_server.send("PUT", f"{prefix}/{name}", b"sumsquares")
    store.sweep((), turns=("runs",))
    assert [name for name in ours if store._files.exists(name)] == ours
    monkeypatch.setattr(bucket, "OLD_SECONDS", -10.0)
    s3_server.requests.clear()
    store.sweep((), turns=("runs",))
    assert [name for name in ours if store._files.exists(name)] == []
    assert [name for name in foreign if store._files.exists(name)] == foreign
    assert len([request for request in s3_server.requests if request.startswith("GET")]) <= 6
