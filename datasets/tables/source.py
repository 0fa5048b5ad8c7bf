"""The files of a table as one sequence of batches, CSV or Parquet, with the place of each row."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

import pyarrow as pa

from sumsquares.datasets.tables.csv_rows import CsvTable
from sumsquares.datasets.tables.csv_text import encoding_problem
from sumsquares.datasets.tables.errors import TableError
from sumsquares.datasets.tables.files import Stamp, TableFile, find
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.kinds import Kind, joined
from sumsquares.datasets.tables.parquet_rows import ParquetTable
from sumsquares.datasets.tables.shown import Place, listing, path_shown, show


class Raw(NamedTuple):
    """Rows as they are in a file; columns are called by their position."""

    file: str | None
    first: int
    """The number of the first row in its file, counted from 0."""
    batch: pa.RecordBatch

    def place(self, row: int) -> Place:
        """Returns where a row of this batch lies."""
        return Place(self.file, self.first + row + 1)


class Source:
    """A table's files, opened anew by every call."""

    def __init__(self, keys: TableKeys, folder: str) -> None:
        self.keys = keys
        self.shown = f"dataset {show(keys.name)} ({path_shown(keys.file)})"
        self.files = find(keys.file, folder, self.shown)
        self._tables = [self._table(file) for file in self.files]

    def _table(self, file: TableFile) -> CsvTable | ParquetTable:
        prefix = "" if len(self.files) == 1 else f"{file.name}: "
        return (
            ParquetTable(file, self.shown, prefix) if file.is_parquet else CsvTable(file, self.keys, self.shown, prefix)
        )

    def columns(self) -> list[tuple[str, Kind | None]]:
        """Returns names and kinds of the columns; the kinds of CSV are found later.

        Raises TableError if files have other columns than the first one, or the keys for CSV contradict each other.
        """
        if not self.files[0].is_parquet and (problems := [*_csv_problems(self.keys)]):
            raise TableError(self.shown, problems)
        first, *others = [table.columns() for table in self._tables]
        problems = [
            f"{table.prefix}{problem}"
            for table, columns in zip(self._tables[1:], others, strict=True)
            if (problem := _difference(first, columns, self.files[0].name))
        ]
        if problems:
            raise TableError(self.shown, problems)
        kinds = [dict(columns) for columns in others]
        return [(name, _joined(kind, [each[name] for each in kinds])) for name, kind in first]

    def stamps(self) -> tuple[Stamp, ...]:
        """Returns what tells whether the files have changed since this was made."""
        return tuple(file.stamp for file in self.files)

    def rows(self, names: list[str], wanted: Collection[int]) -> Iterator[Raw]:
        """Yields all rows, of the columns that are wanted, by position in `names`; others may be among them."""
        for file, table in zip(self.files, self._tables, strict=True):
            for first, batch in table.rows(names, wanted):
                yield Raw(None if len(self.files) == 1 else file.name, first, batch)


def _joined(kind: Kind | None, others: list[Kind | None]) -> Kind | None:
    for other in others:
        kind = joined(kind, other) if kind and other else None
    return kind


def _difference(first: list[tuple[str, Kind | None]], found: list[tuple[str, Kind | None]], name: str) -> str | None:
    expected, names = [each for each, _ in first], [each for each, _ in found]
    if sorted(expected) == sorted(names):
        return None
    known, own = {*expected}, {*names}
    lacking, more = [each for each in expected if each not in own], [each for each in names if each not in known]
    said = [f"it has no {_columns(lacking)}"] if lacking else []
    said += [f"it has the {_columns(more)}, which {name} has not"] if more else []
    all_said = " and ".join(said) or f"its columns are not those of {name}"
    return f"{all_said}; all files of a table have the same columns: correct it, or write a glob that leaves it out"


def _columns(names: list[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {listing(names)}"


def _csv_problems(keys: TableKeys) -> Iterator[str]:
    if problem := encoding_problem(keys.encoding):
        yield problem
    if keys.separator == keys.decimal:
        yield f'decimal: {show(keys.decimal)} is the separator as well; write separator = ";" or another decimal'
    for key, value in (("separator", keys.separator), ("decimal", keys.decimal)):
        if not value.isascii() or not (value.isprintable() or value == "\t") or value.isalnum() or value in "\"+-' ":
            is_blank = key == "separator" and value == " "
            if not is_blank:
                yield f'{key}: {show(value)} is no {key}; write such as "," or ";"'
