"""Worker requests: divided into groups, or rejected with requested and available."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.cluster.workers import GPU_SHARING, ClusterError, Resources, WorkerRequest, gpu_share, groups


@given(st.integers(0, 200), st.integers(0, 40), st.integers(1, 50))
def test_groups_add_up_to_the_request(workers, gpu_workers, size):
    """Per device class, none larger than the group size, each with a unique name."""
    if workers + gpu_workers == 0:
        return
    cut = groups([Resources(1000, 1000)], WorkerRequest(workers, gpu_workers=gpu_workers, group_size=size))
    for device, count in (("cpu", workers), ("cuda", gpu_workers)):
        assert sum(group.workers for group in cut if group.device == device) == count
    assert all(1 <= group.at_least == group.workers <= size for group in cut)
    assert len({group.name for group in cut}) == len(cut)


def test_an_open_request_takes_all_that_the_cluster_has():
    """A GPU worker also takes a CPU; two share a GPU if each takes half of it."""
    cut = groups([Resources(cpus=10, gpus=2)], WorkerRequest(gpus_per_worker=0.5))
    assert [(group.device, group.workers) for group in cut] == [("cuda", 4), ("cpu", 6)]
    assert cut[0].resources == {"CPU": 1.0, "GPU": 0.5}
    assert groups([Resources(4, 0)], WorkerRequest()) == groups(
        [Resources(4, 0)], WorkerRequest(workers=4, gpu_workers=0)
    )


@pytest.mark.parametrize(
    ("cpus", "gpus", "asked", "share"),
    [
        (16, 1, {}, 0.25),
        (16, 8, {}, 0.5),
        (8, 8, {}, 1.0),
        (1, 1, {}, 1.0),
        (3, 1, {}, 0.5),
        (64, 0, {}, 1.0),
        (16, 1, {"workers": 13}, 0.5),
        (16, 1, {"workers": 64, "at_least": 2}, 0.25),
        (64, 8, {"gpu_workers": 8}, 1.0),
        (64, 8, {"gpu_workers": 1}, 1.0),
        (64, 8, {"gpu_workers": 9}, 0.5),
        (64, 1, {"gpu_workers": 3}, 0.25),
        (64, 1, {"gpu_workers": 16}, 0.0625),
        (64, 8, {"gpu_workers": 0}, 1.0),
    ],
)
def test_workers_share_a_gpu_as_there_are_cpus_or_as_many_are_asked_for(cpus, gpus, asked, share):
    """CPU workers that are asked for keep their CPUs; a share that is given is kept."""
    nodes, request = [Resources(cpus, gpus)], WorkerRequest(**asked)
    assert gpu_share(nodes, request) == share
    found = [group for group in groups(nodes, request) if group.device == "cuda"]
    assert {group.resources["GPU"] for group in found} <= {share}
    given_one = WorkerRequest(**{"workers": 0, **asked, "gpus_per_worker": 1.0, "gpu_workers": min(cpus, gpus, 1)})
    if gpus and given_one.workers + given_one.gpu_workers <= cpus:
        assert groups(nodes, given_one)[0].resources["GPU"] == 1.0


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 8)), min_size=1, max_size=5), st.sampled_from([None, 1]))
def test_no_gpu_is_left_idle_by_sharing(sizes, at_least):
    """On nodes of any size as many GPUs have workers as with one worker each; sharing groups stay elastic."""
    nodes = [Resources(cpus, gpus) for cpus, gpus in sizes]
    found = [each for each in groups(nodes, WorkerRequest(at_least=at_least)) if each.device == "cuda"]
    alone = groups(nodes, WorkerRequest(at_least=at_least, gpus_per_worker=1.0))
    used = sum(each.workers * each.resources["GPU"] for each in found)
    assert used >= sum(each.workers for each in alone if each.device == "cuda")
    assert all(1 / GPU_SHARING <= each.resources["GPU"] <= 1 for each in found)
    assert all(each.at_least == (at_least or each.workers) for each in found)


@given(st.integers(1, 60), st.integers(1, 100), st.integers(1, 40))
def test_a_range_of_workers_starts_with_what_is_available(at_least, more, size):
    """Only the minimum must be available, and every group can start with at least one worker."""
    wanted = WorkerRequest(workers=at_least + more, at_least=at_least, gpu_workers=0, group_size=size)
    cut = groups([Resources(at_least, 0)], wanted)
    assert sum(group.workers for group in cut) == at_least + more
    assert sum(group.at_least for group in cut) <= max(at_least, len(cut))
    assert all(1 <= group.at_least <= group.workers for group in cut)


def test_custom_resources_and_labels_apply_to_every_worker():
    """And resources are checked against the cluster."""
    have = [Resources(8, 0, {"fast_disk": 4.0}, {"zone": "a"})]
    cut = groups(have, WorkerRequest(workers=2, gpu_workers=0, resources={"fast_disk": 2.0}, labels={"zone": "a"}))
    assert cut[0].resources == {"CPU": 1.0, "fast_disk": 2.0}
    assert cut[0].labels == {"zone": "a"}
    with pytest.raises(ClusterError, match="fast_disk: 6 requested, 4 available"):
        groups(have, WorkerRequest(workers=3, gpu_workers=0, resources={"fast_disk": 2.0}))


def test_a_request_beyond_the_cluster_is_rejected_with_requested_and_available():
    """Instead of pending forever."""
    with pytest.raises(ClusterError, match="CPU: 4 requested, 3 available"):
        groups([Resources(3, 1)], WorkerRequest(workers=4, gpu_workers=0))
    with pytest.raises(ClusterError, match="GPU: 2 requested, 1 available"):
        groups([Resources(3, 1)], WorkerRequest(workers=1, gpu_workers=2, gpus_per_worker=1.0))
    with pytest.raises(ClusterError, match="no worker is requested"):
        groups([Resources(3, 0)], WorkerRequest(workers=0, gpu_workers=0))
    with pytest.raises(ClusterError, match="no GPU is available"):
        groups([Resources(3, 0)], WorkerRequest(workers=0))
    with pytest.raises(ClusterError, match="no CPU is available"):
        groups([Resources(0, 0)], WorkerRequest())


def test_a_worker_must_fit_on_one_node():
    """An open request counts what fits on each node; what fits on none is rejected, whatever the sum."""
    nodes = [Resources(4, 1, {"disk": 2.0}), Resources(4, 1), Resources(4, 0)]
    found = groups(nodes, WorkerRequest(resources={"disk": 1.0}, gpus_per_worker=1.0))
    assert [(group.device, group.workers) for group in found] == [("cuda", 1), ("cpu", 1)]
    assert [(group.device, group.workers) for group in groups(nodes, WorkerRequest())] == [("cuda", 8), ("cpu", 4)]
    with pytest.raises(ClusterError, match="a worker must fit on one node: 2 and 0 do"):
        groups(nodes, WorkerRequest(workers=2, gpu_workers=1, gpus_per_worker=2.0))


def test_labels_are_matched_against_the_nodes():
    """Only matching nodes count; a label that no node carries is rejected, and operators are left to Ray."""
    nodes = [Resources(4, 0, labels={"zone": "a"}), Resources(2, 0, labels={"zone": "b"}), Resources(1, 0)]
    assert groups(nodes, WorkerRequest(labels={"zone": "b"}))[0].workers == 2
    assert groups(nodes, WorkerRequest(labels={"zone": "!b"}))[0].workers == 7
    with pytest.raises(ClusterError, match="on the 1 of 3 nodes with zone=b"):
        groups(nodes, WorkerRequest(workers=3, labels={"zone": "b"}))
    with pytest.raises(ClusterError, match="on the 0 of 3 nodes with zone=c"):
        groups(nodes, WorkerRequest(labels={"zone": "c"}))


def test_an_open_request_may_shrink_to_one_worker_per_group():
    """GPU workers too, unless their number is fixed or Ray Train would miscount fractions of a GPU."""
    nodes = [Resources(10, 2)]
    least = {group.name: group.at_least for group in groups(nodes, WorkerRequest(at_least=1, gpus_per_worker=0.5))}
    assert least == {"cuda-0": 1, "cpu-0": 1}
    assert groups(nodes, WorkerRequest(at_least=1, gpu_workers=2))[0].at_least == 2
    uneven = groups(nodes, WorkerRequest(at_least=1, gpus_per_worker=0.2))[0]
    assert uneven.at_least == uneven.workers == 10
