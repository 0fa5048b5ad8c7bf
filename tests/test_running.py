"""Records of commands at work: who counts as alive, and that runs and deletions see each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from store_world import damage_in, run, spec

from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.machine import process_names
from sumsquares.jobs.stages import running
from sumsquares.jobs.stages.running import GC, LEASE, RM, Running, living, records
from sumsquares.jobs.storage.checksummed import seal
from sumsquares.jobs.storage.store import Store


@pytest.fixture(name="store")
def store_that_is_there(tmp_path):
    """An empty store."""
    (tmp_path / "store").mkdir()
    return Store(str(tmp_path / "store"))


class Time:
    """A clock that moves when somebody sleeps; then `happens` is called."""

    def __init__(self, happens=lambda: None):
        self.now, self.happens = 1_000_000.0, happens
        self.module = SimpleNamespace(time=lambda: self.now, monotonic=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds):
        """Lets time pass."""
        self.now += seconds
        self.happens()


def lay(store, path="running/0123456789abcdef.json", **changes):
    """Writes the record of another process."""
    body = {"command": "run", "runs": ["x"], "host": "elsewhere", "pid": 1, "process": "", "began": 0.0, "beat": 0.0}
    store.put(path, seal({"format": 1, **body, **changes}))
    return path


def dead_process():
    """PID and name of a process of this machine that has ended."""
    program = (
        "import os; from sumsquares.jobs.machine.process_names import process_name; "
        "print(os.getpid(), process_name(os.getpid()))"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    pid, name = answer.stdout.split()
    return {"host": os.uname().nodename, "pid": int(pid), "process": name}


def test_a_record_is_there_while_a_command_works_and_leaves_nothing(store):
    """It names the runs, and verify knows it."""
    at_work = Running(store, "run")
    at_work.begin("a")
    at_work.begin("b")
    ((path, record),) = records(store)
    assert (path, record.runs, record.is_alive) == (at_work.path, ("a", "b"), True)
    assert damage_in(store) == set()
    at_work.end()
    assert [*Path(store.root).iterdir()] == []


def test_a_damaged_record_is_found_and_repairable(store):
    """Like any file of ours that follows from others."""
    path = lay(store)
    store.put(path, store.get(path)[:-20])
    assert {where for where, _ in damage_in(store)} == {path}


@pytest.mark.skipif(not process_names.process_name(os.getpid()), reason="this system has no /proc")
def test_a_dead_process_of_this_machine_counts_for_nothing(store):
    """At once, and the next run removes its record."""
    path = lay(store, **dead_process())
    assert living(store) == (None, {path})
    run(store, spec())
    assert store.list("running") == []


@pytest.mark.parametrize("is_renewed", [True, False])
def test_the_record_of_another_machine_is_watched(store, monkeypatch, is_renewed):
    """However wrong its clock is: it is alive if it is renewed within a lease, and dead if not."""
    beats = []
    clock = Time(lambda: is_renewed and beats.append(lay(store, beat=float(len(beats)))))
    path = lay(store)
    monkeypatch.setattr(running, "time", clock.module)
    record, dead = living(store)
    assert (record is not None, dead) == ((True, set()) if is_renewed else (False, {path}))
    assert is_renewed or clock.now == pytest.approx(1_000_000 + LEASE)


def test_one_that_was_renewed_a_moment_ago_is_alive_without_a_watch(store, monkeypatch):
    """So that gc refuses at once."""
    clock = Time()
    monkeypatch.setattr(running, "time", clock.module)
    lay(store, beat=clock.now - LEASE / 2)
    assert living(store)[0] is not None
    assert clock.now == 1_000_000


def test_only_commands_that_make_a_run_count_for_it(store):
    """Another run may be deleted meanwhile."""
    at_work = Running(store, "run")
    at_work.begin("a")
    assert living(store, run="a")[0].runs == ("a",)
    assert living(store, run="b")[0] is None
    at_work.end()


def test_whichever_begins_first_a_run_and_a_deletion_see_each_other(store):
    """A deletion stops for any record, and a run waits for that of a deletion."""
    deletion, at_work, said = Running(store, GC), Running(store, "run"), []
    deletion.begin()
    deletion.check_alone()

    def stop(text):
        said.append(text)
        with pytest.raises(BusyError, match="run a on"):
            deletion.check_alone()
        deletion.end()

    at_work.begin("a", stop)
    assert len(said) == 1
    assert "waiting until it has stopped" in said[0]
    at_work.end()


def test_a_deletion_that_could_not_renew_its_record_deletes_no_further(store, monkeypatch):
    """A run may have taken it for dead."""
    clock = Time()
    monkeypatch.setattr(running, "time", clock.module)
    deletion = Running(store, GC)
    deletion.begin()
    deletion.check_alone()
    deletion._done.set()  # its thread renews it no more
    clock.now += LEASE
    with pytest.raises(BusyError, match="was not renewed"):
        deletion.check_alone()


@pytest.mark.skipif(not process_names.process_name(os.getpid()), reason="this system has no /proc")
def test_a_stopped_deletion_of_this_machine_is_waited_for(store, monkeypatch):
    """However long it renews nothing: it may go on deleting."""
    waited = []
    alive = {"host": os.uname().nodename, "pid": os.getpid(), "process": process_names.process_name(os.getpid())}
    path = lay(store, command=GC, **alive)
    clock = Time(lambda: (waited.append(clock.now), clock.now > 1_000_000 + 3 * LEASE and store.delete(path)))
    monkeypatch.setattr(running, "time", clock.module)
    at_work = Running(store, "run")
    at_work.begin("a")
    assert not store.exists(path)
    assert waited[-1] > 1_000_000 + 3 * LEASE
    at_work.end()


@pytest.mark.parametrize(("run", "waits"), [("a", True), ("b", False)])
def test_a_run_waits_for_the_deletion_of_its_own_files_alone(store, run, waits):
    """Else its spec could be deleted after it has been written."""
    deletion, at_work, said = Running(store, RM), Running(store, "run"), []
    deletion.begin("a")
    at_work.begin(run, lambda text: (said.append(text), deletion.end()))
    assert bool(said) == waits
    deletion.end()
    at_work.end()


def test_a_run_waits_no_longer_than_a_lease_for_a_deletion_that_is_dead(store, monkeypatch):
    """On another machine nothing else tells."""
    clock = Time()
    monkeypatch.setattr(running, "time", clock.module)
    lay(store, command=GC, beat=clock.now)
    at_work = Running(store, "run")
    at_work.begin("a")
    assert clock.now == pytest.approx(1_000_000 + LEASE, abs=1)
    at_work.end()


def test_a_run_records_when_it_finished(store):
    """In UTC, in its summary."""
    run(store, spec())
    assert json.loads(store.get("runs/a/summary.json"))["finished"].endswith("Z")
