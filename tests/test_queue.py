"""The work queue: every item ends as a result or a failure, whatever dies in between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.cluster.inline import run_workers
from sumsquares.cluster.queue import ATTEMPTS, DEATHS, WORKER_DIED, WorkQueue
from sumsquares.cluster.work import Failure, WorkItem


def item(payload):
    """A work item that stands for a tuple of numbers."""
    return WorkItem("-".join(map(str, payload)), float(len(payload)), payload)


def split(payload):
    middle = len(payload) // 2
    return [item(payload[:middle]), item(payload[middle:])] if len(payload) > 1 else []


def test_the_costliest_item_goes_first():
    """Ties are broken by key, so that a plan always runs in the same order."""
    queue = WorkQueue([item((1,)), item((2, 3, 4)), item((5, 6)), item((0,))], split)
    taken = [queue.take(f"worker-{index}")[0] for index in range(4)]
    assert taken == ["2-3-4", "5-6", "0", "1"]
    assert queue.take("worker-5") is None


def test_items_that_are_marked_as_first_go_before_all_others():
    """Among them the costliest first, also after one has returned to the queue."""
    first = [WorkItem("small", 1.0, (), is_first=True), WorkItem("larger", 2.0, (), is_first=True)]
    queue = WorkQueue([item((1, 2, 3, 4)), *first], split)
    queue.register("a", 0, 1)
    assert queue.take("a-0")[0] == "larger"
    queue.lost("a", [0])
    assert [queue.take(f"worker-{index}")[0] for index in range(3)] == ["larger", "small", "1-2-3-4"]


def test_the_items_of_a_lost_group_return_at_once():
    """Before the group restarts, if it does; only the dead worker's item is charged with an attempt."""
    queue = WorkQueue([item((1, 2)), item((3,))], split)
    for rank in range(2):
        queue.register("a", rank, 2)
    assert [queue.take(f"a-{rank}")[0] for rank in range(2)] == ["1-2", "3"]
    assert queue.take("b-0") is None
    queue.lost("a", [0])
    snapshot = queue.snapshot()
    assert (snapshot.left, snapshot.running, dict(snapshot.heard)) == (2, {}, {})
    assert snapshot.notes == ["1-2: its worker died (killed, out of memory, or with its node); trying again (2 of 3)"]
    assert [queue.take(f"b-{rank}")[0] for rank in range(2)] == ["1-2", "3"]


def test_survivors_of_a_lost_group_take_nothing_and_their_results_do_not_count():
    """Ray Train is about to end them; their items go to other workers."""
    queue = WorkQueue([item((1, 2)), item((3,))], split)
    for rank in range(2):
        queue.register("a", rank, 2)
        queue.take(f"a-{rank}")
    queue.lost("a", [0])
    queue.heartbeat("a-1", 0.5)
    queue.done("a-1", None)
    assert queue.take("a-1") is None
    assert queue.snapshot().left == 2
    queue.register("a", 1, 2)
    assert queue.take("a-1")[0] == "1-2"


def test_resizing_a_group_returns_its_items_without_charging_an_attempt():
    """However often: nodes come and go, and no item is given up for that."""
    queue = WorkQueue([item((1,)), item((2,)), item((3,))], split)
    for size in (3, 1, 3, 1, 3, 2):
        for rank in reversed(range(size)):
            queue.register("a", rank, size)
        assert len({queue.take(f"a-{rank}")[0] for rank in range(size)}) == size
    snapshot = queue.snapshot()
    assert (snapshot.left, snapshot.failures) == (3, [])
    assert snapshot.notes[0] == "group a was resized from 3 to 1 workers"
    assert len(snapshot.notes) == 5
    assert set(snapshot.heard) == {"a"}


def test_an_item_that_kills_its_workers_is_split_and_then_given_up():
    """Only the part that kills is lost; the others are done."""
    queue = WorkQueue([item((1, 2, 3, 4))], split)
    done = set()
    for _ in range(100):
        queue.register("a", 0, 1)
        taken = queue.take("a-0")
        if taken is None:
            break
        if 3 in taken[1]:
            queue.lost("a", [0])
        else:
            done |= set(taken[1])
            queue.done("a-0", len(taken[1]))
    assert done == {1, 2, 4}
    assert [failure.key for failure in queue.snapshot().failures] == ["3"]


def test_only_failures_that_may_go_away_are_retried():
    """Bad input fails at once, a lost connection after `ATTEMPTS` attempts."""

    def work(payload, _heartbeat):
        calls.append(payload)
        raise (ValueError if payload == (1,) else OSError)("no")

    calls = []
    snapshots = []
    run_workers(lambda _device: work, [item((1,)), item((2,))], split, snapshots.append)
    assert calls.count((1,)) == 1
    assert calls.count((2,)) == ATTEMPTS
    assert {failure.key: failure.kind for failure in snapshots[-1].failures} == {"1": "ValueError", "2": "OSError"}
    assert "Traceback" in snapshots[-1].failures[0].traceback


class UnreachableError(RuntimeError):
    """An error with its own exit code, which no other item would escape."""

    exit_code = 4
    fatal = True


def test_a_failure_has_the_exceptions_text_and_exit_code_and_the_location_of_the_log():
    """A fatal one stops the run: no more items are handed out."""
    queue = WorkQueue([item((1, 2)), item((3,))], split)
    queue.register("a", 0, 1)
    key, _ = queue.take("a-0")
    try:
        raise UnreachableError("no\n  route")
    except UnreachableError as error:
        queue.fail("a-0", Failure.of(key, error, "10.0.0.3:/tmp/worker.err"))
    (failure,) = queue.snapshot().failures
    assert (failure.kind, failure.message, failure.exit_code, failure.fatal) == (
        "UnreachableError",
        "no route",
        4,
        True,
    )
    assert failure.reason == "UnreachableError: no route"
    assert str(failure) == "1-2 was given up: UnreachableError: no route (worker log: 10.0.0.3:/tmp/worker.err)"
    assert queue.take("a-0") is None


def test_the_failure_of_a_dead_worker_has_the_location_of_its_log():
    """The log of the worker that died last, and no traceback."""
    queue = WorkQueue([item((3,))], split)
    for attempt in range(ATTEMPTS):
        queue.register("a", 0, 1, f"10.0.0.3:/tmp/worker-{attempt}.err")
        queue.take("a-0")
        queue.lost("a", [0])
    (failure,) = queue.snapshot().failures
    assert (failure.kind, failure.traceback, failure.logs) == ("", "", "10.0.0.3:/tmp/worker-2.err")
    assert failure.reason == WORKER_DIED


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 5), st.sets(st.integers(0, 40)), st.randoms()
)
@settings(max_examples=200, deadline=None)
def test_nothing_is_lost_and_nothing_is_done_twice(sizes, workers, poisoned, chance):
    """For any number of workers, and whenever they die or their group is resized, each item is done or given up."""
    numbers = iter(range(100))
    pieces = [tuple(next(numbers) for _ in range(size)) for size in sizes]
    queue = WorkQueue([item(piece) for piece in pieces], split)
    held, done, failed, size = {}, [], [], workers
    for _ in range(5000):
        rank = chance.randrange(size)
        dies = rank in held and bool(poisoned & set(held[rank]))
        if dies or chance.random() > 0.95:
            if dies or chance.random() > 0.5:
                queue.lost("worker", [rank])
            held, size = {}, chance.randint(1, workers)
            for each in range(size):
                queue.register("worker", each, size)
        elif rank not in held:
            taken = queue.take(f"worker-{rank}")
            held |= {rank: taken[1]} if taken else {}
        else:
            done += held.pop(rank)
            queue.done(f"worker-{rank}", None)
        snapshot = queue.snapshot()
        failed = [int(number) for failure in snapshot.failures for number in failure.key.split("-")]
        if snapshot.left == 0:
            break
    assert sorted(done + failed) == list(range(sum(sizes)))
    assert not poisoned & set(done)


def test_inline_work_reports_results_and_progress():
    """Each result is reported once, and nothing is left."""
    snapshots = []

    def work(payload, heartbeat):
        heartbeat(0.5)
        return sum(payload)

    run_workers(lambda device: work if device == "cpu" else None, [item((1, 2)), item((3,))], split, snapshots.append)
    assert dict(result for snapshot in snapshots for result in snapshot.results) == {"1-2": 3, "3": 3}
    assert snapshots[-1].left == 0


def test_an_interrupt_is_not_a_failure_of_the_item():
    """It ends the run."""

    def work(_payload, _heartbeat):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_workers(lambda _device: work, [item((1,))], split, lambda _snapshot: None)


def ended_by_error(queue, group, device="cuda"):
    """A worker starts, takes an item, and ends with an error of its device."""
    queue.register(group, 0, 1, "", device)
    if (taken := queue.take(f"{group}-0")) is not None:
        queue.fail(f"{group}-0", Failure(taken[0], "CudaError", "an illegal address", ends_worker=True))
    queue.lost(group, [0])


def test_a_group_that_only_fails_is_given_up_and_the_others_continue():
    """With the last error; it takes nothing more, and what it leaves is there for others."""
    queue = WorkQueue([item(tuple(range(100)))], split)
    for _ in range(DEATHS - 1):
        ended_by_error(queue, "gpu")
    assert not queue.is_given_up("gpu")
    ended_by_error(queue, "gpu")
    assert queue.is_given_up("gpu")
    (why,) = queue.given_up().values()
    assert f"{DEATHS} times in a row" in why
    assert "CudaError: an illegal address" in why
    assert why in queue.snapshot().notes
    queue.register("gpu", 0, 1, "", "cuda")
    assert queue.take("gpu-0") is None
    assert dict(queue.snapshot().heard) == {}
    queue.register("cpu", 0, 1)
    while queue.take("cpu-0") is not None:
        queue.done("cpu-0", None)
    assert queue.snapshot().left == 0


def test_workers_that_fail_to_start_count_too():
    """As those whose device is gone."""
    queue = WorkQueue([item((1,))], split)
    for _ in range(DEATHS):
        queue.register("gpu", 0, 1, "", "cuda")
        queue.fail_to_start("gpu-0", "CudaError: no device")
        queue.lost("gpu", [0])
    assert "CudaError: no device" in queue.given_up()["gpu"]
    assert queue.snapshot().left == 1


def test_a_group_that_finishes_something_is_never_given_up():
    """However often it ends; and what another group finishes doesn't count for it."""
    queue = WorkQueue([item((number,)) for number in range(400)], split)
    for _ in range(5):
        for _ in range(DEATHS - 1):
            ended_by_error(queue, "gpu")
        queue.register("gpu", 0, 1, "", "cuda")
        queue.take("gpu-0")
        queue.done("gpu-0", None)
    assert not queue.given_up()
    for _ in range(DEATHS):
        queue.register("cpu", 0, 1)
        queue.take("cpu-0")
        queue.done("cpu-0", None)
        ended_by_error(queue, "gpu")
    assert [*queue.given_up()] == ["gpu"]


def test_a_group_that_loses_its_nodes_is_not_given_up():
    """A cloud takes them as often as it likes."""
    queue = WorkQueue([item((number,)) for number in range(40)], split)
    for _ in range(3 * DEATHS):
        queue.register("gpu", 0, 1, "", "cuda")
        queue.take("gpu-0")
        queue.lost("gpu", [0])
    assert not queue.given_up()
