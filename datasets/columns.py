"""How a dataset's columns are stored: the type, range and dictionary of each. Their values come from rows.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sumsquares.datasets.rows import input_type
from sumsquares.datasets.spec import DatasetSpec, Split
from sumsquares.datasets.tasks import Integers, target, target_range

# Shapes: N rows.
Unsigned = NDArray[np.unsignedinteger[Any]]

_DICTIONARY_MAX = 2**16  # values: an index has at most 16 bits
_ROWS_PER_DICTIONARY_VALUE = 16  # at 16, int32 numbers 1..1000 take 1.5 bytes a row with or without one


@dataclass(frozen=True, slots=True)
class Column:
    """One stored column. Its range, low..high, is known before any value is generated.

    With a dictionary, its pages hold the offsets of column number `source` as indices into it: its own, or for a
    square those of its number. Without one they hold its own values.
    """

    name: str
    dtype: np.dtype[np.signedinteger[Any]]
    low: int
    high: int
    source: int
    dictionary: Integers | None

    def offsets(self, values_N: Integers) -> Unsigned:
        """Returns values - low in the narrowest unsigned type that holds high - low."""
        width = (self.high - self.low).bit_length()
        return (values_N - self.low).astype("<u2" if width <= 16 else "<u4" if width <= 32 else "<u8")


def stored_columns(spec: DatasetSpec, split: Split, rows: int) -> list[Column]:
    """Returns the columns of a shard of that many rows, the target last."""
    low, high = spec.range_of(split)
    dtype, names = input_type(spec), spec.columns
    room = min(_DICTIONARY_MAX, rows // _ROWS_PER_DICTIONARY_VALUE)
    numbers = np.arange(low, high + 1, dtype=dtype) if high - low < room else None
    columns = [Column(name, dtype, low, high, i, numbers) for i, name in enumerate(names[:-1])]
    first, last = target_range(spec.task, spec.n_numbers, low, high)
    source, targets = spec.inputs, None
    if spec.n_numbers == 1 and numbers is not None:
        source, targets = 0, target(spec.task, numbers[:, np.newaxis])
    elif last - first < room:
        targets = np.arange(first, last + 1, dtype=np.int64)
    return [*columns, Column(names[-1], np.dtype(np.int64), first, last, source, targets)]


def arrow_schema(spec: DatasetSpec) -> pa.Schema:
    """Returns the schema of every shard: no column is nullable."""
    number = pa.from_numpy_dtype(input_type(spec))
    types = [number] * spec.inputs + [pa.int64()]
    return pa.schema([pa.field(*pair, nullable=False) for pair in zip(spec.columns, types, strict=True)])
