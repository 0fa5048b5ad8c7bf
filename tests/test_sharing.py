"""CPU and GPU workers of one run share its items so that all end together: the queue in simulated time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import count, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.cluster.queue import WorkQueue
from sumsquares.cluster.work import Failure, WorkItem

MOST = {"cpu": 64, "cuda": 5000}
"""Models of a pack."""
LEAST = {"cpu": 16, "cuda": 132}
"""Models that take no longer than fewer."""


@dataclass(frozen=True)
class Models:
    """A payload: models of one shape."""

    shape: str
    first: int
    count: int
    cpu: float
    """Expected seconds of a model on a core."""
    cuda: float
    """And on a GPU, if there are many."""

    def seconds(self, device):
        """Of all of them."""
        return getattr(self, device) * max(self.count, LEAST["cuda"] if device == "cuda" else 1)


def item(models):
    seconds = {device: models.seconds(device) for device in MOST}
    key = f"{models.shape} {models.first}+{models.count}"
    return WorkItem(key, seconds["cuda"], models, seconds=seconds, size=models.count)


def cut(whole, device, seconds):
    models = whole.payload
    first = max(LEAST[device], min(MOST[device], int(seconds / getattr(models, device))))
    if models.count - first < LEAST[device]:
        return whole, None
    return item(replace(models, count=first)), item(_after(models, first))


def split(models):
    half = models.count // 2
    return [item(replace(models, count=half)), item(_after(models, half))] if half else []


def _after(models, first):
    return replace(models, first=models.first + first, count=models.count - first)


def items_of(*shapes):
    """Items of full GPU packs: of each shape so many models, with the seconds of one on a core and on a GPU."""
    return [
        item(Models(f"s{index}", first, min(MOST["cuda"], models - first), cpu, cuda))
        for index, (models, cpu, cuda) in enumerate(shapes)
        for first in range(0, models, MOST["cuda"])
    ]


@dataclass
class Run:
    """A run in simulated time."""

    ended: float
    """When its last item did."""
    models: Counter
    """Trained, by device."""
    pieces: list[tuple[str, int, int]]
    """That were done: shape, first model, and the one after the last."""
    given_up: int = 0
    """Models."""

    @property
    def is_once(self):
        """Whether no model was trained twice."""
        pieces = sorted(self.pieces)
        return all(one[0] != other[0] or one[2] <= other[1] for one, other in pairwise(pieces))


def simulated(items, workers, slower=None, dies=lambda: False):
    """Runs the items on so many workers of each device, which are slower than expected by a factor.

    `dies` is asked at the end of each item whether its worker has died instead.
    """
    now, slower = 0.0, slower or {}
    queue = WorkQueue(items, split, cut, lambda: now)
    names = [f"{device}{index}-0" for device, number in workers.items() for index in range(number)]
    events: list[tuple[float, str, Models | None]] = []
    for name in names:
        queue.register(name[:-2], 0, 1, "", name.rstrip("0123456789-"))
        heappush(events, (0.0, name, None))
    run = Run(0.0, Counter(), [])
    while events:
        now, name, models = heappop(events)
        device = name.rstrip("0123456789-")
        if models is not None and dies():
            queue.lost(name[:-2], [0])
            queue.register(name[:-2], 0, 1, "", device)
        elif models is not None:
            queue.done(name, None)
            run.ended = now
            run.models[device] += models.count
            run.pieces.append((models.shape, models.first, models.first + models.count))
        if (taken := queue.take(name)) is not None:
            seconds = taken[1].seconds(device) * slower.get(device, 1.0)
            heappush(events, (now + seconds, name, taken[1]))
    snapshot = queue.snapshot()
    assert snapshot.left == 0
    run.given_up = sum(int(failure.key.partition("+")[2]) for failure in snapshot.failures)
    return run


def ideal(shapes, workers, slower):
    """The shortest time in which such workers could do all of it, by the bound of each share of advantage.

    The best division gives the GPUs the shapes in which they are best, up to a share of one of them.
    """
    ordered = sorted(shapes, key=lambda shape: -shape[1] / shape[2])
    cpu = [models * seconds * slower["cpu"] / workers["cpu"] for models, seconds, _ in ordered]
    cuda = [models * seconds * slower["cuda"] / workers["cuda"] for models, _, seconds in ordered]
    for index in range(len(ordered)):
        before, after = sum(cuda[:index]), sum(cpu[index + 1 :])
        share = (after + cpu[index] - before) / (cuda[index] + cpu[index])  # of this shape, for the GPUs
        if share <= 1 or index + 1 == len(ordered):
            return before + max(0.0, min(1.0, share)) * cuda[index]
    return None


RIGHT, CUDA_SLOW, CPU_SLOW, CUDA_FAST = (
    {"cpu": cpu, "cuda": cuda} for cpu, cuda in ((1.0, 1.0), (1.0, 3.0), (3.0, 1.0), (1.0, 0.3))
)


@pytest.mark.parametrize("slower", [RIGHT, CUDA_SLOW, CPU_SLOW, CUDA_FAST])
@pytest.mark.parametrize("ratio", [2, 20, 150, 400])
@pytest.mark.parametrize(("cores", "gpus"), [(1, 1), (15, 1), (4, 3), (60, 3)])
def test_both_kinds_end_together(cores, gpus, ratio, slower):
    """Within a tenth of the ideal, whatever a GPU is worth in cores, and however wrong that was expected."""
    workers = {"cpu": cores, "cuda": gpus}
    one_second = 1 / ideal([(1, 0.05, 0.05 / ratio)], workers, slower)
    shapes = [(int(60 * one_second), 0.05, 0.05 / ratio)]
    run = simulated(items_of(*shapes), workers, slower)
    assert sum(run.models.values()) == shapes[0][0]
    assert run.ended < 1.1 * ideal(shapes, workers, slower)


@pytest.mark.parametrize("slower", [RIGHT, CUDA_SLOW, CPU_SLOW])
def test_each_kind_gets_what_it_is_better_at(slower):
    """Shapes in which a GPU is worth 300, 60 or 3 cores, and some trials that a core trains sooner: at most a fifth
    longer than the ideal division of them.
    """
    shapes = [(100_000, 0.05, 0.05 / 300), (20_000, 0.1, 0.1 / 60), (4_000, 0.2, 0.2 / 3), (100, 1.0, 0.5)]
    workers = {"cpu": 16, "cuda": 2}
    run = simulated(items_of(*shapes), workers, slower)
    assert run.is_once
    assert run.ended < 1.2 * ideal(shapes, workers, slower)


def test_a_worker_that_would_end_later_than_the_others_takes_nothing():
    """It isn't needed any more, even if items are left."""
    queue = WorkQueue(items_of((200, 1.0, 0.001)), split, cut)
    queue.register("cpu", 0, 1, "", "cpu")
    queue.register("cuda", 0, 1, "", "cuda")
    assert queue.take("cpu-0") is None
    assert queue.take("cuda-0") is not None


def test_a_worker_that_is_alone_takes_whatever_is_left():
    """Those of the other kind have died, or have been sent away."""
    queue = WorkQueue(items_of((200, 1.0, 0.001)), split, cut)
    queue.register("cpu", 0, 1, "", "cpu")
    queue.register("cuda", 0, 1, "", "cuda")
    queue.lost("cuda", [0])
    assert queue.take("cpu-0") is not None


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("has_raised", [True, False])
def test_an_item_that_is_tried_again_is_not_cut_by_those_who_failed(device, has_raised):
    """Otherwise its parts would have their attempts anew."""
    now = [0.0]
    queue = WorkQueue(items_of((10_000, 1.0, 0.01)), split, cut, lambda: now[0])
    for worker in (device, "other"):
        queue.register(worker, 0, 1, "", device)
    key, models = queue.take(f"{device}-0")
    other = queue.take("other-0")[1]
    if has_raised:
        queue.fail(f"{device}-0", Failure(key, "CudaError", "", ends_worker=True))
    queue.lost(device, [0])
    queue.register(device, 0, 1, "", device)
    now[0] = other.seconds(device)
    queue.done("other-0", None)
    for more in range(200):  # so many that all could end soon, and an item of this size would be cut
        queue.register(f"more{more}", 0, 1, "", device)
    taken = _all_taken(queue, f"{device}-0")
    assert (key, models) in taken
    assert sum(each[1].count for each in taken) == 10_000 - other.count


def test_a_core_takes_a_part_of_what_a_gpu_has_failed_at():
    """While the GPU's worker starts again, no core begins with what takes a GPU a minute, and a core hours."""
    queue = WorkQueue(items_of((4_000, 1.0, 0.01)), split, cut)
    queue.register("cuda", 0, 1, "", "cuda")
    queue.register("cpu", 0, 1, "", "cpu")
    queue.take("cuda-0")
    queue.lost("cuda", [0])
    taken = _all_taken(queue, "cpu-0")
    assert max(each[1].count for each in taken) <= MOST["cpu"] + LEAST["cpu"]
    assert sum(each[1].count for each in taken) == 4_000


def test_no_core_leaves_the_rest_to_a_gpu_that_fails():
    """Whoever is sent away doesn't come back, and the GPU may fail for ever."""
    queue = WorkQueue(items_of((4_000, 1.0, 0.001)), split, cut)
    queue.register("cpu", 0, 1, "", "cpu")
    queue.register("cuda", 0, 1, "", "cuda")
    done = 0
    for failures in count(1):
        if failed := queue.take("cuda-0"):
            queue.fail("cuda-0", Failure(failed[0], "CudaError", "", ends_worker=True))
            queue.lost("cuda", [0])
            queue.register("cuda", 0, 1, "", "cuda")
        for _ in range(20):
            if (taken := queue.take("cpu-0")) is None:
                assert queue.snapshot().left == 0
                assert done + len(queue.snapshot().failures) == 4_000
                assert failures > 3
                return
            done += taken[1].count
            queue.done("cpu-0", None)


def test_after_a_success_a_gpu_that_has_failed_counts_again():
    """A single death changes little."""
    queue = WorkQueue(items_of((300, 1.0, 0.001), (200, 1.0, 0.001)), split, cut)
    queue.register("cpu", 0, 1, "", "cpu")
    queue.register("cuda", 0, 1, "", "cuda")
    key, _ = queue.take("cuda-0")
    queue.lost("cuda", [0])
    queue.register("cuda", 0, 1, "", "cuda")
    assert queue.take("cuda-0")[0] == key
    queue.done("cuda-0", None)
    assert queue.take("cpu-0") is None
    assert queue.take("cuda-0")[1].count == 200


def _all_taken(queue, worker):
    """Returns what a worker gets until nothing is left."""
    taken = []
    while (each := queue.take(worker)) is not None:
        taken.append(each)
        queue.done(worker, None)
    return taken


def test_what_is_cut_is_told_with_its_shares():
    """By a snapshot, once: the bar of a display counts parts."""
    queue = WorkQueue(items_of((4_000, 1.0, 0.01)), split, cut)
    queue.register("cpu", 0, 1, "", "cpu")
    key, models = queue.take("cpu-0")
    snapshot = queue.snapshot()
    ((whole, parts),) = snapshot.cuts
    assert whole == "s0 0+4000"
    assert parts[key] == models.count / 4_000
    assert sum(parts.values()) == pytest.approx(1.0)
    assert snapshot.seconds_left > 0
    assert not queue.snapshot().cuts


def test_the_time_left_is_that_expected_until_a_worker_shows_how_far_it_is():
    """From a tenth and a second on, the share that is done counts."""
    now = [0.0]
    queue = WorkQueue(items_of((100, 1.0, 0.1)), split, cut, lambda: now[0])
    queue.register("cuda", 0, 1, "", "cuda")
    queue.take("cuda-0")
    for at, share, left in ((0.5, 0.5, 12.7), (2.0, 0.05, 11.2), (2.0, 0.25, 6.0)):
        now[0] = at
        queue.heartbeat("cuda-0", share)
        assert queue.snapshot().seconds_left == pytest.approx(left)


def test_an_item_of_one_kind_waits_for_it():
    """A checkpoint of a GPU is of no use elsewhere."""
    (made,) = items_of((100, 0.1, 0.01))
    queue = WorkQueue([replace(made, seconds={"cuda": 1.0}, whole_on=frozenset({"cuda"}))], split, cut)
    queue.register("cpu", 0, 1, "", "cpu")
    queue.register("cuda", 0, 1, "", "cuda")
    assert queue.take("cpu-0") is None
    assert queue.take("cuda-0")[1] == made.payload


@given(
    st.lists(st.tuples(st.integers(1, 12_000), st.sampled_from([0.02, 0.5]), st.sampled_from([0.3, 1e-4])), max_size=4),
    st.integers(0, 4),
    st.integers(0, 2),
    st.sampled_from([RIGHT, CUDA_SLOW, CPU_SLOW]),
    st.sets(st.integers(0, 30)),
)
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_and_nothing_is_done_twice(shapes, cores, gpus, slower, deaths):
    """Whatever there is, whoever works, and whoever dies. A model that has died often enough is given up."""
    workers = {"cpu": cores, "cuda": gpus or int(not cores)}
    ends = count()
    run = simulated(items_of(*shapes), workers, slower, dies=lambda: next(ends) in deaths)
    assert run.is_once
    assert sum(run.models.values()) + run.given_up == sum(models for models, _, _ in shapes)
