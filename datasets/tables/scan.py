"""The first pass: what each column of a table holds. Which of them are inputs is decided later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from sumsquares.datasets.source import LARGEST_REAL, MOST_INPUTS
from sumsquares.datasets.tables import cells
from sumsquares.datasets.tables.kinds import Kind, joined, kind_of
from sumsquares.datasets.tables.numbers import Whole
from sumsquares.datasets.tables.shown import Place, show
from sumsquares.datasets.tables.table import ColumnType

_TYPES = {"int": pa.int64(), "double": pa.float64(), "bool": pa.bool_(), "empty": pa.float64()}
_FEW = 0.1
"""A text column of which at most this share are no numbers is taken for numbers with bad cells, and they are told."""
LONGEST_CATEGORY = 200  # characters
At = Callable[[int], Place]


@dataclass
class Column:
    """What the rows so far hold of one column."""

    name: str
    decimal: str
    parses: bool
    """Whether texts may stand for numbers and booleans, as in CSV."""
    wants_categories: bool
    kind: Kind = "empty"
    rows: int = 0
    nulls: int = 0
    first_null: Place | None = None
    blanks: int = 0
    """Empty cells and nulls, as which a text column counts what is missing."""
    first_blank: Place | None = None
    low: float = np.inf
    high: float = -np.inf
    whole: Whole = field(default_factory=Whole)
    beyond: tuple[Place, float] | None = None
    """The first number that is infinite, or beyond LARGEST_REAL."""
    wide: tuple[Place, str] | None = None
    """The first integer beyond 64 bits."""
    bad: int = 0
    """Cells of a text column that are no numbers."""
    first_bad: tuple[Place, str] | None = None
    categories: set[str] | None = field(default_factory=set)
    """The texts there are; None if there are more than a dataset's inputs, or too long ones."""

    def add(self, array: pa.Array, at: At) -> pa.Array | None:
        """Adds rows; returns them as numbers or booleans, as text if categories are wanted, else None."""
        if types.is_dictionary(array.type) and not self.wants_categories:
            array = array.dictionary_decode()
        is_text = kind_of(array.type) == "text"
        if is_text and self.wants_categories:
            array = cells.without_empty(array)
        self._count_blanks(array, at)
        if is_text and self.wants_categories:
            self._add_categories(array)
        if not is_text:
            values = self._add_typed(array, at)
        elif self.parses:
            values = self._add_cells(pc.cast(array, pa.string()), at)
        else:
            values, self.kind = None, joined(self.kind, "text")
        self.rows += len(array)
        return array if is_text and self.wants_categories else values

    def _count_blanks(self, array: pa.Array, at: At) -> None:
        if array.null_count:
            self.first_blank = self.first_blank or at(pc.index(pc.is_null(array), True).as_py())
            self.blanks += array.null_count

    def _add_typed(self, array: pa.Array, at: At) -> pa.Array | None:
        try:
            values = typed(array, kind_of(array.type))
        except pa.ArrowInvalid:  # an unsigned integer
            row = pc.index(pc.greater(array, pa.scalar(2**63 - 1, pa.uint64())), True).as_py()
            self.wide = self.wide or (at(row), str(array[row].as_py()))
            self.kind = joined(self.kind, "wide")
            return None
        self._add_values(values, at)
        self.kind = joined(self.kind, kind_of(array.type) if len(values) > values.null_count else "empty")
        return values

    def _add_cells(self, texts: pa.Array, at: At) -> pa.Array | None:
        known: Kind = "int" if self.kind == "wide" else self.kind
        found = cells.Read("text", None) if known == "text" else cells.read(texts, self.decimal, known)
        values = None if found.values is None else finished(found.values)
        if found.kind == "wide" and self.wide is None:
            row = cells.first_wide(texts, self.decimal)
            self.wide = (at(row), texts[row].as_py())
        if found.kind == "text" and self.bad <= self.rows / 2:  # beyond that it is no column of numbers
            count, row_ = cells.first_bad(texts, self.decimal)
            self.first_bad = self.first_bad or (None if row_ is None else (at(row_), texts[row_].as_py()))
            self.bad += count
        if values is not None:
            self._add_values(values, at)
        self.kind = joined(self.kind, found.kind)
        return values

    def _add_values(self, values: pa.Array, at: At) -> None:
        if values.null_count:
            self.first_null = self.first_null or at(pc.index(pc.is_null(values), True).as_py())
            self.nulls += values.null_count
        if values.null_count == len(values):
            return
        ends = pc.min_max(values)
        low, high = ends["min"].as_py(), ends["max"].as_py()
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.whole.add(values)
        if self.beyond is None and values.type == pa.float64() and not -LARGEST_REAL <= low <= high <= LARGEST_REAL:
            row = pc.index(pc.greater(pc.abs(values), LARGEST_REAL), True).as_py()
            self.beyond = (at(row), values[row].as_py())

    def _add_categories(self, array: pa.Array) -> None:
        if self.categories is None:
            return
        found = pc.unique(array)
        if len(found) > MOST_INPUTS + 1:  # with null
            self.categories = None
            return
        self.categories |= {each for each in found.to_pylist() if each is not None}
        if len(self.categories) > MOST_INPUTS:
            self.categories = None

    @property
    def stored(self) -> ColumnType:
        """Arrow type in which a column of numbers or booleans is stored: it follows from the values, not from the file.

        int64 if float64 holds the same values as integers, or if it can't hold them; double for all other numbers.
        """
        if self.kind == "bool":
            return "bool"
        return "int64" if self.whole.is_whole or (self.kind == "int" and self.whole.is_inexact) else "double"

    @property
    def is_constant(self) -> bool:
        """Whether all its values are one float64, or one text."""
        if self.kind == "text":
            return self.categories is not None and len(self.categories) <= 1
        return float(self.low) == float(self.high)

    @property
    def is_all_different(self) -> bool:
        """Whether it has several texts, and none of them in two rows: names, or numbers of documents."""
        return self.categories is not None and 1 < len(self.categories) == self.rows - self.blanks

    @property
    def the_one(self) -> str:
        """The value of a column that is constant, and how far integers differ that float64 doesn't tell apart."""
        if self.kind == "text":
            return show(next(iter(self.categories or ())))
        return f"{self.low:g}" + (f" as float64, which rounds {self.low} to {self.high}" * (self.low != self.high))

    @property
    def spoilt(self) -> str | None:
        """The bad cell of a column that is text because of a few cells."""
        if self.kind != "text" or self.first_bad is None or self.bad > max(1, _FEW * (self.rows - self.blanks)):
            return None
        place, text = self.first_bad
        others = f" and {self.bad - 1:,} more are no numbers either" if self.bad > 1 else ""
        return f"{place} has {show(text)}{others}"

    @property
    def missing(self) -> tuple[int, Place | None]:
        """How many rows have no value, and the first of them."""
        return (self.blanks, self.first_blank) if self.kind == "text" else (self.nulls, self.first_null)


def typed(array: pa.Array, kind: Kind) -> pa.Array:
    """Returns numbers or booleans of any Arrow type as int64, float64 or bool; raises ArrowInvalid beyond int64."""
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if types.is_decimal(array.type):  # by way of text, which is rounded once
        array = pc.cast(array, pa.string())
    if types.is_float16(array.type):
        array = pc.cast(array, pa.float32())
    return finished(pc.cast(array, _TYPES[kind], safe=kind != "double"))


def finished(values: pa.Array) -> pa.Array:
    """Returns floats with null in place of NaN, and 0.0 in place of -0.0; all else as it is."""
    if values.type != pa.float64() or len(values) == values.null_count:
        return values
    values_N = values.to_numpy(zero_copy_only=False) + 0.0
    return pa.array(values_N, from_pandas=True)
