"""Rows as people have them, as an array of raw inputs: lists, arrays, and tables of pandas, pyarrow or polars.

Suffixes: N rows, K values of a row as they are given, I inputs of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown

Floats = NDArray[np.float64]


def is_table(rows: Any) -> bool:
    """Whether rows come with names of columns: a pandas or polars DataFrame, or a pyarrow Table."""
    return hasattr(rows, "__arrow_c_stream__") or hasattr(rows, "columns")


def names_in(table: Any) -> list[str]:
    """Returns the names of a table's columns."""
    return [str(name) for name in getattr(table, "column_names", None) or list(table.columns)]


def columns_of(table: Any, names: Sequence[str]) -> pa.Table:
    """Returns these columns of a table, in this order.

    Raises:
        UsageError: it lacks one of them, or has one that Arrow can't hold.

    """
    there = names_in(table)
    if missing := [name for name in names if name not in there]:
        has = f"it has {few_names(there)}"
        raise UsageError(f"the table has no column {few_names([shown(name) for name in missing])}; {has}")
    try:
        chosen = table.select(list(names)) if isinstance(table, pa.Table | pa.RecordBatch) else table[list(names)]
        return pa.table(chosen) if hasattr(chosen, "__arrow_c_stream__") else pa.Table.from_pandas(chosen)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise UsageError(f"the table's columns can't be read: {error}") from error


def inputs_of_table(table: Any, dataset: Named) -> Floats:
    """Returns a table's rows as raw inputs [N, I] of a dataset: its columns, whatever else the table has.

    Raises:
        UsageError: as `columns_of`; or a value is no finite number.

    """
    names = dataset.columns[:-1]
    chosen = columns_of(table, names)
    numbers_IN = [_column(chosen, name) for name in names]
    numbers_NI = np.stack(numbers_IN, axis=1) if numbers_IN else np.empty((len(chosen), 0))
    refuse_infinite(numbers_NI, names)
    return numbers_NI


def _column(table: pa.Table, name: str) -> Floats:
    column = table[name]
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or _is_decimal(kind)):
        raise UsageError(f"column {shown(name)} has the type {kind}; give numbers")
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise UsageError(f"row {row:,}, column {name}: there is no value; leave the row out, or put a number there")
    numbers_N: Floats = column.cast(pa.float64(), safe=False).to_numpy()
    return numbers_N


def _is_decimal(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind))


def numbers_of(rows: Any) -> Floats:
    """Returns rows without names as float64 [N, K].

    Raises:
        UsageError: they are not two-dimensional, or a value is not a finite number.

    """
    values_NK = _array(rows)
    if values_NK.ndim != 2:
        remedy = "write a list of rows, such as [[12], [1500]] for one input, or [[3, 4]] for two"
        raise UsageError(f"rows have {values_NK.ndim} dimension{'s' * (values_NK.ndim != 1)}, not 2: {remedy}")
    if values_NK.dtype.kind not in "biuf":
        values_NK = _converted(values_NK)
    numbers_NK = values_NK.astype(np.float64)
    refuse_infinite(numbers_NK, [str(index) for index in range(numbers_NK.shape[1])])
    return numbers_NK


def refuse_infinite(numbers_NK: Floats, names: Sequence[str]) -> None:
    """Raises a UsageError for the first number that is NaN or infinite."""
    if (wrong := np.argwhere(~np.isfinite(numbers_NK))).size:
        row, column = wrong[0].tolist()
        value, remedy = numbers_NK[row, column], "leave the row out, or put a number in its place"
        raise UsageError(f"row {row:,}, column {names[column]}: {value} is not a finite number; {remedy}")


def _array(rows: Any) -> NDArray[Any]:
    try:
        return np.asarray(rows)
    except ValueError as error:
        raise UsageError(f"rows must have the same number of values: {error}") from error


def _converted(values_NK: NDArray[Any]) -> Floats:
    """Returns objects as numbers: text is not read as one."""
    for (row, column), value in np.ndenumerate(values_NK):
        if not isinstance(value, int | float | np.integer | np.floating | np.bool_):
            what = f"row {row:,}, column {column}: {shown(str(value))} is not a number"
            raise UsageError(f"{what}; give numbers, and categories as columns of zeros and ones")
    return values_NK.astype(np.float64)
