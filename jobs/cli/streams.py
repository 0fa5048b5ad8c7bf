"""Handles broken pipes and closed stdout/stderr. What is printed is decided elsewhere.

A reader that leaves (`| head -1`) or a closed stream (`>&-`) is not an error: the command continues, its exit code
stays the same, and its output is dropped. Output that stderr can't take is dropped too, since there is nowhere else to
report it. Any other failure of stdout is an error, such as a full disk. Characters that the encoding lacks are escaped.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from sumsquares.jobs import exits

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDOUT, STDERR = 1, 2  # file descriptors
SIZES = ("COLUMNS", "LINES")
_SIZE = re.compile(r"[2-9][0-9]|[1-9][0-9]{2,3}")
"""From 20 to 9,999: narrower output can't be read, and other values are ignored."""
_WRITABLE = "sumsquares.writable"


class OutputError(RuntimeError):
    """stdout can't be written."""

    exit_code = exits.STORAGE


class _Stream(io.FileIO):
    """A standard stream that raises at most once; after a failure it drops what is written."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self._lost = False

    def write(self, data: ReadableBuffer) -> int:
        """Writes the data, or drops it if an earlier write has failed."""
        try:
            return len(memoryview(data)) if self._lost else super().write(data)
        except OSError as error:
            self._lost = True
            if self.fileno() == STDOUT and not isinstance(error, BrokenPipeError):
                remedy = "finished work is kept, run again with stdout elsewhere"
                raise OutputError(f"cannot write to stdout: {error.strerror}; {remedy}") from error
            return len(memoryview(data))


@contextmanager
def guarded() -> Iterator[None]:
    """Replaces sys.stdout and sys.stderr by such streams, and removes implausible COLUMNS and LINES."""
    for name in SIZES:
        if not _SIZE.fullmatch(os.environ.get(name, "80")):
            del os.environ[name]
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass  # otherwise the next file that is opened would get the number of a closed stream, and be printed into
    os.close(number)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _text(STDOUT, sys.stdout), _text(STDERR, sys.stderr)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before


def _text(number: int, like: TextIO | None) -> TextIO:
    """A text stream with the encoding of `like`, which is None if the stream was closed."""
    raw = _Stream(number)
    encoding = like.encoding if like else "utf-8"
    is_line = number == STDERR or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, _WRITABLE, line_buffering=is_line)


def _writable(error: UnicodeError) -> tuple[bytes, int]:
    """The codec error handler: surrogate escapes become their original bytes, other characters an escape sequence."""
    assert isinstance(error, UnicodeEncodeError)
    left = error.object[error.start : error.end]
    made = (
        bytes([ord(each) - 0xDC00]) if "\udc80" <= each <= "\udcff" else ascii(each)[1:-1].encode() for each in left
    )
    return b"".join(made), error.end


codecs.register_error(_WRITABLE, _writable)
