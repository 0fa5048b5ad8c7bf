"""The rows of a Parquet file as batches of bounded size. What their columns are used for isn't known here."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from sumsquares.datasets.tables.errors import DamagedTable
from sumsquares.datasets.tables.files import TableFile
from sumsquares.datasets.tables.kinds import Kind, kind_of
from sumsquares.datasets.tables.shown import path_shown

_BATCH_BYTES = 32 << 20
_BUFFER_BYTES = 1 << 17  # of each column, of which there may be 1,024 and more
_MOST_ROWS = 1 << 18


class ParquetTable:
    """One Parquet file: its columns, and its rows."""

    def __init__(self, file: TableFile, source: str, prefix: str) -> None:
        self._file, self._source, self.prefix = file, source, prefix
        self._texts: list[str] = []

    def columns(self) -> list[tuple[str, Kind | None]]:
        """Returns names and kinds of the columns.

        Raises DamagedTable if it can't be read as Parquet.
        """
        with self._opened([]) as file:
            found: list[tuple[str, Kind | None]] = [(each.name, kind_of(each.type)) for each in file.schema_arrow]
        self._texts = [name for name, kind in found if kind == "text"]
        return found

    def rows(self, names: list[str], wanted: Collection[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yields batches with the number of their first row; columns are called by their position."""
        chosen = [names[position] for position in sorted(wanted)]
        first = 0
        with self._opened([name for name in chosen if name in self._texts]) as file:
            for batch in file.iter_batches(_batch_rows(file, len(chosen)), columns=chosen, use_threads=True):
                columns = [batch.column(name) for name in chosen]
                for column in columns:
                    column.validate(full=True)  # that texts are UTF-8, and that indices are within their dictionary
                yield first, pa.RecordBatch.from_arrays(columns, [str(position) for position in sorted(wanted)])
                first += len(batch)

    @contextmanager
    def _opened(self, texts: list[str]) -> Iterator[pq.ParquetFile]:
        try:
            with self._file.opened() as raw:
                options = {"buffer_size": _BUFFER_BYTES, "pre_buffer": False}
                yield pq.ParquetFile(pa.PythonFile(raw, mode="r"), read_dictionary=texts, **options)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            if isinstance(error, MemoryError):
                raise
            text = path_shown(str(error).partition("\n")[0])
            remedy = "write it again, or copy it again from where it came from"
            raise DamagedTable(
                f"{self._source}: {self.prefix}it can't be read as Parquet ({text}); {remedy}"
            ) from error


def _batch_rows(file: pq.ParquetFile, columns: int) -> int:
    """Returns how many rows take _BATCH_BYTES by what the footer says of them; a row of long texts may take more."""
    groups = (file.metadata.row_group(index) for index in range(file.metadata.num_row_groups))
    widest = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=0)
    return max(1, min(_MOST_ROWS, _BATCH_BYTES // max(8 * columns, widest)))
