"""datasets/tasks.py against plain Python."""

import itertools
import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.datasets.tasks import Task, target, target_range

REFERENCE = {
    "sum": sum,
    "product": math.prod,
    "square": lambda numbers: numbers[0] ** 2,
    "sum_of_squares": lambda numbers: sum(number**2 for number in numbers),
}


def test_every_task_has_its_reference():
    """A new one fails here until plain Python says what it is."""
    assert REFERENCE.keys() == set(get_args(Task))


@given(data=st.data(), task=st.sampled_from(sorted(REFERENCE)))
def test_targets_equal_plain_python_integers(data, task):
    """Whatever the numbers, their type and their order in memory, targets are those of Python's integers."""
    width = 1 if task == "square" else data.draw(st.integers(1, 5))
    top = int((2**63 - 1) ** (1 / width) * 0.99) if task == "product" else 10**9
    number = st.integers(1, min(top, 2**31 - 1))
    rows = data.draw(st.lists(st.lists(number, min_size=width, max_size=width), min_size=1, max_size=8))
    expected = [REFERENCE[task](row) for row in rows]
    for order, dtype in itertools.product("CF", (np.int32, np.int64)):
        found = target(task, np.array(rows, dtype=dtype, order=order))
        assert found.dtype == np.int64
        assert found.tolist() == expected


@pytest.mark.parametrize("task", sorted(REFERENCE))
def test_the_range_of_targets_is_that_of_all_combinations(task):
    """The stated smallest and largest target are met by some combination and passed by none."""
    width = 1 if task == "square" else 3
    every = [REFERENCE[task](numbers) for numbers in itertools.product(range(2, 7), repeat=width)]
    assert target_range(task, width, 2, 6) == (min(every), max(every))


def test_targets_leave_the_numbers_alone():
    """Computing targets changes no number."""
    numbers = np.array([[3, 4], [5, 6]], dtype=np.int64)
    target("sum_of_squares", numbers)
    assert numbers.tolist() == [[3, 4], [5, 6]]
