"""The standard streams of a command, for when they can't be written. What is printed is decided elsewhere.

A reader that leaves (`| head -1`) and a stream that is closed (`>&-`) are no errors of the command: it goes on, ends
with the exit code it would have, and what nobody reads is dropped. So is what stderr can't take, since there is no
other place to tell it. A stdout that fails otherwise, such as a file on a full disk, is an error. No character is one,
whatever the locale's encoding.
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
"""From 20 to 9,999: what is narrower can't be read, and what is no number says nothing."""
_WRITABLE = "sumsquares.writable"


class OutputError(RuntimeError):
    """stdout can't be written."""

    exit_code = exits.STORAGE


class _Stream(io.FileIO):
    """A standard stream that fails once, or never."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self._lost = False

    def write(self, data: ReadableBuffer) -> int:
        """Writes, or drops what was written once it has failed."""
        try:
            return len(memoryview(data)) if self._lost else super().write(data)
        except OSError as error:
            self._lost = True
            if self.fileno() == STDOUT and not isinstance(error, BrokenPipeError):
                remedy = "what was finished is kept, run again with another place for it"
                raise OutputError(f"cannot write to stdout: {error.strerror}; {remedy}") from error
            return len(memoryview(data))


@contextmanager
def guarded() -> Iterator[None]:
    """Puts such streams in place of sys.stdout and sys.stderr, which are as wide as can be believed."""
    for name in SIZES:
        if not _SIZE.fullmatch(os.environ.get(name, "80")):
            del os.environ[name]
    while (number := os.open(os.devnull, os.O_RDWR)) <= STDERR:
        pass  # else the next file that is opened would take the place of a closed one, and be printed into
    os.close(number)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _text(STDOUT, sys.stdout), _text(STDERR, sys.stderr)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout, sys.stderr = before


def _text(number: int, like: TextIO | None) -> TextIO:
    """A text stream with the encoding of another one, which is None if it was closed."""
    raw = _Stream(number)
    encoding = like.encoding if like else "utf-8"
    is_line = number == STDERR or raw.isatty()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, _WRITABLE, line_buffering=is_line)


def _writable(error: UnicodeError) -> tuple[bytes, int]:
    """What is written for characters that an encoding hasn't got: the bytes that came in, escapes of others."""
    assert isinstance(error, UnicodeEncodeError)
    left = error.object[error.start : error.end]
    made = (
        bytes([ord(each) - 0xDC00]) if "\udc80" <= each <= "\udcff" else ascii(each)[1:-1].encode() for each in left
    )
    return b"".join(made), error.end


codecs.register_error(_WRITABLE, _writable)
