"""The second pass: rows as the store keeps them, without those that are dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from sumsquares.datasets.tables import cells
from sumsquares.datasets.tables.errors import TableError
from sumsquares.datasets.tables.keys import Missing
from sumsquares.datasets.tables.kinds import Kind, kind_of
from sumsquares.datasets.tables.scan import finished, typed
from sumsquares.datasets.tables.shown import show
from sumsquares.datasets.tables.source import Raw
from sumsquares.datasets.tables.table import ColumnType, InputColumn

TYPES: Mapping[ColumnType, pa.DataType] = {"double": pa.float64(), "int64": pa.int64(), "bool": pa.bool_()}
_KINDS: Mapping[ColumnType, tuple[Kind, ...]] = {
    "double": ("double",),
    "int64": ("int", "double", "bool"),
    "bool": ("double",),
}
"""As which cells of CSV are read, the first that all of a batch have; true and false of a boolean as 1 and 0."""
_MOST_ROWS, _BLOCK_VALUES = 65_536, 1 << 22


@dataclass(frozen=True)
class StoredColumns:
    """The columns that the store keeps of a table: its inputs, the target, then those that name test rows."""

    inputs: tuple[InputColumn, ...]
    target: str
    target_type: ColumnType
    held_out: tuple[str, ...]
    missing: Missing | None

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema. Only inputs are nullable, and they only with `missing` = "mean"."""
        nullable = self.missing == "mean"
        inputs = [pa.field(each.name, TYPES[each.type], nullable) for each in self.inputs]
        held_out = [pa.field(name, pa.bool_(), nullable=False) for name in self.held_out]
        return pa.schema([*inputs, pa.field(self.target, TYPES[self.target_type], nullable=False), *held_out])

    @property
    def block_rows(self) -> int:
        """Rows of a block: 65,536, or fewer if there are more than 64 columns."""
        return max(1, min(_MOST_ROWS, _BLOCK_VALUES // (len(self.inputs) + 1 + len(self.held_out))))

    def batches(
        self, raws: Iterable[Raw], at: Mapping[str, int], decimal: str, source: str
    ) -> Iterator[pa.RecordBatch]:
        """Yields the rows that are used; `at` has the position of each column of the file.

        Raises TableError if a cell hasn't the type that was found before: the file has changed.
        """
        for raw in raws:
            columns = {name: raw.batch.column(str(at[name])) for name in self._names()}
            made = [
                *(_input(columns[each.column], each, decimal) for each in self.inputs),
                values_as(columns[self.target], self.target_type, decimal),
                *(values_as(columns[name], "bool", decimal) for name in self.held_out),
            ]
            arrays = [array for array in made if array is not None]
            if len(arrays) < len(made):
                raise changed(source, f"column {show(self.schema.names[made.index(None)])} has other values")
            yield self._used(arrays, source)

    def _names(self) -> Iterator[str]:
        yield from dict.fromkeys((*(each.column for each in self.inputs), self.target, *self.held_out))

    def _used(self, arrays: list[pa.Array], source: str) -> pa.RecordBatch:
        """Returns the rows that are used: with "drop" those without nulls, with "mean" those with a target."""
        checked = [arrays[len(self.inputs)]] if self.missing == "mean" else arrays
        batch = pa.RecordBatch.from_arrays(arrays, self.schema.names)
        if any(array.null_count for array in checked):
            if self.missing is None:
                raise changed(source, "it has rows without a value")
            keep = pc.is_valid(checked[0])
            for array in checked[1:]:
                keep = pc.and_(keep, pc.is_valid(array)) if array.null_count else keep
            batch = batch.filter(keep)
        if any(batch.column(name).null_count for name in self.held_out):
            raise changed(source, "it has rows without a value")
        return batch.cast(self.schema)


def values_as(array: pa.Array, type_: ColumnType, decimal: str) -> pa.Array | None:
    """Returns values of any type as one of those that are stored; None if they can't be."""
    kind = kind_of(array.type)
    if kind == "text":
        values = _parsed(pc.cast(array, pa.string()), type_, decimal)
        return None if values is None else _cast(values, type_)
    if kind not in ("empty", "bool", "int", "double"):
        return None
    try:
        return _cast(typed(array, kind), type_)
    except pa.ArrowInvalid:
        return None


def _parsed(texts: pa.Array, type_: ColumnType, decimal: str) -> pa.Array | None:
    """Returns texts as values of the first kind that all of them have."""
    texts = cells.without_words(texts) if type_ == "bool" else texts
    found = (cells.as_kind(texts, kind, decimal) for kind in _KINDS[type_])
    values = next((values for values in found if values is not None), None)
    return None if values is None else finished(values)


def _cast(values: pa.Array, type_: ColumnType) -> pa.Array | None:
    """Returns values as another type; booleans and the integers 0 and 1 stand for each other."""
    try:
        if type_ != "double" and not pa.types.is_boolean(values.type):
            values = pc.cast(values, pa.int64())
            if type_ == "bool" and not pc.all(pc.is_in(values, pa.array([0, 1, None]))).as_py():
                return None
        return pc.cast(values, TYPES[type_], safe=type_ != "double")
    except pa.ArrowInvalid:
        return None


def _input(array: pa.Array, column: InputColumn, decimal: str) -> pa.Array | None:
    if column.category is None:
        return values_as(array, column.type, decimal)
    if kind_of(array.type) != "text":
        return None
    array = cells.without_empty(array)
    plain = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
    is_it = pc.equal(pc.cast(plain.dictionary, pa.string()), column.category)
    return pc.take(is_it, plain.indices)


def blocks(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Cuts and joins batches, so that all but the last have so many rows."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while count + len(batch) >= rows:
            cut = rows - count
            yield _one([*held, batch.slice(0, cut)])
            held, count, batch = [], 0, batch.slice(cut)
        if len(batch):
            held.append(batch)
            count += len(batch)
    if held:
        yield _one(held)


def _one(parts: list[pa.RecordBatch]) -> pa.RecordBatch:
    return parts[0] if len(parts) == 1 else pa.concat_batches(parts)


def changed(source: str, found: str) -> TableError:
    """Returns the error for a file that isn't what was read before."""
    return TableError(source, [f"file: it has changed while it was read: {found}; run again once it is written"])
