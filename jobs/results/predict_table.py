"""Columns by name in, the raw inputs of a network out: what `predict --input` and models from Python do with a table.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.source import LARGEST_REAL, Numbers
from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables import cells
from sumsquares.datasets.tables.kinds import WORDS, kind_of
from sumsquares.datasets.tables.shown import show, similar
from sumsquares.datasets.tables.stored import values_as
from sumsquares.datasets.tables.table import ColumnType, TableSplit
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.messages.abbreviate import few_names
from sumsquares.jobs.results.number_rows import first_misfit, inputs_of_numbers

Floats = NDArray[np.float64]
Place = Callable[[int], str]
"""Says where a row lies: `row 12`."""


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


def row_words(row: int) -> str:
    """Where a row lies, by its position: `row 1` is the first."""
    return f"row {row + 1:,}"


def inputs_of(dataset: Named, rows: pa.RecordBatch | pa.Table, place: Place = row_words, decimal: str = ".") -> Numbers:
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
    of = _Columns(rows, place, decimal)
    return _of_table(dataset, of) if isinstance(dataset, TableSplit) else _of_numbers(dataset, of)


def _of_table(split: TableSplit, of: _Columns) -> Floats:
    columns = split.table.input_columns
    means = dict(split.table.split_rows[split.index].means)
    inputs_IN = np.empty((len(columns), of.rows.num_rows))
    for index, column in enumerate(columns):
        if column.category is not None:
            known = [str(each.category) for each in columns if each.column == column.column]
            inputs_IN[index] = of.category(column.column, column.category, known)
        else:
            inputs_IN[index] = of.numbers(column.column, column.type, means.get(column.name))
    return inputs_IN.T


def _of_numbers(dataset: NamedDataset, of: _Columns) -> Numbers:
    numbers_NK = np.column_stack([of.numbers(name) for name in asked_columns(dataset)])
    if (found := first_misfit(dataset, numbers_NK)) is not None:
        row, problem = found
        raise UsageError(f"{of.place(row)}: {problem}")
    inputs_NI = inputs_of_numbers(dataset, numbers_NK)
    for index, name in enumerate(dataset.columns[dataset.inputs - dataset.unused : dataset.inputs]):
        if name in of.rows.schema.names:
            inputs_NI[:, dataset.inputs - dataset.unused + index] = of.numbers(name)
    return inputs_NI


def _listed(categories: Sequence[str]) -> str:
    return few_names([show(each) for each in categories])


class _Columns:
    """Columns of rows as numbers, checked."""

    def __init__(self, rows: pa.RecordBatch | pa.Table, place: Place, decimal: str) -> None:
        self.rows, self.place, self._decimal = rows, place, decimal

    def numbers(self, name: str, type_: ColumnType = "double", mean: float | None = None) -> Floats:
        """Returns a column as float64, with `mean` in place of nulls if there is one."""
        array = self._array(name)
        values = values_as(array, "bool" if type_ == "bool" else "double", self._decimal)
        if values is None:
            raise self._wrong(name, array, type_)
        if values.null_count and mean is None:
            row = pc.index(pc.is_null(values), True).as_py()
            raise UsageError(f"{self._at(name, row)} has no value; write one, or leave the row out")
        values_N: Floats = pc.fill_null(pc.cast(values, pa.float64()), mean or 0.0).to_numpy(zero_copy_only=False)
        is_wrong_N = ~(np.abs(values_N) <= LARGEST_REAL)
        if is_wrong_N.any():
            row = int(np.flatnonzero(is_wrong_N)[0])
            raise UsageError(f"{self._at(name, row)} has {values_N[row]:g}; write a number up to {LARGEST_REAL:g}")
        return values_N

    def category(self, name: str, category: str, known: Sequence[str]) -> NDArray[np.bool_]:
        """Returns where a column has this text; another one than the known ones is refused."""
        array = self._array(name)
        texts = pc.cast(array, pa.string()) if kind_of(array.type) == "text" else None
        if texts is None:
            raise UsageError(f"column {show(name)} is no text, and the model takes the categories {_listed(known)}")
        is_other = pc.invert(pc.is_in(texts, pa.array(known, pa.string())))
        if pc.any(is_other).as_py():
            row = pc.index(is_other, True).as_py()
            text = texts[row].as_py()
            what = "has no value" if text is None else f"has {show(text)}"
            raise UsageError(
                f"{self._at(name, row)} {what}, which was in no row of the table; known are: {_listed(known)}"
            )
        is_it_N: NDArray[np.bool_] = pc.equal(texts, category).to_numpy(zero_copy_only=False)
        return is_it_N

    def _array(self, name: str) -> pa.Array:
        column = self.rows.column(name)
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array

    def _at(self, name: str, row: int) -> str:
        return f"column {show(name)}: {self.place(row)}"

    def _wrong(self, name: str, array: pa.Array, type_: ColumnType) -> UsageError:
        """Returns the error for a column that is no numbers, with the first cell that isn't one."""
        kind, wanted = kind_of(array.type), "true, false, 1 or 0" if type_ == "bool" else "a number"
        if kind == "text":
            texts = pc.cast(array, pa.string())
            array = cells.without_words(texts) if type_ == "bool" else texts
        numbers = values_as(array, "double", self._decimal)
        if numbers is not None:
            row = pc.index(pc.is_in(numbers, pa.array([0.0, 1.0, None])), False).as_py()
            return UsageError(f"{self._at(name, row)} has {numbers[row].as_py():g}; write {wanted}")
        if kind == "text":
            row = cells.first_bad(array, self._decimal)[1]
            if row is not None:
                return UsageError(f"{self._at(name, row)} has {show(array[row].as_py())}; write {wanted}")
        found = "has integers beyond 64 bits" if kind == "int" else WORDS[kind]
        return UsageError(f"column {show(name)} {found}, and the model takes numbers there")
