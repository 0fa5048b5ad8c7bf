"""How a dataset's columns are stored: the type, range and dictionary of each. Their values come from rows.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sumsquares.datasets.rows import input_type
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import DatasetSpec, Split
from sumsquares.datasets.tasks import Arithmetic, target_range

# Shapes: N rows.
Stored = NDArray[Any]
"""Unsigned integers, or float64."""

_DICTIONARY_MAX = 2**16  # values: an index has at most 16 bits
_ROWS_PER_DICTIONARY_VALUE = 16  # at 16, int32 numbers 1..1000 take 1.5 bytes a row with or without one


@dataclass(frozen=True, slots=True)
class Column:
    """One stored column. The range of integers, low..high, is known before any value is generated.

    With a dictionary, its pages hold the offsets of column number `source` as indices into it: its own, or for a
    square those of its number. Without one they hold its own values.
    """

    name: str
    dtype: np.dtype[Any]
    low: int
    high: int
    source: int
    dictionary: Numbers | None

    @property
    def is_real(self) -> bool:
        """Whether it holds real numbers, which are stored as they are: they have neither range nor dictionary."""
        return self.dtype.kind == "f"

    def stored(self, values_N: Numbers) -> Stored:
        """Returns real numbers in little-endian order; of integers values - low in the narrowest unsigned type."""
        if self.is_real:
            return values_N.astype("<f8", copy=False)
        width = (self.high - self.low).bit_length()
        return (values_N - self.low).astype("<u2" if width <= 16 else "<u4" if width <= 32 else "<u8")


def stored_columns(spec: DatasetSpec, split: Split, rows: int) -> list[Column]:
    """Returns the columns of a shard of that many rows, the target last."""
    room = min(_DICTIONARY_MAX, rows // _ROWS_PER_DICTIONARY_VALUE)
    dtype, names, ranges = input_type(spec), spec.columns, spec.input_ranges(split)
    if dtype.kind == "f":
        inputs = [Column(name, dtype, 0, 0, i, None) for i, name in enumerate(names[:-1])]
    else:
        bounds = [(int(low), int(high)) for low, high in ranges]
        values = {(low, high): np.arange(low, high + 1, dtype=dtype) for low, high in bounds if high - low < room}
        inputs = [
            Column(name, dtype, *both, i, values.get(both))
            for i, (name, both) in enumerate(zip(names[:-1], bounds, strict=True))
        ]
    return [*inputs, _target_column(spec, inputs, split, room)]


def _target_column(spec: DatasetSpec, inputs: list[Column], split: Split, room: int) -> Column:
    source, own = spec.source, len(inputs)
    if not isinstance(source, Arithmetic):
        return Column("target", source.target_type, 0, 0, own, None)
    (low, high) = source.parts(split)[0][0]
    first, last = target_range(source.task, source.n_numbers, int(low), int(high))
    place, dictionary = own, None
    if source.n_numbers == 1 and spec.digits is None and inputs[0].dictionary is not None:
        place, dictionary = 0, source.target(inputs[0].dictionary[:, np.newaxis])
    elif last - first < room:
        dictionary = np.arange(first, last + 1, dtype=np.int64)
    return Column("target", source.target_type, first, last, place, dictionary)


def arrow_schema(spec: DatasetSpec) -> pa.Schema:
    """Returns the schema of every shard: no column is nullable."""
    number, target = pa.from_numpy_dtype(input_type(spec)), pa.from_numpy_dtype(spec.source.target_type)
    types = [number] * spec.inputs + [target]
    return pa.schema([pa.field(*pair, nullable=False) for pair in zip(spec.columns, types, strict=True)])
