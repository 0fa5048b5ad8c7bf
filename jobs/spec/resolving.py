"""What the tables of a spec hold: read from their files, or told by the stored spec that they are part of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sumsquares.datasets.tables.errors import TableError, TableMissing
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.spec.errors import SpecError, path_of
from sumsquares.jobs.spec.messages import plain
from sumsquares.jobs.spec.raw import Raw, names
from sumsquares.jobs.spec.tables import mismatch, read_resolved

Read = Callable[[TableKeys], TableDataset]


class Found(NamedTuple):
    """What the tables of a spec hold, by name."""

    tables: Mapping[str, TableDataset]
    gone: tuple[str, ...] = ()
    """Names of those whose file is gone, and of which a copy of a stored spec tells what it held."""


def read_tables(raw: Raw, keys: Mapping[str, TableKeys], below: bytes, source: str, read: Read) -> Found:
    """Reads the tables of a user's spec. Where files are gone, `below` tells what they held if it is a stored copy.

    Raises:
        SpecError: some can't be used as their keys say; it lists all of them.
        DamagedTable, TableUnreachable: a file is damaged, or its storage failed.

    """
    stored = _stored(below, source)
    gone = []

    def find(each: TableKeys) -> TableDataset:
        try:
            return read(each)
        except TableMissing:
            if each.name not in stored or mismatch(each, stored[each.name]):
                raise
            gone.append(each.name)
            return stored[each.name]

    return Found(_each(raw, keys, source, find), tuple(gone))


def told_tables(raw: Raw, keys: Mapping[str, TableKeys], below: bytes, source: str, read: Read) -> Found:
    """Returns what a stored spec says of its tables. Those of which it says nothing are read.

    Raises:
        SpecError: it isn't what its keys ask for.
        DamagedTable, TableUnreachable: a file is damaged, or its storage failed.

    """
    stored = _stored(below, source)

    def find(each: TableKeys) -> TableDataset:
        if each.name not in stored:
            return read(each)
        if problem := mismatch(each, stored[each.name]):
            raise TableError(each.file, [f"{problem}; put a copy of the spec back"])
        return stored[each.name]

    return Found(_each(raw, keys, source, find))


def unreadable(keys: TableKeys) -> TableDataset:
    """Reads no table: for specs that must tell what theirs hold."""
    raise TableError(keys.file, ["what its file holds is not known here; put a copy of the spec back"])


def _stored(below: bytes, source: str) -> dict[str, TableDataset]:
    try:
        return read_resolved(below)
    except ValueError as error:
        raise SpecError(
            source, [f"{error}; put a copy of the spec back, or remove what is below its own lines"]
        ) from None


def _each(raw: Raw, keys: Mapping[str, TableKeys], source: str, find: Read) -> dict[str, TableDataset]:
    """Finds each table, and raises the problems of all of them at once."""
    found, problems = {}, []
    for index, name in names(raw):
        if name in keys:
            try:
                found[name] = find(keys[name])
            except TableError as error:
                path = path_of(("dataset", index), raw)
                problems += [f"{path} ({plain(keys[name].file)}): {problem}" for problem in error.problems]
    if problems:
        raise SpecError(source, problems)
    return found
