"""What a dataset's numbers are and how its target follows from them, whatever kind of dataset it is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

# Shapes: N rows, K numbers of a row.
Split = Literal["train", "test", "extrapolation"]
SPLITS: tuple[Split, ...] = ("train", "test", "extrapolation")
Numbers = NDArray[Any]
"""Signed integers, or float64."""
LARGEST_REAL = 1e100
"""Bounds of real numbers, noise and targets are at most this, so that sums of their squares are finite."""
MOST_INPUTS = 1024


class Range(NamedTuple):
    """Where the numbers of one column lie. Integers reach both ends; real numbers stay below `high`."""

    low: float
    high: float

    @property
    def integers(self) -> int:
        """How many integers there are from one end to the other."""
        return int(self.high) - int(self.low) + 1


def combinations(ranges: Iterable[Range]) -> int:
    """Returns how many rows of integers there are in these ranges."""
    return math.prod(each.integers for each in ranges)


class Source(Protocol):
    """The numbers that a target depends on, and the target."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the numbers, in their order."""

    @property
    def is_real(self) -> bool:
        """Whether the numbers are real: float64. Else they are integers."""

    @property
    def target_type(self) -> np.dtype[Any]:
        """The type in which targets are stored: int64 or float64."""

    @property
    def has_integer_target(self) -> bool:
        """Whether every target is an integer, so that an answer may be right after rounding."""

    def parts(self, split: Split) -> tuple[tuple[Range, ...], ...]:
        """Returns the ranges of the numbers. Where there are two parts, rows are taken from them in turns."""

    def target(self, numbers_NK: Numbers) -> NDArray[Any]:
        """Returns the target of each row, without noise, as `target_type`; NaN where a formula is not finite."""
