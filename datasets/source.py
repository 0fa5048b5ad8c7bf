"""What a dataset's numbers are and how its target follows from them, whatever kind of dataset it is."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

# Shapes: N rows, K numbers of a row.
Split = Literal["train", "test", "extrapolation"]
SPLITS: tuple[Split, ...] = ("train", "test", "extrapolation")
Numbers = NDArray[Any]
"""Signed integers, or float64."""


class Range(NamedTuple):
    """Where the numbers of one column lie. Integers reach both ends; real numbers stay below `high`."""

    low: float
    high: float


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
