"""Groups without workers: told of, waited for as long as others work, and given up with asked against available."""

from __future__ import annotations

import pytest

from sumsquares.cluster.worker_watch import WorkerWatch
from sumsquares.cluster.workers import ClusterError, Group

GROUPS = [Group(f"cpu-{number}", 4, "cpu", 2, {"CPU": 1.0}, {}) for number in range(2)]


def watch(there, free=0.0, patience=600.0):
    return WorkerWatch(GROUPS, patience, lambda: ({"CPU": there}, {"CPU": free}), now=0.0)


def test_a_group_that_restarts_is_nothing_to_tell_of():
    """It takes seconds."""
    waiting = watch(there=1)
    assert waiting.look(["cpu-0"], ["cpu-1"], 9, now=20.0) is None
    assert waiting.look(["cpu-0", "cpu-1"], [], 9, now=25.0) is None
    assert waiting.look(["cpu-0"], ["cpu-1"], 9, now=50.0) is None


def test_a_group_without_workers_is_told_of_every_minute_and_waited_for_while_others_work():
    """However long that is."""
    waiting = watch(there=1)
    notes = [waiting.look(["cpu-0"], ["cpu-1"], 9, now=float(now)) for now in range(3600)]
    told = [note for note in notes if note]
    assert 55 <= len(told) <= 61
    assert told[0] == "no workers in group cpu-1 for 31 s (CPU: 2 requested, 1 available); the others continue"


def test_a_run_without_any_worker_ends_with_asked_against_available():
    """After its patience, having said so before."""
    waiting = watch(there=3, patience=120.0)
    assert waiting.look(["cpu-0"], ["cpu-1"], 9, now=10.0) is None
    note = waiting.look([], ["cpu-0", "cpu-1"], 9, now=60.0)
    assert (
        "groups cpu-0, cpu-1 for 60 s (CPU: 4 requested, 3 available); the run ends after 120 s without any worker"
        in note
    )
    with pytest.raises(
        ClusterError, match=r"CPU: 4 requested, 3 available.*--workers.*--patience.*run again"
    ) as refused:
        waiting.look([], ["cpu-0", "cpu-1"], 9, now=131.0)
    assert "9 work items left" in str(refused.value)


def test_a_worker_that_comes_back_begins_the_patience_anew():
    """It is about runs in which nothing moves."""
    waiting = watch(there=8, free=8, patience=60.0)
    waiting.look([], ["cpu-0"], 9, now=59.0)
    waiting.look(["cpu-0"], [], 9, now=60.0)
    assert "they are starting" in waiting.look([], ["cpu-0"], 9, now=119.0)
    with pytest.raises(ClusterError):
        waiting.look([], ["cpu-0"], 9, now=121.0)


def test_what_others_have_taken_is_told_as_taken():
    """The cluster is large enough, and full."""
    note = watch(there=8, free=1).look([], ["cpu-0"], 9, now=31.0)
    assert "CPU: 2 requested, 1 free, the rest is in use" in note


def test_hundreds_of_groups_are_not_listed():
    """Three, and how many more."""
    groups = [Group(f"cpu-{number}", 1, "cpu", 1, {"CPU": 1.0}, {}) for number in range(50)]
    waiting = WorkerWatch(groups, 600.0, lambda: ({}, {}), now=0.0)
    assert "groups cpu-0, cpu-1, cpu-2 and 47 more for" in waiting.look([], [g.name for g in groups], 1, now=40.0)
