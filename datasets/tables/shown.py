"""How messages show what was found in a file: short, escaped, with its place."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

_LONGEST = 60  # characters of a cell or a name


class Place(NamedTuple):
    """A data row of a file, counted from 1 without the header."""

    file: str | None
    """None if the table has one file."""
    row: int

    def __str__(self) -> str:
        return f"row {self.row:,}" + (f" of {self.file}" if self.file else "")


def show(text: str) -> str:
    """Returns a cell or a name in quotes, shortened, in ASCII where it has characters that don't print."""
    cut = text if len(text) <= _LONGEST else text[:20] + "..."
    rest = "" if len(text) <= _LONGEST else f" ({len(text):,} characters)"
    return json.dumps(cut, ensure_ascii=not cut.isprintable()).replace("\x7f", "\\u007f") + rest


def column(name: str) -> str:
    """Opens a problem of one column."""
    return f"column {show(name)}"


def listing(names: Sequence[str], most: int = 20) -> str:
    """Lists names in quotes, at most 20 of them."""
    rest = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(show(name) for name in islice(names, most)) + rest


def similar(name: str, known: Iterable[str]) -> str:
    """Returns `did you mean "price"? ` if a known name is similar, else ""."""
    known = [*islice(known, 200)]
    same = [each for each in known if each.casefold().strip() == name.casefold().strip()]
    near = same or (difflib.get_close_matches(name, known, n=1) if len(name) <= _LONGEST else [])
    return f"did you mean {show(near[0])}? " if near else ""


def path_shown(path: str) -> str:
    """Returns a path as a message shows it: without control characters, shortened if it is very long."""
    path = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    path = path if path.isprintable() else ascii(path)[1:-1]
    return path if len(path) <= 300 else f"{path[:300]}... ({len(path):,} characters)"


def plural(count: int, noun: str) -> str:
    """Returns `1 row`, `1,234 rows`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
