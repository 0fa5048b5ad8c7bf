"""The rows of a table that was resolved, as batches of the columns that the store keeps."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import TableDataset

_TYPES = {"double": pa.float64(), "int64": pa.int64(), "bool": pa.bool_()}


def stored_schema(table: TableDataset) -> pa.Schema:
    """Returns the stored columns: the inputs, the target, then the columns that name the test rows.

    Only inputs are nullable, and they only with `missing` = "mean".
    """
    nullable = table.missing == "mean"
    inputs = [pa.field(each.name, _TYPES[each.type], nullable) for each in table.input_columns]
    held_out = [pa.field(name, pa.bool_(), nullable=False) for name in table.held_out_columns]
    return pa.schema([*inputs, pa.field(table.target, _TYPES[table.target_type], nullable=False), *held_out])


def batches(table: TableDataset, keys: TableKeys, folder: str) -> Iterator[pa.RecordBatch]:
    """Reads the file again and yields the used rows in their order, with the columns of `stored_schema`.

    A file may have changed since it was resolved: the caller compares `ContentDigest` with `table.content`.

    Raises:
        TableError, TableMissing, DamagedTable, TableUnreachable: as `resolve` does.

    """
    raise NotImplementedError
