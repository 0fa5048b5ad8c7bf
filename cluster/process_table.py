"""The running processes of this machine, read from /proc; none on systems without it. No Ray here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One running process."""

    pid: int
    name: str
    """The first 15 characters of its program's name."""
    parent: int
    session: int
    """Process id of the session's leader."""


def processes() -> Iterator[Entry]:
    """Yields all processes except zombies."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended in the meantime
            head, _, tail = path.read_text().rpartition(")")
            state, parent, _, session = tail.split()[:4]
            if state not in "ZX":
                yield Entry(int(path.parent.name), head.partition("(")[2], int(parent), int(session))
