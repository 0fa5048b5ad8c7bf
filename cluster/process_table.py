"""The processes of this machine, as /proc lists them; none where there is no /proc. No Ray here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Entry(NamedTuple):
    """One process that has not ended."""

    pid: int
    name: str
    """Of its program, the first 15 characters."""
    parent: int
    session: int
    """Process id of the session's leader."""


def processes() -> Iterator[Entry]:
    """All processes but those that have ended and wait for their parents."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            head, _, tail = path.read_text().rpartition(")")
            state, parent, _, session = tail.split()[:4]
            if state not in "ZX":
                yield Entry(int(path.parent.name), head.partition("(")[2], int(parent), int(session))
