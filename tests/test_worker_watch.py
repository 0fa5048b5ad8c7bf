"""Groups without workers: reported, waited for while others work, and given up with requested and available."""

from __future__ import annotations

import pytest

from sumsquares.cluster.worker_watch import WorkerWatch
from sumsquares.cluster.workers import ClusterError, Group

GROUPS = [Group(f"cpu-{number}", 4, "cpu", 2, {"CPU": 1.0}, {}) for number in range(2)]


def watch(there, free=0.0, patience=600.0):
    return WorkerWatch(GROUPS, patience, lambda: ({"CPU": there}, {"CPU": free}), now=0.0)


def test_a_restart_is_not_reported():
    """It takes only seconds."""
    watched = watch(there=1)
    assert watched.look(["cpu-0"], ["cpu-1"], 9, now=20.0) is None
    assert watched.look(["cpu-0", "cpu-1"], [], 9, now=25.0) is None
    assert watched.look(["cpu-0"], ["cpu-1"], 9, now=50.0) is None


def test_a_group_without_workers_is_reported_every_minute_while_others_work():
    """And waited for, however long it takes."""
    watched = watch(there=1)
    notes = [watched.look(["cpu-0"], ["cpu-1"], 9, now=float(now)) for now in range(3600)]
    reports = [note for note in notes if note]
    assert 55 <= len(reports) <= 61
    assert reports[0] == "no workers in group cpu-1 for 31 s (CPU: 2 requested, 1 available); the others continue"


def test_a_run_without_any_worker_ends_with_requested_and_available():
    """After its patience, and after an announcement."""
    watched = watch(there=3, patience=120.0)
    assert watched.look(["cpu-0"], ["cpu-1"], 9, now=10.0) is None
    note = watched.look([], ["cpu-0", "cpu-1"], 9, now=60.0)
    assert (
        "groups cpu-0, cpu-1 for 60 s (CPU: 4 requested, 3 available); the run ends after 120 s without any worker"
        in note
    )
    with pytest.raises(ClusterError, match=r"CPU: 4 requested, 3 available.*--workers.*--patience.*run again") as error:
        watched.look([], ["cpu-0", "cpu-1"], 9, now=131.0)
    assert "9 work items left" in str(error.value)


def test_a_returning_worker_resets_the_patience():
    """The patience limits the time without any worker."""
    watched = watch(there=8, free=8, patience=60.0)
    watched.look([], ["cpu-0"], 9, now=59.0)
    watched.look(["cpu-0"], [], 9, now=60.0)
    assert "they are starting" in watched.look([], ["cpu-0"], 9, now=119.0)
    with pytest.raises(ClusterError):
        watched.look([], ["cpu-0"], 9, now=121.0)


def test_resources_in_use_by_others_are_reported_as_such():
    """The cluster is large enough, but full."""
    note = watch(there=8, free=1).look([], ["cpu-0"], 9, now=31.0)
    assert "CPU: 2 requested, 1 free, the rest is in use" in note


def test_hundreds_of_groups_are_not_listed():
    """Only three, and how many more there are."""
    groups = [Group(f"cpu-{number}", 1, "cpu", 1, {"CPU": 1.0}, {}) for number in range(50)]
    watched = WorkerWatch(groups, 600.0, lambda: ({}, {}), now=0.0)
    assert "groups cpu-0, cpu-1, cpu-2 and 47 more for" in watched.look([], [g.name for g in groups], 1, now=40.0)
