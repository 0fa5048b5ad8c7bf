"""Arrow arrays of stored columns as numpy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Shapes: N rows.


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
