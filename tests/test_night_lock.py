"""The lock of the nights: one holder at a time, whatever processes and clocks do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from lock_race import winners
from night_world import DAY, Moved

from sumsquares.jobs.exits import BusyError
from sumsquares.jobs.machine import process_names
from sumsquares.jobs.night import lock as locks
from sumsquares.jobs.night.clock import Clock
from sumsquares.jobs.night.lock import Owner, holding, read_lease, unlock
from sumsquares.jobs.storage import bucket
from sumsquares.jobs.storage.checksummed import DamagedRecord
from sumsquares.jobs.storage.store import StorageError, Store


@pytest.mark.parametrize("rounds", [30, pytest.param(200, marks=pytest.mark.chaos)])
def test_one_of_16_processes_has_the_lock_in_each_round(tmp_path, rounds):
    """In a folder. Tokens count the holders."""
    assert winners(str(tmp_path), rounds) == [(number, number + 1) for number in range(rounds)]


@pytest.mark.parametrize("rounds", [30, pytest.param(200, marks=pytest.mark.chaos)])
def test_one_of_16_processes_takes_over_an_abandoned_lock(tmp_path, rounds):
    """The holder's lease has ended; its token counts too."""
    assert winners(str(tmp_path), rounds, abandoned=True) == [(n, 2 * n + 2) for n in range(rounds)]


@pytest.mark.parametrize("rounds", [4, pytest.param(50, marks=pytest.mark.chaos)])
@pytest.mark.parametrize("abandoned", [False, True])
def test_one_of_16_processes_has_the_lock_of_a_bucket(s3_root, rounds, abandoned):
    """The same holds over a bucket's network interface."""
    step = 2 if abandoned else 1
    assert winners(s3_root, rounds, abandoned) == [(n, step * (n + 1)) for n in range(rounds)]


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def elsewhere(monkeypatch):
    """Makes processes look as if they ran on another machine."""
    monkeypatch.setattr(process_names, "process_name", lambda pid: "")


def abandon(store, time, seconds=300.0, **changes):
    """Writes a lock that was taken and never freed."""
    owner = Owner("elsewhere", 7, "", "2026-11-01-0123456789ab", time.clock.now())
    lease = locks.Lease(1, replace(owner, **changes), time.clock.now() + seconds, seconds)
    store.put(locks.PATH, lease.encode())


def test_the_second_learns_who_holds_the_lock_and_since_when(store):
    """The message has host, process, night and remedy. Once the first has let go, the second may begin."""
    time = Moved()
    said = rf"night first runs on .*process {os.getpid()}, since 2026-11-01T03:00:00Z.*nightly unlock"
    with holding(store, "first", time.clock), pytest.raises(BusyError, match=said):
        holding(store, "another", time.clock).__enter__()
    with holding(store, "another", time.clock) as held:
        assert held.token == 2


def test_a_silent_holder_is_taken_over_after_its_lease_and_not_before(store):
    """The first to come after that takes it over, with a larger token."""
    time = Moved()
    abandon(store, time)
    time.pass_(299)
    with pytest.raises(BusyError):
        holding(store, "a", time.clock).__enter__()
    time.pass_(2)
    with holding(store, "a", time.clock) as held:
        assert held.token == 2
        held.check()


def test_a_holder_that_lost_its_lock_cannot_continue(store, elsewhere):
    """It can't renew, fails its check, and doesn't free the other's lock."""
    time = Moved()
    first = holding(store, "a", time.clock)
    slow = first.__enter__()
    time.pass_(301)
    with holding(store, "b", time.clock) as taken:
        with pytest.raises(BusyError, match="lost its lock"):
            slow.check()
        assert not slow.renew()
        first.__exit__(None, None, None)
        taken.check()


def test_a_holder_that_renews_keeps_it(store, elsewhere):
    """Renewals extend the lease any number of times. A late one succeeds if no one took the lock."""
    time = Moved()
    with holding(store, "a", time.clock) as held:
        for _ in range(5):
            time.pass_(200)
            assert held.renew()
            with pytest.raises(BusyError):
                holding(store, "b", time.clock).__enter__()
        time.pass_(301)
        held.check()  # late, but nobody took it: it is renewed


def test_the_thread_renews_by_itself(store):
    """The lease is extended while the night works."""
    with holding(store, "a", Clock(), seconds=0.3):
        before = read_lease(store)[0]
        done = threading.Event()
        for _ in range(100):
            done.wait(0.05)
            if read_lease(store)[0] != before:
                break
        assert read_lease(store)[0].expires > before.expires


def test_a_holders_clock_that_goes_back_does_not_shorten_its_lease(store, elsewhere):
    """The end is counted on the monotonic clock and only moves forward, also when the wall clock jumps forward."""
    time, other = Moved(), Moved()
    with holding(store, "a", time.clock) as held:
        for jump in (-DAY, 3 * DAY, -5 * DAY):
            before = read_lease(store)[0].expires
            time.wall += jump
            time.pass_(100)
            other.pass_(100)
            assert held.renew()
            assert read_lease(store)[0].expires >= max(before, other.wall + locks.LEASE)
            held.check()


def test_a_dead_holder_is_found_by_a_clock_that_went_back(store):
    """By this clock the lease ends later than possible, so it is watched for one lease and then taken over."""
    time = Moved()
    abandon(store, time)
    time.wall -= 30 * DAY
    with holding(store, "a", time.clock) as held:
        assert held.token == 2
    assert time.ticks == pytest.approx(300)


def test_a_living_holder_is_left_alone_by_a_clock_that_went_back(store):
    """It renews while it is being watched."""
    time, late = Moved(), Moved()
    abandon(store, time)

    def renewing(seconds):
        late.pass_(seconds)
        abandon(store, late)

    time.wall -= 30 * DAY
    with pytest.raises(BusyError):
        holding(store, "a", replace(time.clock, sleep=renewing)).__enter__()


@pytest.mark.skipif(not process_names.process_name(os.getpid()), reason="this system has no /proc")
def test_the_lock_of_a_dead_process_is_taken_over_at_once(store):
    """A living process on this machine keeps its lock; a dead one loses it, also if its PID was reused."""
    program = (
        "import os; from sumsquares.jobs.machine.process_names import process_name; "
        "print(os.getpid(), process_name(os.getpid()))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    pid, process = ended.stdout.split()
    time = Moved()
    host = locks.socket.gethostname()
    abandon(store, time, host=host, pid=os.getpid(), process=process_names.process_name(os.getpid()))
    with pytest.raises(BusyError):
        holding(store, "a", time.clock).__enter__()
    for dead in (int(pid), os.getpid()):
        abandon(store, time, host=host, pid=dead, process=process)
        with holding(store, "a", time.clock) as held:
            assert held.token == 2


def test_unlock_frees_the_lock_and_stops_its_holder(store):
    """It returns who held the lock. That holder can't commit any more, and the next token is larger."""
    time = Moved()
    assert unlock(store, time.clock) is None
    with holding(store, "a", time.clock) as held:
        assert unlock(store, time.clock).night == "a"
        assert unlock(store, time.clock) is None
        with pytest.raises(BusyError):
            held.check()
        with holding(store, "b", time.clock) as next_one:
            assert next_one.token > held.token


def test_a_damaged_lock_is_named_and_unlock_repairs_it(store):
    """A night refuses to start until the lock is unlocked."""
    time = Moved()
    with holding(store, "a", time.clock):
        pass
    store.put(locks.PATH, store.get(locks.PATH)[:-20])
    with pytest.raises(DamagedRecord, match="nightly unlock"):
        holding(store, "b", time.clock).__enter__()
    unlock(store, time.clock)
    with holding(store, "b", time.clock, above=5) as held:
        assert held.token > 5


def test_a_store_that_fails_for_a_while_does_not_lose_the_lock(s3_root, s3_server, monkeypatch, caplog):
    """A renewal that fails is tried again by the same thread."""
    monkeypatch.setattr(bucket, "PATIENCE", 0.1)
    monkeypatch.setattr(bucket, "_LONGEST_PAUSE", 0.01)
    store = Store(s3_root)
    with holding(store, "a", Clock(), seconds=60) as held:
        s3_server.faults.extend(["busy"] * 1000)
        with pytest.raises(StorageError):
            held.renew()
        done = threading.Event()
        monkeypatch.setattr(held, "renew", lambda: (done.set(), (_ for _ in ()).throw(StorageError("busy")))[1])
        stop = threading.Event()
        thread = threading.Thread(target=locks.keep_alive, args=(held, stop, 0.01))
        thread.start()
        done.wait(5)
        assert thread.is_alive()
        stop.set()
        thread.join()
        monkeypatch.undo()
        s3_server.faults.clear()
        held.check()
    assert "was not renewed" in caplog.text
