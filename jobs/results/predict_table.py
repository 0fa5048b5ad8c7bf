"""Columns by name in, the raw inputs of a network out: what `predict --input` and models from Python do with a table.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.source import LARGEST_REAL, Numbers
from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.shown import show, similar
from sumsquares.datasets.tables.stored import values_as
from sumsquares.datasets.tables.table import InputColumn, TableSplit
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.messages.values import shown
from sumsquares.jobs.results.number_rows import inputs_of_numbers, middle, misfit

Floats = NDArray[np.float64]
Place = Callable[[int], str]
"""Says where a row lies: `row 12`."""
_LARGEST_EXACT = 2**53


def asked_columns(dataset: Named) -> tuple[str, ...]:
    """Returns the columns that rows must have, in the order in which they stand in the dataset.

    Of a table those of its file, a column of categories once; of generated rows the numbers, not their digits.
    """
    if isinstance(dataset, TableSplit):
        return tuple(dict.fromkeys(each.column for each in dataset.table.input_columns))
    return dataset.source.names


def missing_columns(dataset: Named, names: Sequence[str]) -> str | None:
    """Returns which columns are missing among these names, and which there are; None if there are all."""
    lacking = [name for name in asked_columns(dataset) if name not in names]
    if not lacking:
        return None
    told = few_names([show(name) for name in lacking])
    there = few_names([show(name) for name in names])
    return f"no column {told}, which the model takes; {similar(lacking[0], names)}there are: {there}"


def inputs_of(dataset: Named, rows: pa.RecordBatch | pa.Table, place: Place = "row {:,}".format, decimal: str = ".") -> Numbers:
    """Returns the raw inputs [N, I] that a dataset's networks take of rows with named columns, in any order.

    Of a table the columns are those of its file, so that a category is given as its text; other types are taken where
    they convert exactly. A null becomes the mean of the training rows where that was done in training, too. Other
    columns are ignored.

    Args:
        dataset: what the network was trained on.
        rows: any columns; text is read as numbers where the model takes numbers.
        place: says where a row lies, by its position in `rows`.
        decimal: the decimal point of numbers in text.

    Raises:
        UsageError: a column is missing, or a value can't be an input: the message names column, row and value.

    """
    if problem := missing_columns(dataset, rows.schema.names):
        raise UsageError(problem)
    if isinstance(dataset, TableSplit):
        return _of_table(dataset, rows, place, decimal)
    return _of_numbers(dataset, rows, place, decimal)


def _of_table(split: TableSplit, rows: pa.RecordBatch | pa.Table, place: Place, decimal: str) -> Floats:
    columns = split.table.input_columns
    means = dict(split.table.split_rows[split.index].means)
    inputs_IN = np.empty((len(columns), rows.num_rows))
    for index, column in enumerate(columns):
        array = _plain(rows.column(column.column))
        if column.category is not None:
            known = [each.category for each in columns if each.column == column.column]
            inputs_IN[index] = _category(array, column, known, place)
        else:
            inputs_IN[index] = _numbers(array, column.column, place, decimal, means.get(column.name), column.type == "bool")
    return inputs_IN.T


def _of_numbers(dataset: NamedDataset, rows: pa.RecordBatch | pa.Table, place: Place, decimal: str) -> Numbers:
    def numbers(name: str) -> Floats:
        return _numbers(_plain(rows.column(name)), name, place, decimal)

    numbers_NK = np.column_stack([numbers(name) for name in asked_columns(dataset)])
    for row, values in enumerate(numbers_NK.tolist()):
        if (problem := misfit(dataset, values)) is not None:
            raise UsageError(f"{place(row)}: {problem}")
    inputs_NI = inputs_of_numbers(dataset, numbers_NK)
    for index in range(1, dataset.unused + 1):
        if (name := f"unused_{index}") in rows.schema.names:
            inputs_NI[:, index - 1 - dataset.unused] = numbers(name)
    return inputs_NI
