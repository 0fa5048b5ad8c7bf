"""The rows of a table that was resolved, as batches of the columns that the store keeps."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.shown import show
from sumsquares.datasets.tables.source import Source
from sumsquares.datasets.tables.stored import StoredColumns, blocks, changed
from sumsquares.datasets.tables.table import TableDataset


def stored_schema(table: TableDataset) -> pa.Schema:
    """Returns the stored columns: the inputs, the target, then the columns that name the test rows.

    Only inputs are nullable, and they only with `missing` = "mean".
    """
    return _columns(table).schema


def batches(table: TableDataset, keys: TableKeys, folder: str) -> Iterator[pa.RecordBatch]:
    """Reads the file again and yields the used rows in their order, with the columns of `stored_schema`.

    All batches but the last have the same number of rows, at most 65,536. A file may have changed since it was
    resolved: the caller compares `ContentDigest` with `table.content`.

    Raises:
        TableError, TableMissing, DamagedTable, TableUnreachable: as `resolve` does.

    """
    source, columns = Source(keys, folder), _columns(table)
    names = [name for name, _ in source.columns()]
    used = [*(each.column for each in table.input_columns), table.target, *table.held_out_columns]
    if lacking := [name for name in used if name not in names]:
        raise changed(source.shown, f"there is no column {show(lacking[0])} any more")
    at = {name: names.index(name) for name in used}
    raws = source.rows(names, {*at.values()})
    yield from blocks(columns.batches(raws, at, keys.decimal, source.shown), columns.block_rows)


def _columns(table: TableDataset) -> StoredColumns:
    return StoredColumns(table.input_columns, table.target, table.target_type, table.held_out_columns, table.missing)
