"""Where a run is carried out: what the options mean, what this machine has, and what it lacks."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specs import SMALL

from sumsquares.cluster.workers import ClusterError, Resources, WorkerRequest, groups
from sumsquares.jobs.commands import run as commands
from sumsquares.jobs.commands.shared import Shared
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.stages import placement
from sumsquares.jobs.stages.placement import RAY_SECONDS, Placement, PlacementOptions, gpus_here, resources_here


def test_what_is_left_open_is_what_this_machine_has():
    """On a cluster it stays open, since the cluster's size is not known yet."""
    here, there = PlacementOptions().placement(None).wanted, PlacementOptions().placement("auto").wanted
    cpus, share = len(os.sched_getaffinity(0)), here.gpus_per_worker
    assert (here.workers, here.gpu_workers) == (cpus - gpus_here() / share, gpus_here() / share)
    assert (there.workers, there.gpu_workers, there.gpus_per_worker) == (None, None, None)


@pytest.mark.parametrize(
    ("options", "gpu_workers", "workers", "share"),
    [
        ({}, 8, 12, 0.25),
        ({"workers": "18"}, 2, 18, 1.0),
        ({"workers": "0"}, 0, 0, 0.25),
        ({"gpu_workers": 2}, 2, 18, 1.0),
        ({"gpu_workers": 4}, 4, 16, 0.5),
        ({"gpus_per_worker": 1.0}, 2, 18, 1.0),
        ({"gpus_per_worker": 0.125}, 16, 4, 0.125),
    ],
)
def test_on_this_machine_workers_share_gpus_if_there_are_cpus(monkeypatch, options, gpu_workers, workers, share):
    """What is left open follows from the machine, here of 20 CPUs and 2 GPUs, and fits it."""
    monkeypatch.setattr(placement, "resources_here", lambda: Resources(20, 2))
    monkeypatch.setattr(placement, "gpus_here", lambda: 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(20)))
    wanted = PlacementOptions(**options).placement(None).wanted
    assert (wanted.gpu_workers, wanted.workers, wanted.gpus_per_worker) == (gpu_workers, workers, share)
    if gpu_workers + workers:
        assert len(groups([Resources(20, 2)], replace(wanted, group_size=1))) == gpu_workers + workers


def test_on_a_cluster_what_is_left_open_may_become_less():
    """Nodes come and go; a given number is exact, and the number of local workers is fixed."""
    assert PlacementOptions().placement("auto").wanted.at_least == 1
    assert PlacementOptions(workers="4").placement("auto").wanted.at_least is None
    assert PlacementOptions(workers="2:4").placement("auto").wanted.at_least == 2
    assert PlacementOptions().placement(None).wanted.at_least is None


def test_no_workers_is_this_process():
    """Unless there is an address, or a GPU is asked for."""
    assert PlacementOptions(workers="0").placement(None).inline
    assert not PlacementOptions(workers="0").placement("auto").inline
    assert not PlacementOptions(workers="0", gpu_workers=1).placement(None).inline


def test_only_what_is_left_open_on_this_machine_is_resolved_by_the_plan():
    """Anything the user says about workers, GPUs, resources or a cluster is kept."""
    assert PlacementOptions(gpu_workers=0).placement(None).is_open
    for options in ({"workers": "2"}, {"workers": "all"}, {"gpu_workers": 1}, {"resource": ["disk=1"]}):
        assert not PlacementOptions(**options).placement(None).is_open
    assert not PlacementOptions().placement("auto").is_open
    assert PlacementOptions(workers="all").placement(None).wanted == PlacementOptions().placement(None).wanted


OPEN = Placement(WorkerRequest(workers=4, gpu_workers=0), is_open=True)


@pytest.mark.parametrize(
    ("seconds", "where"),
    [
        ([], "on 4 workers"),
        ([0.9, 0.9], "in this process"),
        ([1.5, 1.5], "in 2 processes"),
        ([10.0] * 213, "in 4 processes"),
        ([10.0] * 214, "on 4 workers"),
        ([533.0, 1.0], "in 2 processes"),
        ([534.0, 1.0], "on 4 workers"),
        ([15.0], "in this process"),
        ([17.0], "in 1 process, without Ray"),
    ],
)
def test_a_run_of_which_ray_s_start_would_be_more_than_3_percent_is_trained_without_it(seconds, where):
    """Total and longest pack decide; work that is hardly longer than the start of processes stays in this process."""
    assert str(OPEN.resolved(seconds)).startswith(where)
    given = replace(OPEN, is_open=False)
    assert given.resolved(seconds) == given
    alone = replace(OPEN, wanted=WorkerRequest(workers=1, gpu_workers=0)).resolved(seconds)
    assert alone.inline == (0 < sum(seconds) <= RAY_SECONDS)


@pytest.mark.parametrize(
    "address", ["http://head:8265", "ray://head:10001", "head", ":6379", "head:x", "me:secret@a:1"]
)
def test_an_address_that_cannot_be_that_of_a_ray_is_a_usage_error(address):
    """The message shows a valid address, and no secret."""
    with pytest.raises(UsageError, match="host:6379") as refused:
        PlacementOptions().placement(address)
    assert "secret" not in str(refused.value)
    for good in ("auto", "head:6379", "[::1]:6379"):
        assert PlacementOptions().placement(good).address == good


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": "two"}, "--workers 'two'"),
        ({"workers": "8:2"}, "2:8"),
        ({"workers": "0:2"}, "--workers"),
        ({"workers": "-1"}, "--workers"),
        ({"resource": ["disk"]}, "--resource name=value"),
        ({"resource": ["disk=-1"]}, "disk=1"),
        ({"resource": ["disk=nan"]}, "disk=1"),
        ({"label": ["=a"]}, "--label"),
    ],
)
def test_options_that_can_not_be_read_are_usage_errors_with_a_remedy(options, words):
    """They are found before anything is started."""
    with pytest.raises(UsageError, match=words):
        PlacementOptions(**options).placement(None)


@given(
    st.none() | st.sampled_from(["0", "3", "2:8", "all"]),
    st.none() | st.integers(0, 4),
    st.sampled_from([None, 1.0, 0.25]),
    st.lists(st.sampled_from(["disk=2", "ssd=0.5"]), unique=True),
    st.lists(st.sampled_from(["zone=a", "kind=b c"]), unique=True),
    st.integers(1, 64),
    st.integers(1, 4096),
    st.sampled_from([600.0, 20.0]),
)
def test_options_survive_the_way_to_another_command_line(workers, gpus, share, resource, label, group, memory, wait):
    """Options that are passed on to a job mean the same there."""
    options = PlacementOptions(workers, gpus, share, resource, label, group, memory, wait)
    words = iter(options.arguments())
    given_back: dict[str, object] = {"resource": [], "label": []}
    for word in words:
        name, value = word.removeprefix("--").replace("-", "_"), next(words)
        if name in ("resource", "label"):
            given_back[name] = [*given_back[name], value]
        else:
            given_back[name] = {"workers": str, "gpus_per_worker": float, "patience": float}.get(name, int)(value)
    assert PlacementOptions(**given_back).placement("auto") == options.placement("auto")


@pytest.mark.skipif(gpus_here() > 0, reason="this machine has a GPU")
@pytest.mark.parametrize("options", [PlacementOptions(workers="0", gpu_workers=1), PlacementOptions(workers="5000")])
def test_what_this_machine_lacks_is_rejected_before_ray_starts(options, tmp_path):
    """The message shows requested and available; a local Ray would accept any number."""
    (tmp_path / "spec.toml").write_text(SMALL)
    shared = Shared(str(tmp_path / "store"), json=True, quiet=True)
    with pytest.raises(ClusterError, match=f"requested, {resources_here().gpus if options.gpu_workers else ''}"):
        commands.run(tmp_path / "spec.toml", 10**6, options.placement(None), shared)
