"""The arithmetic that networks learn, on whole columns. The numbers come from rows.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.source import Numbers, Range, Split

# Shapes: N rows, K numbers of a row.
Task = Literal["sum", "product", "square", "sum_of_squares"]
Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A task on integers 1..largest: a `Source`."""

    task: Task
    n_numbers: int
    largest: int

    @property
    def names(self) -> tuple[str, ...]:
        """number_1 and so on."""
        return tuple(f"number_{i}" for i in range(1, self.n_numbers + 1))

    @property
    def is_real(self) -> bool:
        """Never."""
        return False

    @property
    def target_type(self) -> np.dtype[Any]:
        """Always int64."""
        return np.dtype(np.int64)

    @property
    def has_integer_target(self) -> bool:
        """Always."""
        return True

    def parts(self, split: Split) -> tuple[tuple[Range, ...], ...]:
        """Returns the ranges of the numbers, as one part."""
        one = Range(self.largest + 1, 2 * self.largest) if split == "extrapolation" else Range(1, self.largest)
        return ((one,) * self.n_numbers,)

    def target(self, numbers_NK: Numbers) -> NDArray[np.int64]:
        """Returns the target of each row."""
        return target(self.task, numbers_NK)


def target(task: Task, numbers_NK: Integers) -> NDArray[np.int64]:
    """Computes the target of each row, as int64. The caller has checked that it fits (DatasetSpec does).

    >>> target("sum_of_squares", np.array([[3, 4], [1, 1]])).tolist()
    [25, 2]
    """
    combine = np.multiply if task == "product" else np.add
    total_N = _term(task, numbers_NK[:, 0])
    for k in range(1, numbers_NK.shape[1]):
        combine(total_N, _term(task, numbers_NK[:, k]), out=total_N)
    return total_N


def _term(task: Task, numbers_N: Integers) -> NDArray[np.int64]:
    wide_N = numbers_N.astype(np.int64)
    if task in ("square", "sum_of_squares"):
        wide_N *= wide_N
        return wide_N
    assert task in ("sum", "product"), task
    return wide_N


def target_range(task: Task, n_numbers: int, low: int, high: int) -> tuple[int, int]:
    """Returns the smallest and the largest target of numbers low..high (low >= 1), exact, however large."""
    return _of_equal_numbers(task, n_numbers, low), _of_equal_numbers(task, n_numbers, high)


def _of_equal_numbers(task: Task, n_numbers: int, number: int) -> int:
    if task == "product":
        return int(number**n_numbers)
    if task == "sum":
        return n_numbers * number
    assert task in ("square", "sum_of_squares"), task
    return int(n_numbers * number**2)
