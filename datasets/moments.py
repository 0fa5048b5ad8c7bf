"""Moments of a formula's training rows: range, mean and standard deviation of each column, by which it is normalised.

Sums have one order, so that they have the same bits on every machine: within a block of rows the second half is added
to the first until one number is left, and the blocks are added one after the other. The order of numpy's own sums
depends on the processor.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.rows import Block

# Shapes: N rows of a block.
_LEAST_EXPONENT = -1000  # of the largest value: 2**1024 isn't finite


@dataclass(frozen=True)
class Moments:
    """Of the training rows as they are stored, so with noise. Inputs have one number for each column."""

    input_min: tuple[float, ...]
    input_max: tuple[float, ...]
    input_mean: tuple[float, ...]
    input_std: tuple[float, ...]
    """Standard deviation: the root of the mean squared distance from the mean; 0 for a constant column only."""
    target_min: float
    target_max: float
    target_mean: float
    target_std: float


class Meter:
    """Measures blocks of rows as they pass."""

    def __init__(self) -> None:
        self._columns: list[_Column] = []
        self._count = 0

    def watch(self, rows: Iterable[Block]) -> Iterator[Block]:
        """Yields the blocks and measures them."""
        for inputs_NI, target_N in rows:
            values = [*inputs_NI.T, target_N]
            self._columns = self._columns or [_Column(values_N) for values_N in values]
            for column, values_N in zip(self._columns, values, strict=True):
                column.add(values_N)
            self._count += len(target_N)
            yield inputs_NI, target_N

    def moments(self) -> Moments:
        """Returns the moments of the rows so far."""
        *inputs, target = (column.moments(self._count) for column in self._columns)
        low_I, high_I, mean_I, std_I = zip(*inputs, strict=True)
        return Moments(low_I, high_I, mean_I, std_I, *target)


class _Column:
    """Sums of one column, shifted by the mean of its first block, so that the variance does not cancel out."""

    def __init__(self, first_N: NDArray[Any]) -> None:
        values_N = first_N.astype(np.float64)
        # A power of two changes no digit, and without it the squares of tiny numbers would be 0.
        self._scale = math.ldexp(1.0, -max(_LEAST_EXPONENT, math.frexp(float(np.abs(values_N).max()))[1]))
        self._shift = total(values_N * self._scale) / len(values_N)
        self._low, self._high = math.inf, -math.inf
        self._sum = self._squares = 0.0

    def add(self, raw_N: NDArray[Any]) -> None:
        """Adds the values of a block."""
        values_N = raw_N.astype(np.float64)
        self._low, self._high = min(self._low, float(values_N.min())), max(self._high, float(values_N.max()))
        values_N *= self._scale
        values_N -= self._shift
        self._sum += total(values_N.copy())
        self._squares += total(np.square(values_N, out=values_N))

    def moments(self, count: int) -> tuple[float, float, float, float]:
        """Returns minimum, maximum, mean and standard deviation of so many values; 0.0 for -0.0."""
        low, high = self._low + 0.0, self._high + 0.0
        if low == high:  # sums of equal numbers are rounded
            return low, high, low, 0.0
        offset = self._sum / count
        mean = min(high, max(low, (self._shift + offset) / self._scale))
        std = math.sqrt(max(0.0, self._squares / count - offset * offset)) / self._scale
        return low, high, mean, std


def total(values_N: NDArray[np.float64]) -> float:
    """Returns the sum, by halving; the array is used up."""
    count = len(values_N)
    while count > 1:
        half = count // 2
        values_N[:half] += values_N[count - half : count]
        count -= half
    return float(values_N[0])
