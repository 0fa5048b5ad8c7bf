"""The text of a CSV file as UTF-8 for pyarrow's parser, checked as it passes. It knows nothing of columns."""

from __future__ import annotations

import codecs
import io
from typing import Any, Protocol

from sumsquares.datasets.tables.errors import TableError
from sumsquares.datasets.tables.shown import listing, show

BOMS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
MAGIC = {
    b"PAR1": ("a Parquet file", "name it *.parquet"),
    b"PK\x03\x04": ("a ZIP archive, such as an Excel workbook", "save the table as CSV or Parquet"),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "save the table as CSV or Parquet"),
    b"\x1f\x8b": ("a file compressed by gzip", "name it *.csv.gz"),
    b"BZh": ("a file compressed by bzip2", "name it *.csv.bz2"),
    b"\x28\xb5\x2f\xfd": ("a file compressed by zstd", "name it *.csv.zst"),
    b"ARROW1": ("an Arrow file", "save the table as CSV or Parquet"),
    b"SQLite format 3": ("an SQLite database", "save the table as CSV or Parquet"),
    b"\x93NUMPY": ("a numpy array", "save the table as CSV or Parquet"),
    b"\x89HDF": ("an HDF5 file", "save the table as CSV or Parquet"),
    b"%PDF": ("a PDF", "save the table as CSV or Parquet"),
}
_LATIN = "latin-1"
_NO_FILES = ("undefined", "idna", "punycode", "unicode-escape", "unicode_escape", "raw-unicode-escape", "utf-7")
"""Encodings of Python that no file has."""
_BLANK = "\r\n"


def encoding_problem(encoding: str) -> str | None:
    """Returns why text can't be read in an encoding."""
    try:
        info = codecs.lookup(encoding)
    except (LookupError, ValueError):
        return (
            f"encoding: {show(encoding)} is unknown; write one of {listing(('utf-8', 'latin-1', 'cp1252', 'utf-16'))}"
        )
    is_text = getattr(info, "_is_text_encoding", True) and info.name not in _NO_FILES
    return None if is_text else f'encoding: {show(encoding)} is no encoding of text; write such as "utf-8"'


class Readable(Protocol):
    """Bytes, plain or decompressed as they are read."""

    def read(self, size: int, /) -> bytes:
        """Returns some of the next bytes, none at the end."""


class CheckedText(io.RawIOBase):
    """A file in any encoding, read as UTF-8: decoded or checked, without a byte order mark and empty first lines.

    Raises TableError from `read`: with the byte that isn't valid, for a NUL, and for what isn't text.
    """

    def __init__(self, raw: Readable, encoding: str, source: str, prefix: str) -> None:
        self._raw, self._encoding, self._source, self._prefix = raw, encoding, source, prefix
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._is_utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")
        self._seen = self._lines = 0
        self.rest = b""
        """What was read and is no whole row yet."""
        self._tail, self._out, self._last = b"", b"", b"\n"
        self._has_begun = self.is_over = False

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Returns at most so many bytes; fewer only at the end."""
        while not self.is_over and (size < 0 or len(self._out) < size):
            self._out += self._more(max(size, 1 << 16))
        taken, self._out = (self._out, b"") if size < 0 else (self._out[:size], self._out[size:])
        return taken

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer; see `read`."""
        taken = self.read(len(buffer))
        buffer[: len(taken)] = taken
        return len(taken)

    def _more(self, size: int) -> bytes:
        data = self._raw.read(size)
        self.is_over = not data
        if not self._seen:
            self._refuse_other_kinds(data)
        text = self._checked(data)
        self._seen += len(data)
        self._lines += data.count(b"\n")
        if self.is_over and self._last != b"\n":
            text += b"\n"  # pyarrow takes a header without a line end for no row
        self._last = text[-1:] or self._last
        if not self._has_begun:
            text = text.removeprefix(codecs.BOM_UTF8).lstrip(_BLANK.encode())
            self._has_begun = bool(text)
        return text

    def _checked(self, data: bytes) -> bytes:
        """Returns what is complete as UTF-8."""
        if self._is_utf8 and not self._tail and data.isascii():
            text = data
        else:
            try:
                decoded = self._decoder.decode(data, final=self.is_over)
            except UnicodeError as error:
                raise self._undecodable(data, error) from None
            self._tail = self._decoder.getstate()[0]
            text = decoded.encode("utf-8", "surrogatepass")
        if (at := text.find(b"\0")) >= 0:
            raise self._refused(
                f"a NUL character near byte {self._seen + at + 1:,}: it is no text, or in UTF-16; "
                'save it as CSV in UTF-8, or write its encoding, such as encoding = "utf-16"'
            )
        return text

    def _undecodable(self, data: bytes, error: UnicodeError) -> TableError:
        if not isinstance(error, UnicodeDecodeError):
            return self._refused(f"it is not {self._encoding} ({error}); write another encoding")
        at = self._seen - len(self._tail) + error.start
        line = self._lines + data[: max(0, error.start - len(self._tail))].count(b"\n") + 1
        other = "utf-8" if not self._is_utf8 else _LATIN
        found = f"byte {at + 1:,} (line {line:,}) is 0x{error.object[error.start]:02x}, which is not {self._encoding}"
        return self._refused(f'{found}; write the encoding that it has, such as encoding = "{other}"')

    def _refuse_other_kinds(self, data: bytes) -> None:
        for bom, encoding in BOMS.items():
            if data.startswith(bom) and self._is_utf8:
                raise self._refused(f'it begins with the mark of {encoding}; write encoding = "{encoding}"')
        for magic, (kind, remedy) in MAGIC.items():
            if data.startswith(magic):
                raise self._refused(f"its first bytes are those of {kind}; {remedy}")

    def _refused(self, problem: str) -> TableError:
        return TableError(self._source, [f"{self._prefix}{problem}"])
