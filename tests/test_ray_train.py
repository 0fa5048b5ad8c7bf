"""Ray Train with real workers, one of which is killed."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path

import pieces
import pytest
from pieces import make_meeting, make_work

from sumsquares.cluster.isolation import isolate
from sumsquares.cluster.workers import WorkerRequest, groups

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def resources():
    """A local Ray with three CPUs and a simulated GPU, shared by the tests of this file."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as folder:
        isolate(folder)
        from ray._raylet import Config

        from sumsquares.cluster.session import local

        Config.initialize("")  # reads the environment again: another test may already have imported Ray
        with local(cpus=3, gpus=1, folder=folder) as found:
            from ray import cloudpickle

            for module in (pieces, sys.modules[__name__]):
                cloudpickle.register_pickle_by_value(module)  # workers can't import the tests
            yield found
    os.environ.clear()
    os.environ.update(before)


def inverse(number):
    return 1 / number


def no_split(_payload):
    return []


def pulled(numbers, folder, cut, make=make_work, on_snapshot=lambda _snapshot: None):
    from sumsquares.cluster import ray_train
    from sumsquares.cluster.work import WorkItem

    snapshots = []
    items = [WorkItem(str(number), float(number), (number, str(folder))) for number in numbers]

    def on_progress(snapshot):
        snapshots.append(snapshot)
        on_snapshot(snapshot)

    ray_train.run_workers(make, items, no_split, on_progress, cut, patience=120.0)
    return snapshots


@pytest.mark.chaos
def test_a_killed_worker_costs_only_a_second_attempt_at_its_item(resources, tmp_path):
    """With groups of one and two workers, each result arrives once, and a note reports the loss."""
    snapshots = pulled(range(20), tmp_path, groups(resources, WorkerRequest(workers=3, gpu_workers=0, group_size=2)))
    results = [result for snapshot in snapshots for result in snapshot.results]
    assert sorted((int(key), value[0]) for key, value in results) == [(n, n**2) for n in range(20)]
    assert len({value[2] for _, value in results}) >= 3
    assert any("0: its worker died" in note for snapshot in snapshots for note in snapshot.notes)
    assert snapshots[-1].left == 0
    assert not snapshots[-1].failures


def test_cpu_and_gpu_workers_share_one_queue(resources, tmp_path):
    """Each is told its device."""
    snapshots = pulled(range(1, 30), tmp_path, groups(resources, WorkerRequest(workers=1, gpu_workers=1)), make_meeting)
    results = [value for snapshot in snapshots for _, value in snapshot.results]
    assert sorted(value[0] for value in results) == [n**2 for n in range(1, 30)]
    assert {value[1] for value in results} == {"cpu", "cuda"}


def test_an_exception_fails_only_its_item_and_arrives_with_traceback_and_log(resources, tmp_path):
    """The worker that raised continues."""
    snapshots = pulled([1, -2, 3], tmp_path, groups(resources, WorkerRequest(workers=1, gpu_workers=0)))
    (failure,) = snapshots[-1].failures
    assert failure.key == "-2"
    assert failure.reason == "ValueError: -2 is negative"
    assert Path(failure.logs.partition(":")[2]).match("logs/worker-*.err")
    assert Path(failure.logs.partition(":")[2]).exists()
    assert "make_work" in failure.traceback or "in work" in failure.traceback
    assert {key for snapshot in snapshots for key, _ in snapshot.results} == {"1", "3"}


def test_tasks_return_all_results_and_raise_the_functions_exception(resources):
    """As if the function had been called in this process."""
    from sumsquares.cluster.ray_tasks import map_tasks

    assert sorted(map_tasks(inverse, [1, 2, 4], patience=60.0)) == [0.25, 0.5, 1.0]
    with pytest.raises(ZeroDivisionError):
        list(map_tasks(inverse, [1, 0], patience=60.0))


def test_a_function_runs_on_every_node(resources):
    """And returns each node's result."""
    from sumsquares.cluster.nodes import on_every_node

    (answer,) = on_every_node(inverse, 4).values()
    assert answer == 0.25


def test_an_interrupted_run_releases_its_reservations(resources, tmp_path, monkeypatch):
    """At once: the next run of the same spec would have to wait for them."""
    import ray
    from ray.train.v2._internal.execution.scaling_policy import autoscaling_coordinator_client as client

    from sumsquares.cluster import reservations

    assert client.AUTOSCALING_REQUESTS_EXPIRE_TIME_S == reservations.EXPIRE_SECONDS
    assert client.AUTOSCALING_REQUESTS_INTERVAL_S == reservations.RENEW_SECONDS
    reserved = []
    give_back = reservations.give_back

    def watched(run_ids):
        actor = ray.get_actor("AutoscalingCoordinator", namespace="AutoscalingCoordinator")
        for act in (lambda: None, lambda: give_back(run_ids)):
            act()
            reserved.append([ray.get(actor.get_reserved_resources.remote(f"train-{run_id}")) for run_id in run_ids])

    def interrupted(snapshot):
        if snapshot.results:
            raise KeyboardInterrupt

    monkeypatch.setattr(reservations, "give_back", watched)
    with pytest.raises(KeyboardInterrupt):
        pulled(
            range(1, 40),
            tmp_path,
            groups(resources, WorkerRequest(workers=2, at_least=1, gpu_workers=0)),
            on_snapshot=interrupted,
        )
    (before,), (after,) = reserved
    assert before
    assert not after
    for thread in threading.enumerate():  # the group still runs, and ends with the work
        if "_run_group" in thread.name:
            thread.join(60)
