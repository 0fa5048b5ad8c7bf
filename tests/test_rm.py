"""rm: a run's files go, with those of earlier runs of its name; trials, datasets and foreign files stay."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import threading
from pathlib import Path

import pytest
from store_world import contents, damage_in, full, run, shared, spec
from store_world import copied as copied
from store_world import filled as filled

from sumsquares.jobs import exits
from sumsquares.jobs.commands import rm as commands
from sumsquares.jobs.commands.gc import gc
from sumsquares.jobs.commands.rm import rm
from sumsquares.jobs.exits import BusyError, UsageError
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.stages.running import Running
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import StorageError, Store
from sumsquares.jobs.verify.repair import repair
from sumsquares.jobs.verify.scan import scan


def kept(store):
    """The earlier runs of a, as they are named on the command line."""
    return sorted({f"a@{path.split('/')[3]}" for path in store.list("runs/a/previous")})


def test_a_run_goes_with_its_earlier_ones_and_nothing_else(store, capsys):
    """Packs and datasets stay, and so do other runs; a second rm doesn't find it."""
    before, others = contents(store), {path for path in store.list("runs") if not path.startswith("runs/a/")}
    rm("a", True, shared(store))
    assert json.loads(capsys.readouterr().out)["bytes"] > 0
    assert set(store.list("runs")) == others
    assert contents(store) == before
    assert not Path(store.root, "runs/a").exists()
    with pytest.raises(UsageError, match="there is no run 'a'"):
        rm("a", True, shared(store))


def test_one_earlier_run_goes_alone(store):
    """By its digest, or by the first digits of it if only one begins so."""
    first, second = kept(store)
    rm(first[:6], True, shared(store))
    assert kept(store) == [second]
    assert store.exists("runs/a/summary.json")
    for wrong in ("a@ffff", "a@xyz", "b@0123"):
        with pytest.raises(UsageError):
            rm(wrong, True, shared(store))


def test_a_similar_name_is_named(store):
    """A typo deletes nothing."""
    run(store, spec("question"))
    with pytest.raises(UsageError, match='did you mean "question"'):
        rm("qestion", True, shared(store))


def test_the_run_of_a_night_is_for_prune(store):
    """The night needs it, the champion's all the more."""
    night = next(path.split("/")[1] for path in store.list("runs") if "night-" in path)
    before = store.sizes()
    with pytest.raises(UsageError, match="nightly prune"):
        rm(night, True, shared(store))
    assert store.sizes() == before


def test_a_run_in_progress_stays(store):
    """With exit code 6; another run may go meanwhile."""
    at_work = Running(store, "run")
    at_work.begin("a")
    before = store.list("runs/a")
    with pytest.raises(BusyError, match="run a on"):
        rm("a", True, shared(store))
    assert store.list("runs/a") == before
    rm("b", True, shared(store))
    at_work.end()


def test_a_run_that_begins_while_its_files_go_is_whole_afterwards(store, monkeypatch):
    """It waits until they are gone, so that none of its own is deleted."""
    again, threads, waits, real = spec("b", [0.03, 0.04]), [], threading.Event(), Store.delete

    def delete(self, path):
        if path.startswith("runs/b/") and not threads:
            threads.append(threading.Thread(target=run, args=(Store(store.root), again)))
            threads[0].start()
            assert waits.wait(60)
        real(self, path)

    def wait(self, say, really=Running._wait_for_deletions):
        if threads:
            waits.set()
        really(self, say)

    damaged = damage_in(store)
    monkeypatch.setattr(Running, "_wait_for_deletions", wait)
    monkeypatch.setattr(Store, "delete", delete)
    rm("b", True, shared(store))
    threads[0].join()
    assert store.exists("runs/b/job.toml")
    assert store.exists("runs/b/summary.json")
    assert damage_in(store) <= damaged


def test_on_a_full_disk_a_run_goes_all_the_same_and_no_folder_stays(store, monkeypatch):
    """Its files make room for the record that gc needs."""

    def full_disk(self, path, data):
        Path(self.root, path).parent.mkdir(exist_ok=True)
        raise StorageError("no space left")

    monkeypatch.setattr(Store, "put", full_disk)
    rm("b", True, shared(store))
    with pytest.raises(StorageError):
        gc(True, 0, shared(store))
    assert not store.list("runs/b")
    assert not Path(store.root, "running").exists()


class Terminal(io.StringIO):
    """What a person types."""

    def isatty(self):
        """Yes."""
        return True


@pytest.mark.parametrize(
    ("typed", "goes"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_it_asks_on_a_terminal(store, monkeypatch, capsys, typed, goes):
    """Only yes means yes; the question says how much would go."""
    monkeypatch.setattr(commands.sys, "stdin", Terminal(typed))
    assert rm("b", False, shared(store)) == exits.OK
    assert ("runs/b/summary.json" not in store.list()) == goes
    assert "delete run b, 5 files of" in capsys.readouterr().err


def test_without_a_terminal_it_must_be_told(store, monkeypatch):
    """A script says what it means."""
    monkeypatch.setattr(commands.sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(UsageError, match="add --yes"):
        rm("b", False, shared(store))
    assert store.exists("runs/b/summary.json")


def test_foreign_files_stay_and_are_named(store, tmp_path, capsys):
    """Those of other names, and those under ours; behind a link nothing goes."""
    store.put("runs/b/notes.txt", b"mine")
    store.put("runs/b/report.html", b"my only copy")
    rm("b", True, shared(store))
    assert set(json.loads(capsys.readouterr().out)["stays"]) == {"runs/b/notes.txt", "runs/b/report.html"}
    assert set(store.list("runs/b")) == {"runs/b/notes.txt", "runs/b/report.html"}
    place = Path(store.root, "runs/c")
    place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "moved")
    with pytest.raises(ForeignFile, match="link"):
        rm("c", True, shared(store))
    assert (tmp_path / "moved" / "summary.json").exists()


class Killed(BaseException):
    """Stands for the end of the process."""


def test_killed_at_any_deletion_it_is_finished_by_the_next_and_repair_leaves_no_damage(tmp_path):
    """What is left is a run that isn't finished."""
    filled = Store(str(tmp_path / "filled"))
    full(filled, has_nights=False)
    whole = Store(str(shutil.copytree(filled.root, tmp_path / "whole")))
    rm("a", True, shared(whole))
    for killed_at in range(0, 15, 3):
        store = Store(str(shutil.copytree(filled.root, tmp_path / str(killed_at))))
        left, damaged = [killed_at], damage_in(store)

        def dying(self, path, real=Store.delete, left=left):
            if not left[0]:
                raise Killed
            left[0] -= 1
            real(self, path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "delete", dying)
            patch.setattr(Running, "end", lambda self: self._done.set())
            with contextlib.suppress(Killed):
                rm("a", True, shared(store))
        for path in store.list("running"):
            store.delete(path)
        other = Store(str(shutil.copytree(store.root, tmp_path / f"repaired{killed_at}")))
        repair(scan(other, lambda _: None), Clock())
        assert {path for path, _ in damage_in(other)} <= {path for path, _ in damaged}
        if any(path.startswith("runs/a/") for path in store.list("runs")):
            rm("a", True, shared(store))
        assert store.list() == whole.list()
