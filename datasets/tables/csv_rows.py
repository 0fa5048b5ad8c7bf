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
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.csv as pa_csv

from sumsquares.datasets.tables.csv_text import CheckedText, Readable
from sumsquares.datasets.tables.errors import MAX_PROBLEMS, DamagedTable, TableError
from sumsquares.datasets.tables.files import TableFile
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.kinds import Kind
from sumsquares.datasets.tables.shown import path_shown, plural, show

BLOCK = 16 << 20
"""Bytes of text in a batch, and so the longest row."""
_LONGEST_HEADER = 4 << 20
_NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*")
_DECIMAL_COMMA = re.compile(r"(^|;)\s*[+-]?\d+,\d+\s*($|;)", re.MULTILINE)
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
            found = f"its first line is no header ({error})"
            raise self._refused(f"{found}; write the names of the columns there; is a line end missing?") from None

    def _header_problem(self, head: str, names: list[str]) -> str | None:
        if len(head) >= _LONGEST_HEADER and len(",".join(names)) >= _LONGEST_HEADER // 2:
            return (
                f"its first line has more than {_LONGEST_HEADER // 2:,} characters; is a quote or a line end missing?"
            )
        others = {each: [*self._parsed(head.partition("\n")[0], each)][:1] for each in _OTHERS if len(names) == 1}
        best = max(others, key=lambda each: len(others[each][0]) if others[each] else 0, default=",")
        if len(names) == 1 and others[best] and len(others[best][0]) > 1:
            decimal = ' and decimal = ","' if best == ";" and _DECIMAL_COMMA.search(head) else ""
            found = f"its first line has no {show(self._keys.separator)} but {show(best)}"
            return f'{found}; write separator = "{_OTHERS[best]}"{decimal}'
        if all(_NUMBER.fullmatch(name) for name in names):
            shown = ", ".join(show(name) for name in names[:3])
            return f"it has no header: its first line has numbers ({shown}); write the names of the columns above it"
        return None

    def rows(self, names: list[str], wanted: Collection[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yields batches of text with the number of their first row; columns are called by their position in `names`.

        Raises TableError for rows with more or fewer cells than the header, an open quote, a row beyond BLOCK.
        """
        called = _called(names, self._names or [name for name, _ in self.columns()])
        chosen = [str(position) for position in sorted(wanted)]
        first, has_header = 0, True
        with self._text() as text:
            for lines in self._lines(text):
                batch = self._parsed_lines(lines, called, chosen, first, has_header)
                if len(batch):
                    yield first, batch
                first, has_header = first + len(batch), False
            if text.rest:
                found = f"row {first + 1:,} has a quote that is not closed: {show(text.rest[:1000].decode())}"
                raise self._refused(f'{found}; close it, or write "" for a quote in a quoted cell')

    def _lines(self, text: CheckedText) -> Iterator[bytes]:
        """Yields whole rows of about BLOCK bytes; what is left in `text.rest` has an open quote."""
        while more := text.read(BLOCK):
            held = text.rest + more
            end = rows_end(held, self._keys.separator)
            if not end and len(held) > BLOCK:
                raise self._refused(
                    f"a row of more than {BLOCK >> 20} MiB; is a quote not closed, or a line end missing?"
                )
            text.rest = held[end:]
            if end:
                yield held[:end]

    def _parsed_lines(
        self, lines: bytes, called: list[str], chosen: list[str], first: int, has_header: bool
    ) -> pa.RecordBatch:
        ragged: list[pa_csv.InvalidRow] = []

        def note(row: pa_csv.InvalidRow) -> str:
            ragged.append(row)
            return "error" if len(ragged) > MAX_PROBLEMS else "skip"

        try:
            table = pa_csv.read_csv(
                pa.BufferReader(lines),
                # With threads, the numbers of ragged rows are not known.
                pa_csv.ReadOptions(
                    use_threads=False, block_size=len(lines) + 1, column_names=called, skip_rows_after_names=has_header
                ),
                pa_csv.ParseOptions(
                    delimiter=self._keys.separator, newlines_in_values=b'"' in lines, invalid_row_handler=note
                ),
                pa_csv.ConvertOptions(
                    check_utf8=False,
                    column_types=dict.fromkeys(chosen, pa.string()),
                    null_values=[""],
                    strings_can_be_null=True,
                    include_columns=chosen,
                ),
            )
        except pa.ArrowInvalid as error:
            self._refuse_ragged(ragged, first - has_header)
            if "Empty CSV" in str(error):
                return pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in chosen})
            raise self._refused(f"it can't be parsed ({show(str(error))}); write it as CSV") from None
        self._refuse_ragged(ragged, first - has_header)
        return table.combine_chunks().to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], table.schema)

    @contextmanager
    def _text(self) -> Iterator[CheckedText]:
        with self._file.opened() as raw, _decompressed(raw, self._file.stamp.path) as plain, self._translated():
            yield CheckedText(plain, self._keys.encoding, self._source, self.prefix)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (gzip.BadGzipFile, EOFError, zlib.error, OSError) as error:
            found = f"it can't be read, or is no whole compressed file ({path_shown(str(error))})"
            remedy = "copy it again from where it came from"
            raise DamagedTable(f"{self._source}: {self.prefix}{found}; {remedy}") from error

    def _refuse_ragged(self, ragged: list[pa_csv.InvalidRow], before: int) -> None:
        """Refuses rows with more or fewer cells than the header; so many rows are before those that are numbered."""
        problems = []
        for row in ragged:
            cells = f"{plural(row.actual_columns, 'cell')} instead of {row.expected_columns}"
            remedy = f"write one for each column, in quotes if it has the separator {show(self._keys.separator)} in it"
            problems.append(f"{self.prefix}row {before + row.number:,} has {cells}: {show(row.text)}; {remedy}")
        if problems:
            raise TableError(self._source, problems)

    def _refused(self, problem: str) -> TableError:
        return TableError(self._source, [f"{self.prefix}{problem}"])


def rows_end(text: bytes, separator: str) -> int:
    """Returns where the last whole row ends in a text that begins with a row: after its line end, 0 if there is none.

    A line end in a quoted cell ends no row. A cell is quoted if its first character is a quote.
    """
    end = max(text.rfind(b"\n"), text.rfind(b"\r", 0, len(text) - 1)) + 1
    if b'"' not in text:
        return end
    quoted = re.compile(rb"(?<![^\n\r" + re.escape(separator.encode()) + rb'])"[^"]*(?:""[^"]*)*("|\Z)')
    spans = [match.span() for match in quoted.finditer(text)]
    for begin, over in reversed(spans):
        if end - 1 >= over:
            break
        if end - 1 >= begin:
            end = max(text.rfind(b"\n", 0, begin), text.rfind(b"\r", 0, begin)) + 1
    return end


def _called(names: list[str], own: list[str]) -> list[str]:
    """Returns the position in `names` of each of a file's own columns, which may have another order."""
    if own == names:
        return [str(position) for position in range(len(names))]
    return [str(names.index(name)) if name in names else f"other {position}" for position, name in enumerate(own)]


@contextmanager
def _decompressed(raw: IO[bytes], path: str) -> Iterator[Readable]:
    """Yields the content, decompressed if the name says so."""
    lower = path.lower()
    with ExitStack() as stack:
        if lower.endswith(".gz"):
            yield stack.enter_context(gzip.GzipFile(fileobj=raw))
        elif lower.endswith(".bz2"):
            yield stack.enter_context(bz2.BZ2File(raw))
        elif lower.endswith(".zst"):
            yield stack.enter_context(pa.CompressedInputStream(raw, "zstd"))
        else:
            yield raw
