"""The queue of work: every piece ends as a result or a failure, whatever dies in between."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.inline import pull
from cluster.queue import ATTEMPTS, WorkQueue
from cluster.work import Item


def item(payload):
    """A piece of work that stands for a tuple of numbers."""
    return Item("-".join(map(str, payload)), float(len(payload)), payload)


def halve(payload):
    middle = len(payload) // 2
    return [item(payload[:middle]), item(payload[middle:])] if len(payload) > 1 else []


def test_the_costliest_piece_goes_first():
    """And ties are broken by the key, so that a plan is worked off in one order."""
    queue = WorkQueue([item((1,)), item((2, 3, 4)), item((5, 6)), item((0,))], halve)
    taken = [queue.take(f"worker-{index}")[0] for index in range(4)]
    assert taken == ["2-3-4", "5-6", "0", "1"]
    assert queue.take("worker-5") is None


def test_a_dead_workers_piece_goes_to_the_next():
    """Its successor registers under the same name, and what the dead one had is handed out again."""
    queue = WorkQueue([item((1, 2))], halve)
    queue.register("a", 0, 2)
    queue.take("a-0")
    assert queue.take("a-1") is None
    queue.register("a", 1, 2)
    queue.register("other", 0, 2)
    assert queue.take("a-1") is None
    queue.register("a", 0, 2)
    assert queue.take("a-1") == ("1-2", (1, 2))
    assert "trying again (2 of 3)" in queue.view().notes[0]


def test_a_group_that_restarts_smaller_gives_back_what_its_lost_workers_had():
    """They have no successor to register under their names."""
    queue = WorkQueue([item((1,)), item((2,)), item((3,))], halve)
    held = [queue.take(f"a-{rank}")[1] for rank in range(3)]
    queue.register("a", 0, 1)
    assert sorted(queue.take("a-0")[1] + queue.take("b-0")[1] + queue.take("c-0")[1]) == sorted(sum(held, ()))


def test_a_piece_that_kills_its_workers_is_halved_and_then_given_up_by_name():
    """Only the half that kills is lost; the other half is done."""
    queue = WorkQueue([item((1, 2, 3, 4))], halve)
    done = set()
    for _ in range(100):
        taken = queue.take("a-0")
        if taken is None:
            break
        if 3 in taken[1]:
            queue.register("a", 0, 1)  # the worker died and came back
        else:
            done |= set(taken[1])
            queue.done("a-0", len(taken[1]))
    assert done == {1, 2, 4}
    assert [failure.key for failure in queue.view().failures] == ["3"]


def test_what_can_not_be_mended_by_trying_again_is_not_tried_again():
    """Bad input fails at once, a lost connection `ATTEMPTS` times."""

    def work(payload, _beat):
        calls.append(payload)
        raise (ValueError if payload == (1,) else OSError)("no")

    calls = []
    views = []
    pull(lambda _device: work, [item((1,)), item((2,))], halve, views.append)
    assert calls.count((1,)) == 1
    assert calls.count((2,)) == ATTEMPTS
    assert {failure.key: failure.kind for failure in views[-1].failures} == {"1": "ValueError", "2": "OSError"}
    assert "Traceback" in views[-1].failures[0].traceback


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=12), st.integers(1, 5), st.sets(st.integers(0, 40)), st.randoms()
)
@settings(max_examples=200, deadline=None)
def test_nothing_is_lost_and_nothing_is_done_twice(sizes, workers, poisoned, chance):
    """However many workers there are and whenever they die: results and failures make up the whole."""
    numbers = iter(range(100))
    pieces = [tuple(next(numbers) for _ in range(size)) for size in sizes]
    queue = WorkQueue([item(piece) for piece in pieces], halve)
    held, done, failed = {}, [], []
    for _ in range(5000):
        rank = chance.randrange(workers)
        name = f"worker-{rank}"
        if name not in held:
            taken = queue.take(name)
            if taken is not None:
                held[name] = taken[1]
        elif poisoned & set(held[name]) or chance.random() < 0.1:
            queue.register("worker", rank, workers)
            del held[name]
        else:
            done += held.pop(name)
            queue.done(name, None)
        view = queue.view()
        failed = [int(number) for failure in view.failures for number in failure.key.split("-")]
        if view.left == 0:
            break
    assert sorted(done + failed) == list(range(sum(sizes)))
    assert not poisoned & set(done)


def test_inline_work_reports_what_ends_and_how_far_it_is():
    """All results come through, each once, and nothing is left."""
    views = []

    def work(payload, beat):
        beat(0.5)
        return sum(payload)

    pull(lambda device: work if device == "cpu" else None, [item((1, 2)), item((3,))], halve, views.append)
    assert dict(result for view in views for result in view.results) == {"1-2": 3, "3": 3}
    assert views[-1].left == 0


def test_an_interrupt_is_not_taken_for_a_failure_of_the_piece():
    """It ends the run."""

    def work(_payload, _beat):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(lambda _device: work, [item((1,))], halve, lambda _view: None)
