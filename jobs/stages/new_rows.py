"""Rows of a table that nobody has seen, batch by batch with all their columns: what `predict --input` reads.

A CSV's cells stay the text that they are, so that they can be written again as they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq

from sumsquares.datasets.tables.csv_rows import CsvTable
from sumsquares.datasets.tables.errors import DamagedTable, TableError
from sumsquares.datasets.tables.files import TableFile, find
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.shown import Place, path_shown, show

_BATCH_BYTES = 32 << 20
_MOST_ROWS = 1 << 16
Batch = tuple[pa.RecordBatch, Callable[[int], str]]
"""Rows, and a function that says where one lies, by its position in them."""


class NewRows:
    """The rows of a file, or of several with the same columns.

    Raises:
        TableError, TableMissing, DamagedTable, TableUnreachable: as `resolve` of a table does.

    """

    def __init__(self, file: str, csv: Mapping[str, str]) -> None:
        self.shown = path_shown(file)
        self._files = find(file, ".", self.shown)
        self._keys = TableKeys.model_validate({"name": "new", "file": file, "target": "none", **csv})
        self.is_csv = not self._files[0].is_parquet
        self.separator, self.decimal = (
            (csv.get("separator", ","), csv.get("decimal", ".")) if self.is_csv else (",", ".")
        )
        self.paths = [each.stamp.path for each in self._files]
        self.schema = self._schema(self._files[0])
        self._check_columns()

    def __iter__(self) -> Iterator[Batch]:
        for file in self._files:
            name, first = file.name if len(self._files) > 1 else None, 0
            for batch in self._batches(file):
                yield batch, partial(_place, name, first)
                first += len(batch)

    def _schema(self, file: TableFile) -> pa.Schema:
        if self.is_csv:
            return pa.schema([pa.field(name, pa.string()) for name, _ in self._csv(file).columns()])
        with self._parquet(file) as opened:
            return opened.schema_arrow

    def _check_columns(self) -> None:
        if twice := [name for name, count in Counter(self.schema.names).items() if count > 1]:
            raise TableError(
                self.shown, [f"{show(name)} is the name of several columns; rename them" for name in twice]
            )
        for file in self._files[1:]:
            if not self._schema(file).equals(self.schema):
                problem = f"{file.name}: its columns or their types are not those of {self._files[0].name}"
                raise TableError(self.shown, [f"{problem}; predict for one of them at a time"])

    def _batches(self, file: TableFile) -> Iterator[pa.RecordBatch]:
        if self.is_csv:
            positions = range(len(self.schema))
            for _, batch in self._csv(file).rows(self.schema.names, positions):
                columns = [batch.column(str(position)) for position in positions]
                yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
            return
        with self._parquet(file) as opened:
            rows = max(1, min(_MOST_ROWS, _BATCH_BYTES // (8 * max(1, len(self.schema)))))
            yield from opened.iter_batches(rows)

    def _csv(self, file: TableFile) -> CsvTable:
        prefix = f"{file.name}: " if len(self._files) > 1 else ""
        return CsvTable(file, self._keys, self.shown, prefix)

    @contextmanager
    def _parquet(self, file: TableFile) -> Iterator[pq.ParquetFile]:
        try:
            with file.opened() as raw:
                yield pq.ParquetFile(pa.PythonFile(raw, mode="r"), buffer_size=1 << 20, pre_buffer=False)
        except pa.ArrowException as error:
            if isinstance(error, MemoryError):
                raise
            text = path_shown(str(error).partition("\n")[0])
            raise DamagedTable(
                f"{self.shown}: {file.name} can't be read as Parquet ({text}); write it again, or copy it again"
            ) from error


def _place(file: str | None, first: int, row: int) -> str:
    return str(Place(file, first + row + 1))
