"""What drivers do with Ray, on a real one: tasks, and a queue that Ray Train works off with real workers."""

from __future__ import annotations

import logging
import math
import os
import sys
import threading
import time
from pathlib import Path

import pieces
import pytest
from driver_processes import driver_of, ray_environment, value_in, words_of
from pieces import make_mixed, make_spoiled, make_work, patiently

from sumsquares.cluster import private_folder
from sumsquares.cluster.driver import connected
from sumsquares.cluster.process_table import processes
from sumsquares.cluster.work import Target, WorkItem
from sumsquares.cluster.workers import WorkerRequest, groups

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def driver():
    """A driver with a Ray of its own, of three CPUs and a pretended GPU: a Ray takes seconds to start."""
    before = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(private_folder, "PREFIX", "a-ray-")  # its workers take it for a cluster's, whose logs stay
        with connected(Target(cpus=3, gpus=1)) as found:
            assert dict(os.environ) == before
            yield found


@pytest.fixture(scope="module")
def resources(driver):
    """That Ray's resources. This process is connected to it as well, so what drivers call can be called here."""
    driver.resources()  # it is there
    before = dict(os.environ)
    leader = driver_of(os.getpid())
    os.environ |= ray_environment(leader)
    import ray
    from ray import cloudpickle
    from ray._private import ray_constants
    from ray._raylet import Config

    from sumsquares.cluster import session

    # Another test of this process may have imported Ray, which reads its environment on import: it is read again here.
    Config.initialize("")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
    ray.init(address=value_in(words_of(leader), "--gcs-address"), log_to_driver=False, logging_level=logging.ERROR)
    for module in (pieces, sys.modules[__name__]):
        cloudpickle.register_pickle_by_value(module)  # workers can't import the tests
    yield session.resources()
    ray.shutdown()
    monkeypatch.undo()
    os.environ.clear()
    os.environ.update(before)


def inverse(number):
    return 1 / number


def no_split(_payload):
    return []


def pulled(numbers, folder, cut, make=make_work, on_snapshot=lambda _snapshot: None):
    from sumsquares.cluster import ray_train

    snapshots = []
    items = [WorkItem(str(number), float(number), (number, str(folder))) for number in numbers]

    def on_progress(snapshot):
        snapshots.append(snapshot)
        on_snapshot(snapshot)

    ray_train.run_workers(make, items, no_split, on_progress, cut, patience=120.0)
    return snapshots


def test_a_driver_executes_requests(driver):
    """Tasks, and an exception of one with its traceback there; the environment here stays as it was."""
    before = dict(os.environ)
    assert sum(node.cpus for node in driver.resources()) == 3
    assert sorted(driver.map_tasks(math.sqrt, iter([1, 4, 9]), patience=60.0)) == [1, 2, 3]
    with pytest.raises(ValueError, match="math domain") as caught:
        list(driver.map_tasks(math.sqrt, [-1], patience=60.0))
    assert "in the process that is connected to Ray" in caught.value.__notes__[0]
    assert driver.on_every_node(abs, -3) == {"127.0.0.1": 3}
    assert dict(os.environ) == before


def test_a_killed_worker_costs_only_a_second_attempt_at_its_item(resources, tmp_path):
    """With groups of one and two workers, each result arrives once, and a note reports the loss."""
    snapshots = pulled(range(20), tmp_path, groups(resources, WorkerRequest(workers=3, gpu_workers=0, group_size=2)))
    results = [result for snapshot in snapshots for result in snapshot.results]
    assert sorted((int(key), value[0]) for key, value in results) == [(n, n**2) for n in range(20)]
    assert len({value[2] for _, value in results}) >= 3
    assert any("0: its worker died" in note for snapshot in snapshots for note in snapshot.notes)
    assert snapshots[-1].left == 0
    assert not snapshots[-1].failures


def test_an_error_that_ends_its_worker_is_retried_in_a_new_process(resources, tmp_path):
    """Also of one of two that share a GPU; its process does nothing more, and a note says what happened."""
    cut = groups(resources, WorkerRequest(workers=0, gpu_workers=2))
    assert [(group.workers, group.resources["GPU"]) for group in cut] == [(2, 0.5)]
    snapshots = pulled(range(4), tmp_path, cut, make_spoiled)
    results = [value for snapshot in snapshots for _, value in snapshot.results]
    assert sorted(value[:2] for value in results) == [(number**2, "cuda") for number in range(4)]
    notes = [note for snapshot in snapshots for note in snapshot.notes]
    assert notes == ["3: SpoiledError: an illegal address, which ended its worker; trying again (2 of 3)"]
    first, second = (tmp_path / "3").read_text().split()
    worked = [pid for number in range(4) for pid in (tmp_path / str(number)).read_text().split()]
    assert (first != second, worked.count(first)) == (True, 1)
    assert not snapshots[-1].failures


@pytest.fixture(scope="module")
def mixed(resources, tmp_path_factory):
    """All snapshots of a run with a CPU and a GPU worker, one of whose items raises; a start takes seconds."""
    cut = groups(resources, WorkerRequest(workers=1, gpu_workers=1))
    return pulled([*range(1, 30), -2], tmp_path_factory.mktemp("mixed"), cut, make_mixed)


def test_cpu_and_gpu_workers_work_side_by_side(mixed):
    """They share one queue, and each gets its device."""
    results = [value for snapshot in mixed for _, value in snapshot.results]
    assert sorted(value[0] for value in results) == [n**2 for n in range(1, 30)]
    assert {value[1] for value in results} == {"cpu", "cuda"}


def squares(device):
    """Squares the numbers of its payload."""

    def work(payload, _heartbeat):
        time.sleep(0.02)
        return [number**2 for number in payload], device

    return work


def shared_item(numbers):
    """An item that a GPU does ten times as fast."""
    seconds = {"cpu": 0.2 * len(numbers), "cuda": 0.02 * len(numbers)}
    return WorkItem(f"{numbers[0]}..{numbers[-1]}", 1.0, numbers, seconds=seconds, size=len(numbers))


def first_four(item, device, _seconds):
    """What a worker takes at once."""
    most = {"cpu": 4, "cuda": 100}[device]
    rest = item.payload[most:]
    return shared_item(item.payload[:most]), shared_item(rest) if rest else None


def test_cpu_and_gpu_workers_take_parts_of_their_size(resources):
    """Each number is squared once, whoever has it."""
    from sumsquares.cluster import ray_train

    cut = groups(resources, WorkerRequest(workers=2, gpu_workers=1))
    items = [shared_item([*range(first, first + 100)]) for first in range(0, 600, 100)]
    snapshots = []
    ray_train.run_workers(squares, items, no_split, snapshots.append, cut, patience=120.0, cut=first_four)
    results = [result for snapshot in snapshots for _, result in snapshot.results]
    assert sorted(number for numbers, _ in results for number in numbers) == [n**2 for n in range(600)]
    assert all(len(numbers) <= 4 for numbers, device in results if device == "cpu")
    assert snapshots[-1].left == 0
    assert {key for snapshot in snapshots for key, _ in snapshot.cuts} or all(each[1] == "cuda" for each in results)


def test_an_item_that_raises_is_reported_with_its_traceback_and_the_others_continue(mixed):
    """The worker whose function raised continues."""
    (failure,) = mixed[-1].failures
    assert failure.key == "-2"
    assert failure.reason == "ValueError: -2 is negative"
    assert Path(failure.logs.partition(":")[2]).match("logs/worker-*.err")
    assert Path(failure.logs.partition(":")[2]).exists()
    assert "make_mixed" in failure.traceback or "in work" in failure.traceback
    assert {key for snapshot in mixed for key, _ in snapshot.results} == {str(number) for number in range(1, 30)}
    assert len({value[2] for snapshot in mixed for _, value in snapshot.results}) == 2


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


def test_a_driver_that_is_closed_leaves_nothing(driver, resources):
    """Neither a process nor the folder, which was its user's alone. The last test of this file."""
    import ray

    ray.shutdown()  # else Ray would end this process too
    leader = driver_of(os.getpid())
    home = Path(value_in(words_of(leader), "--session_dir")).parent.parent
    assert home.stat().st_mode & 0o777 == 0o700
    driver.close()
    assert not home.exists()
    patiently(lambda: not [each for each in processes() if each.session == leader])
