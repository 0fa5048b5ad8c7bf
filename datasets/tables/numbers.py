"""Arrow arrays of stored columns as numpy arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Shapes: N rows.
_BELOW = 2.0**53
"""Below it, in magnitude, float64 holds every integer, and no other one is rounded to it."""


@dataclass
class Whole:
    """Whether the numbers so far, of whichever type, are integers."""

    is_whole: bool = True
    """All are integers, of magnitudes below 2**53."""
    is_inexact: bool = False
    """One is an integer that float64 doesn't hold."""

    def add(self, values: pa.Array) -> None:
        """Adds int64, float64 or bool; nulls don't count."""
        if pa.types.is_boolean(values.type) or not (self.is_whole or pa.types.is_integer(values.type)):
            return
        value_N = values_of(values)
        double_N = value_N.astype(np.float64)
        self.is_whole = bool(
            self.is_whole and (np.abs(double_N) < _BELOW).all() and (np.rint(double_N) == double_N).all()
        )
        if not self.is_whole and pa.types.is_integer(values.type) and not self.is_inexact:
            is_held_N = double_N < 2.0**63
            is_held_N[is_held_N] = double_N[is_held_N].astype(np.int64) == value_N[is_held_N]
            self.is_inexact = not is_held_N.all()


def values_of(array: pa.Array) -> NDArray[Any]:
    """Returns the values as float64, int64 or bool; 0 in place of a null."""
    if array.null_count:
        array = pc.fill_null(array, pa.scalar(False if pa.types.is_boolean(array.type) else 0, array.type))
    values_N: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values_N


def valid_of(array: pa.Array) -> NDArray[np.bool_]:
    """Returns for each row whether it has a value."""
    if not array.null_count:
        return np.ones(len(array), np.bool_)
    valid_N: NDArray[np.bool_] = pc.is_valid(array).to_numpy(zero_copy_only=False)
    return valid_N
