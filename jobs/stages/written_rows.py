"""Writes rows to a local Parquet or CSV file: to a temporary name beside it, which replaces it once it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pyarrow import types

from sumsquares.datasets.tables.shown import path_shown, show
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.storage.store import StorageError

PARQUET, CSV = (".parquet", ".pq", ".parq"), (".csv",)
Write = Callable[[pa.RecordBatch], None]


def check_output(path: Path, inputs: Sequence[str]) -> None:
    """Raises a UsageError if rows can't be written there: another kind of file, no folder, or one of the inputs."""
    shown = f"--output {path_shown(str(path))}"
    if ":/" in str(path):
        raise UsageError(f"{shown} is an address; write a local file, and copy it there")
    if path.suffix.lower() not in (*PARQUET, *CSV):
        raise UsageError(f"{shown} is neither Parquet nor CSV; write a name that ends in .parquet or .csv")
    if not path.parent.is_dir():
        raise UsageError(f"{shown}: there is no folder {path_shown(str(path.parent))}; make it first")
    if path.exists() and not path.is_file():
        raise UsageError(f"{shown} is there and no plain file; write another name")
    if any(os.path.realpath(each) == os.path.realpath(path) for each in inputs):
        raise UsageError(f"{shown} is the input, which is never written over; write another name")


@contextmanager
def writing(path: Path, schema: pa.Schema, separator: str, decimal: str) -> Iterator[Write]:
    """Yields a function that writes batches of that schema. What is there is replaced at the end, or else stays.

    Raises:
        UsageError: CSV can't have these columns.
        StorageError: the file can't be written.

    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    is_csv = path.suffix.lower() in CSV
    if is_csv:
        _check_csv(path, schema)
    try:
        with _told(path):
            file = temporary.open("xb")
        with file:
            writer: Any = _Csv(file, schema, separator, decimal) if is_csv else pq.ParquetWriter(file, schema)

            def write(batch: pa.RecordBatch) -> None:
                with _told(path):
                    writer.write_batch(batch)

            try:
                yield write
            finally:
                with _told(path):
                    writer.close()
            with _told(path):
                file.flush()
                os.fsync(file.fileno())
        with _told(path):
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def _check_csv(path: Path, schema: pa.Schema) -> None:
    for field in schema:
        if types.is_nested(field.type) or types.is_binary(field.type) or types.is_large_binary(field.type):
            raise UsageError(
                f"--output {path_shown(str(path))}: column {show(field.name)} has lists, records or bytes, which CSV "
                "can't hold; write a name that ends in .parquet"
            )


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Translates errors of the file."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "write to another place"
        raise StorageError(f"--output {path_shown(str(path))} can't be written: {reason}; {remedy}") from error


class _Csv:
    """A CSV file; cells are quoted in those batches alone that need it."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, separator: str, decimal: str) -> None:
        self._file, self._separator, self._decimal = file, separator, decimal
        self._write([pa.array([name]) for name in schema.names], schema.names)

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Writes rows."""
        self._write([self._cells(column) for column in batch.columns], batch.schema.names)

    def close(self) -> None:
        """Has nothing left to write."""

    def _cells(self, column: pa.Array) -> pa.Array:
        if types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if self._decimal != "." and types.is_floating(column.type):
            return pc.replace_substring(pc.cast(column, pa.string()), ".", self._decimal)
        return column

    def _write(self, columns: list[pa.Array], names: list[str]) -> None:
        special = ('"', "\r", "\n", self._separator)
        texts = [each for each in columns if types.is_string(each.type) or types.is_large_string(each.type)]
        quoted = any(pc.any(pc.match_substring(text, mark)).as_py() for text in texts for mark in special)
        options = pa_csv.WriteOptions(
            include_header=False, delimiter=self._separator, quoting_style="needed" if quoted else "none"
        )
        pa_csv.write_csv(pa.table(columns, names), self._file, options)
