"""The rows of a CSV file as batches of text, every cell as it is written. Their types are found by cells.py.

pyarrow infers types from a first block, and fails where a later one differs: so it infers nothing here.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from sumsquares.datasets.tables.csv_text import CheckedText
from sumsquares.datasets.tables.errors import MAX_PROBLEMS, DamagedTable, TableError
from sumsquares.datasets.tables.files import TableFile
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.kinds import Kind
from sumsquares.datasets.tables.shown import plural, show

BLOCK = 16 << 20
"""Bytes of text in a batch, and so the longest row."""
_LONGEST_HEADER = 4 << 20
_NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*")
_OTHERS = {";": ";", "\t": "\\t", "|": "|", ",": ","}
"""Separators that are tried if the header has one column, as TOML has them."""


class CsvTable:
    """One CSV file: its header, and its rows."""

    def __init__(self, file: TableFile, keys: TableKeys, source: str, prefix: str) -> None:
        self._file, self._keys, self._source, self.prefix = file, keys, source, prefix
        self._names: list[str] = []

    def columns(self) -> list[tuple[str, Kind | None]]:
        """Returns the names in the header, without white space around them; kinds are found later.

        Raises TableError for an empty file, a header without names or with another separator.
        """
        with self._text() as text:
            head = io.TextIOWrapper(io.BufferedReader(text), "utf-8", "replace", newline="").read(_LONGEST_HEADER)
        names = next(self._parsed(head, self._keys.separator), [])
        if not any(names):
            raise self._refused("it is empty; write a first line with the names of the columns, and rows below it")
        if problem := self._header_problem(head, names):
            raise self._refused(problem)
        self._names = [name.strip() for name in names]
        return [(name, None) for name in self._names]

    def _parsed(self, head: str, separator: str) -> Iterator[list[str]]:
        try:
            yield from csv.reader(io.StringIO(head, newline=""), delimiter=separator)
        except csv.Error as error:
            raise self._refused(f"its first line is not CSV ({error}); write the names of the columns there") from None

    def _header_problem(self, head: str, names: list[str]) -> str | None:
        if len(head) >= _LONGEST_HEADER and len(",".join(names)) >= _LONGEST_HEADER // 2:
            return (
                f"its first line has more than {_LONGEST_HEADER // 2:,} characters; is a quote or a line end missing?"
            )
        others = {each: [*self._parsed(head.partition("\n")[0], each)][:1] for each in _OTHERS if len(names) == 1}
        best = max(others, key=lambda each: len(others[each][0]) if others[each] else 0, default=",")
        if len(names) == 1 and others[best] and len(others[best][0]) > 1:
            decimal = ' and decimal = ","' if best == ";" and re.search(r";\s*-?\d+,\d+", head) else ""
            found = f"its first line has no {show(self._keys.separator)} but {show(best)}"
            return f'{found}; write separator = "{_OTHERS[best]}"{decimal}'
        if all(_NUMBER.fullmatch(name) for name in names):
            shown = ", ".join(show(name) for name in names[:3])
            return f"it has no header: its first line has numbers ({shown}); write the names of the columns above it"
        return None

    def rows(self, names: list[str], wanted: Collection[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yields batches of text with the number of their first row; columns are called by their position in `names`.

        The last column is always among them.

        Raises TableError for rows with more or fewer cells than the header, an open quote, a row beyond BLOCK.
        """
        ragged: list[pa_csv.InvalidRow] = []

        def note(row: pa_csv.InvalidRow) -> str:
            ragged.append(row)
            return "error" if len(ragged) > MAX_PROBLEMS else "skip"

        called = _called(names, self._names or [name for name, _ in self.columns()])
        chosen = [*dict.fromkeys([*(str(position) for position in sorted(wanted)), called[-1]])]
        first = 0
        with self._text() as text, self._translated(ragged):
            reader = self._reader(text, called, chosen, note)
            for batch in reader:
                self._refuse_ragged(ragged)
                self._refuse_open(text, batch, first, called[-1])
                yield first, batch
                first += len(batch)
        self._refuse_ragged(ragged)

    def _reader(
        self, text: CheckedText, called: list[str], chosen: list[str], note: object
    ) -> pa_csv.CSVStreamingReader:
        return pa_csv.open_csv(
            pa.PythonFile(text, mode="r"),
            pa_csv.ReadOptions(use_threads=False, block_size=BLOCK, column_names=called, skip_rows_after_names=1),
            pa_csv.ParseOptions(delimiter=self._keys.separator, newlines_in_values=True, invalid_row_handler=note),
            pa_csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(chosen, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                include_columns=chosen,
            ),
        )

    @contextmanager
    def _text(self) -> Iterator[CheckedText]:
        with self._file.opened() as raw, _decompressed(raw, self._file.stamp.path) as plain, self._translated([]):
            yield CheckedText(plain, self._keys.encoding, self._source, self.prefix)

    @contextmanager
    def _translated(self, ragged: list[pa_csv.InvalidRow]) -> Iterator[None]:
        try:
            yield
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            remedy = "copy it again from where it came from"
            raise DamagedTable(
                f"{self._source}: {self.prefix}it is no whole compressed file ({error}); {remedy}"
            ) from error
        except pa.ArrowInvalid as error:
            self._refuse_ragged(ragged)
            text = str(error)
            if "straddling" in text:
                text = f"a row of more than {BLOCK >> 20} MiB; is a quote not closed, or a line end missing?"
            elif "Empty CSV" in text:
                text = "it has a header and no rows; write at least two rows"
            raise self._refused(text) from None

    def _refuse_ragged(self, ragged: list[pa_csv.InvalidRow]) -> None:
        if not ragged:
            return
        problems = []
        for row in ragged:
            place = "a row" if row.number is None else f"row {row.number - 1:,}"
            cells = f"{plural(row.actual_columns, 'cell')} instead of {row.expected_columns}"
            problems.append(
                f"{self.prefix}{place} has {cells}: {show(row.text)}; write one for each column, in quotes "
                f"if it has the separator {show(self._keys.separator)} in it"
            )
        raise TableError(self._source, problems)

    def _refuse_open(self, text: CheckedText, batch: pa.RecordBatch, first: int, called: str) -> None:
        """Refuses a quote that is never closed: pyarrow would take the rest of the file for one cell."""
        last = batch.column(called)[-1].as_py() if len(batch) else None
        if text.quotes % 2 and text.is_over and last and last.endswith(("\n", "\r")):
            found = f"row {first + len(batch):,} has a quote that is not closed: {show(last)}"
            raise self._refused(f'{found}; close it, or write "" for a quote in a quoted cell')

    def _refused(self, problem: str) -> TableError:
        return TableError(self._source, [f"{self.prefix}{problem}"])


def _called(names: list[str], own: list[str]) -> list[str]:
    """Returns the position in `names` of each of a file's own columns, which may have another order."""
    if own == names:
        return [str(position) for position in range(len(names))]
    return [str(names.index(name)) if name in names else f"other {position}" for position, name in enumerate(own)]


@contextmanager
def _decompressed(raw: IO[bytes], path: str) -> Iterator[IO[bytes]]:
    """Yields the content, decompressed if the name says so."""
    lower = path.lower()
    opened: dict[str, Callable[[], Any]] = {
        ".gz": lambda: gzip.open(raw),
        ".bz2": lambda: bz2.open(raw),
        ".zst": lambda: pa.CompressedInputStream(raw, "zstd"),
    }
    make = next((opened[suffix] for suffix in opened if lower.endswith(suffix)), lambda: nullcontext(raw))
    with make() as plain:
        yield plain
