"""What the tables of a spec hold: read from their files, or told by the stored spec that they are part of."""

from __future__ import annotations

from collections.abc import Mapping

from sumsquares.datasets.tables.errors import TableError, TableMissing
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.spec.errors import SpecError, path_of
from sumsquares.jobs.spec.raw import Raw, names
from sumsquares.jobs.spec.tables import Resolve, WrittenTable, mismatch, read_resolved


def resolved(
    raw: Raw, tables: Mapping[str, WrittenTable], below: bytes, source: str, resolve: Resolve | None, new: bool
) -> dict[str, TableDataset]:
    """Returns what each table holds, by name. `below` are the resolved tables of a stored spec.

    Raises:
        SpecError: some can't be used as their keys say; it lists all of them.
        DamagedTable, TableUnreachable: a file is damaged, or its storage failed.

    """
    if not tables:
        return {}
    try:
        stored = read_resolved(below)
    except ValueError as error:
        raise SpecError(source, [f"{error}; remove them, or put a copy of the file back"]) from None
    found, problems = {}, []
    for index, name in names(raw):
        if name in tables:
            try:
                found[name] = (_read if new else _told)(tables[name], stored.get(name), resolve)
            except TableError as error:
                path = path_of(("dataset", index), raw)
                problems += [f"{path}: {problem}" for problem in error.problems]
    if problems:
        raise SpecError(source, problems)
    return found


def _read(written: WrittenTable, stored: TableDataset | None, resolve: Resolve | None) -> TableDataset:
    """Returns what the file holds; if it is gone, what it held when the spec was stored."""
    try:
        return _from_file(written, resolve)
    except TableMissing:
        if stored is None or mismatch(written.keys, stored):
            raise
    return stored


def _told(written: WrittenTable, stored: TableDataset | None, resolve: Resolve | None) -> TableDataset:
    """Returns what the file held when the spec was stored, whatever it holds now."""
    if stored is None:
        return _from_file(written, resolve)
    if problem := mismatch(written.keys, stored):
        raise TableError(written.keys.file, [f"{problem}; put a copy of the spec back"])
    return stored


def _from_file(written: WrittenTable, resolve: Resolve | None) -> TableDataset:
    if resolve is None:
        raise TableError(written.keys.file, ["what its file holds is not known here; put a copy of the spec back"])
    return resolve(written.keys, written.folder or ".")
