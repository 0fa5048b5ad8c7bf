"""Writes columns of bounded integers and of real numbers as a Parquet file: one row group, uncompressed, no statistics.

No nulls and no nesting either. Not a general writer, and no reader: pyarrow reads what it writes. The range of integers
is known before the first row, so nothing is measured on the way, and equal rows give equal bytes with any version of
pyarrow.
Format: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from sumsquares.datasets.columns import Column, Stored
from sumsquares.datasets.pages import deltas_page, indices_page
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.thrift import Item, array, i32, i64, struct, text

_MAGIC = b"PAR1"
_PLAIN, _RLE, _DELTA_BINARY_PACKED, _RLE_DICTIONARY = 0, 3, 5, 8
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2
_REQUIRED, _UNCOMPRESSED = 0, 0
Page = tuple[bytes, bytes | memoryview]
"""Header and body."""

_TYPES = {"int32": 1, "int64": 2, "float64": 5}  # INT32, INT64, DOUBLE


def data_page(column: Column, stored_N: Stored, checksum: int | None = None) -> Page:
    """Encodes one data page; the stored values are those of the column's `source`.

    Real numbers aren't copied, and their CRC-32 may be given.
    """
    levels = {3: i32(_RLE), 4: i32(_RLE)}  # of a required column: none are stored
    header = {1: i32(len(stored_N)), 2: i32(_encoding(column)), **levels}
    return _page(_DATA_PAGE, _body(column, stored_N), 5, header, checksum)


def _encoding(column: Column) -> int:
    return _PLAIN if column.is_real else _DELTA_BINARY_PACKED if column.dictionary is None else _RLE_DICTIONARY


def _body(column: Column, stored_N: Stored) -> bytes | memoryview:
    if column.is_real:
        return stored_N.data
    if column.dictionary is None:
        return deltas_page(stored_N, column.low, column.high)
    return indices_page(stored_N, len(column.dictionary))


def _dictionary_page(dictionary: Numbers) -> Page:
    little_endian = dictionary.astype(dictionary.dtype.newbyteorder("<"), copy=False)
    return _page(_DICTIONARY_PAGE, little_endian.tobytes(), 7, {1: i32(len(dictionary)), 2: i32(_PLAIN)})


def _page(
    kind: int, body: bytes | memoryview, number: int, header: dict[int, Item], checksum: int | None = None
) -> Page:
    checksum = zlib.crc32(body) if checksum is None else checksum
    signed = checksum - 2**32 if checksum >= 2**31 else checksum
    size = i32(memoryview(body).nbytes)
    return struct({1: i32(kind), 2: size, 3: size, 4: i32(signed), number: struct(header)})[1], body


def _size(page: Page) -> int:
    return sum(memoryview(part).nbytes for part in page)


def parquet_file(
    columns: Sequence[Column], pages: Sequence[Sequence[Page]], rows: int, metadata: Mapping[str, str]
) -> bytes:
    """Assembles the whole file.

    Args:
        columns: the columns in order.
        pages: for each column its `data_page`s in order.
        rows: rows of the file, the sum over the pages of a column.
        metadata: key-value metadata, at least one pair.

    """
    parts: list[bytes | memoryview] = [_MAGIC]
    chunks, at = [], len(_MAGIC)
    for column, column_pages in zip(columns, pages, strict=True):
        dictionary = [] if column.dictionary is None else [_dictionary_page(column.dictionary)]
        dictionary_size = sum(map(_size, dictionary))
        size = dictionary_size + sum(map(_size, column_pages))
        chunks.append(_chunk(column, rows, at, dictionary_size, size))
        parts += [part for page in (*dictionary, *column_pages) for part in page]
        at += size
    footer = _footer(columns, chunks, rows, at - len(_MAGIC), metadata)
    return b"".join([*parts, footer, len(footer).to_bytes(4, "little"), _MAGIC])


def _chunk(column: Column, rows: int, at: int, dictionary_size: int, size: int) -> Item:
    encodings = [_PLAIN, _RLE_DICTIONARY] if dictionary_size else [_encoding(column)]
    meta = {
        1: i32(_TYPES[column.dtype.name]),
        2: array([i32(encoding) for encoding in encodings]),
        3: array([text(column.name)]),
        4: i32(_UNCOMPRESSED),
        5: i64(rows),
        6: i64(size),
        7: i64(size),
        9: i64(at + dictionary_size),
    }
    if dictionary_size:
        meta[11] = i64(at)
    return struct({2: i64(0), 3: struct(meta)})


def _footer(
    columns: Sequence[Column], chunks: Sequence[Item], rows: int, size: int, metadata: Mapping[str, str]
) -> bytes:
    root = struct({4: text("schema"), 5: i32(len(columns))})
    leaves = [struct({1: i32(_TYPES[c.dtype.name]), 3: i32(_REQUIRED), 4: text(c.name)}) for c in columns]
    return struct(
        {
            1: i32(1),
            2: array([root, *leaves]),
            3: i64(rows),
            4: array([struct({1: array(chunks), 2: i64(size), 3: i64(rows)})]),
            5: array([struct({1: text(key), 2: text(value)}) for key, value in metadata.items()]),
            6: text("sumsquares"),
        }
    )[1]
