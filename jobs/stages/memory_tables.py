"""Tables that are in memory, in place of files: rows that a Python program has, for one run after another.

They are what the program says they are. So nothing is refused that a person would have to be told of a file: columns
that are constant, or that give the target away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa

from sumsquares.datasets.tables.errors import TableError
from sumsquares.datasets.tables.keys import DEFAULT_TEST, TableKeys
from sumsquares.datasets.tables.measure import Measured
from sumsquares.datasets.tables.roles import Drawing
from sumsquares.datasets.tables.splits import splits_of
from sumsquares.datasets.tables.stored import StoredColumns, blocks
from sumsquares.datasets.tables.table import InputColumn, TableDataset
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store


class MemoryTable(TableReader):
    """One table, whatever the file is called; nothing is remembered of it but what its runs store."""

    def __init__(self, store: Store, rows: pa.Table) -> None:
        """`rows` are inputs in float64 and, last, the target in float64 or int64; no value is null, NaN or infinite."""
        super().__init__(store)
        *names, target = rows.column_names
        inputs = tuple(InputColumn(name=name, column=name, type="double") for name in names)
        self._target_type: Literal["double", "int64"] = (
            "int64" if pa.types.is_int64(rows.schema.types[-1]) else "double"
        )
        self._columns = StoredColumns(inputs, target, self._target_type, (), None)
        self._rows = rows.cast(self._columns.schema)

    @property
    def target(self) -> str:
        """Name of the target's column."""
        return self._columns.target

    @property
    def inputs(self) -> int:
        """Input columns of a row."""
        return len(self._columns.inputs)

    def resolve(self, keys: TableKeys, folder: str) -> TableDataset:  # noqa: ARG002  a file would be in it
        """Returns the table with its rows held out as the keys say.

        Raises:
            TableError: there are too few rows for that.

        """
        test = DEFAULT_TEST if keys.test is None and keys.folds is None else keys.test
        drawing = Drawing(keys.seed, len(self._rows), test, keys.folds, keys.validation)
        measured = Measured(self._columns, drawing, frozenset())
        measured.add_all(self._blocks())
        split_rows, problems = splits_of(drawing, measured, self._rows.column_names)
        if problems:
            raise TableError(keys.file, problems)
        return TableDataset(
            name=keys.name,
            file=keys.file,
            content=measured.digest.hexdigest(),
            rows=len(self._rows),
            target=self._columns.target,
            target_type=self._target_type,
            has_integer_target=measured.is_integer,
            input_columns=self._columns.inputs,
            test=test,
            folds=keys.folds,
            validation=keys.validation,
            seed=keys.seed,
            split_rows=split_rows,
        )

    def batches(self, table: TableDataset) -> Iterator[pa.RecordBatch]:  # noqa: ARG002  there is only one
        """Yields the rows."""
        yield from self._blocks()

    def check(self, table: TableDataset) -> None:
        """Nothing to check: the rows are there."""

    def _blocks(self) -> Iterator[pa.RecordBatch]:
        return blocks(self._rows.to_batches(), self._columns.block_rows)
