"""Rows as people have them, as an array of raw inputs: lists, arrays, and tables of pandas, pyarrow or polars.

Suffixes: N rows, K values of a row as they are given, I inputs of a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown

Floats = NDArray[np.float64]


def is_table(rows: Any) -> bool:
    """Whether rows come with names of columns: a pandas or polars DataFrame, or a pyarrow Table."""
    return hasattr(rows, "columns")


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


def numbers_of(rows: Any, names: Sequence[str] | None = None) -> Floats:
    """Returns rows as float64 [N, K]. Messages call their columns by the names, or by their numbers.

    Raises:
        UsageError: they are not two-dimensional, or a value is not a finite number.

    """
    values_NK = _array(rows)
    if values_NK.ndim != 2:
        remedy = "write a list of rows, such as [[12], [1500]] for one input, or [[3, 4]] for two"
        raise UsageError(f"rows have {values_NK.ndim} dimension{'s' * (values_NK.ndim != 1)}, not 2: {remedy}")
    if values_NK.dtype.kind not in "biuf":
        values_NK = _converted(values_NK, names)
    numbers_NK = values_NK.astype(np.float64)
    if (wrong := np.argwhere(~np.isfinite(numbers_NK))).size:
        value, remedy = numbers_NK[*wrong[0]], "leave the row out, or put a number in its place"
        raise UsageError(f"{_place(wrong[0], names)}: {value} is not a finite number; {remedy}")
    return numbers_NK


def place_of(row: int) -> str:
    """Where a row lies: counted from 0, as Python does."""
    return f"row {row:,}"


def _place(where: Sequence[int] | NDArray[np.intp], names: Sequence[str] | None) -> str:
    row, column = where
    return f"{place_of(row)}, column {column if names is None else names[column]}"


def _array(rows: Any) -> NDArray[Any]:
    try:
        return np.asarray(rows)
    except ValueError as error:
        raise UsageError(f"rows must have the same number of values: {error}") from error


def _converted(values_NK: NDArray[Any], names: Sequence[str] | None) -> Floats:
    """Returns objects as numbers: text is not read as one."""
    for where, value in np.ndenumerate(values_NK):
        if not isinstance(value, int | float | np.integer | np.floating | np.bool_):
            what = f"{_place(where, names)}: {shown(str(value))} is not a number"
            raise UsageError(f"{what}; give numbers, and categories as columns of zeros and ones")
    return values_NK.astype(np.float64)
