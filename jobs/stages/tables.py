"""Resolves the tables of specs for one store, and finds the files of those whose rows it lacks.

What a path stood for is remembered in the store, in `tables/<key>.json`, so that planning doesn't read the file again
while its stamps (size and time of change) are the same, and so that a run can be repeated when the file is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal, NamedTuple

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, TypeAdapter

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.tables.batches import batches
from sumsquares.datasets.tables.errors import TableMissing
from sumsquares.datasets.tables.files import Stamp
from sumsquares.datasets.tables.keys import TableKeys
from sumsquares.datasets.tables.resolve import resolve, stamps
from sumsquares.datasets.tables.table import TABLE_VERSION, TableDataset
from sumsquares.jobs.stages.imported import plan_table
from sumsquares.jobs.storage.checksummed import DamagedRecord, seal, unseal
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import StorageError, Store

FOLDER = "tables"


class LostRows(DataError):  # noqa: N818  its base says that it is an error
    """Rows that the store lacks, and whose file is gone."""


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    version: Literal[1]
    """TABLE_VERSION of what was found."""
    folder: str
    """Where a relative `file` of the keys starts."""
    keys: TableKeys
    stamps: tuple[Stamp, ...]
    table: TableDataset


_SHAPE = TypeAdapter(_Record)


class Place(NamedTuple):
    """Where a table comes from."""

    keys: TableKeys
    folder: str


class TableReader:
    """The tables of specs, as one store knows them. It writes nothing before `remember`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: dict[str, _Record] = {}
        self._places: dict[str, Place] = {}
        self.notes: list[str] = []
        """What a person has to be told."""

    def resolve(self, keys: TableKeys, folder: str) -> TableDataset:
        """Returns the table that the keys stand for: from its file, or as it was remembered.

        Raises:
            TableMissing: there is no such file, and the store has no rows of it.
            LostRows: there is no such file, and the rows that the store had are damaged.
            TableError, DamagedTable, TableUnreachable: see datasets.tables.resolve.

        """
        path = f"{FOLDER}/{key_of(keys, folder)}.json"
        known = self._read(path)
        try:
            found = stamps(keys, folder)
        except TableMissing:
            if known is None:
                raise
            return self._without_file(keys, known)
        if known is None or known.stamps != found:
            table = resolve(keys, folder)
            known = _Record(
                format=1, version=TABLE_VERSION, folder=_absolute(folder), keys=keys, stamps=found, table=table
            )
            self._new[path] = known
        self._places[known.table.content] = Place(keys, folder)
        return _named(known.table, keys)

    def remember(self) -> None:
        """Stores what was found, for the next run; called when nothing can refuse this one any more."""
        for path, record in self._new.items():
            with suppress(ForeignFile):
                if self._may_write(path):
                    self._store.put(path, seal(record.model_dump(mode="json")))
        self._new.clear()

    def batches(self, table: TableDataset) -> Iterator[pa.RecordBatch]:
        """Reads the rows of a table from its file, in the columns that the store keeps.

        Raises:
            LostRows: the file is gone, or was never read from this store.

        """
        place = self._place(table)
        try:
            yield from batches(table, *place)
        except TableMissing as error:
            raise self._lost(table) from error

    def check(self, table: TableDataset) -> None:
        """Raises LostRows unless there is a file from which the rows can be read."""
        place = self._place(table)
        try:
            stamps(*place)
        except TableMissing as error:
            raise self._lost(table) from error

    def records(self) -> Iterator[tuple[str, TableDataset]]:
        """Yields the path of each intact record of a file, with what it held."""
        for path in self._store.list(FOLDER):
            if (record := self._read(path)) is not None:
                yield path, record.table

    def known(self) -> Iterator[TableDataset]:
        """Yields what the store remembers of files."""
        return (table for _, table in self.records())

    def without_file(self) -> dict[str, TableDataset]:
        """Returns, by content, the tables of which no file is found where it was read: no other copy is known."""
        found: dict[str, TableDataset] = {}
        there = set()
        for record in filter(None, map(self._read, self._store.list(FOLDER))):
            found[record.table.content] = record.table
            with suppress(ValueError, RuntimeError):
                stamps(record.keys, record.folder)
                there.add(record.table.content)
        return {content: table for content, table in found.items() if content not in there}

    def is_unchanged(self, table: TableDataset) -> bool:
        """Whether its file is there, with the sizes and times of change that it had when it was read."""
        known = (self._read(path) for path in self._store.list(FOLDER))
        for record in known:
            if record is not None and record.table.content == table.content:
                with suppress(ValueError, RuntimeError):
                    return stamps(record.keys, record.folder) == record.stamps
        return False

    def _without_file(self, keys: TableKeys, known: _Record) -> TableDataset:
        if not plan_table(self._store, known.table).is_complete:
            raise self._lost(known.table)
        self.notes.append(
            f"{keys.file} is not there any more: dataset {keys.name} has the {known.table.rows:,} rows that the store "
            "has of it"
        )
        return _named(known.table, keys)

    def _place(self, table: TableDataset) -> Place:
        """Returns where a table comes from: as this reader has resolved it, or one before it."""
        if table.content not in self._places:
            for path in self._store.list(FOLDER):
                known = self._read(path)
                if known is not None and known.table.content == table.content:
                    self._places[table.content] = Place(known.keys, known.folder)
        if table.content not in self._places:
            raise LostRows(
                f"dataset {table.name}: rows of it are missing or damaged in {self._store.describe()}, and where its "
                f"file {table.file} lies isn't known there: run the spec that names it, beside that file"
            )
        return self._places[table.content]

    def _may_write(self, path: str) -> bool:
        """Whether the path is free, or holds a file of ours."""
        try:
            return is_ours(path, self._store.get(path))
        except FileNotFoundError:
            return True

    def _read(self, path: str) -> _Record | None:
        with suppress(FileNotFoundError, DamagedRecord, ForeignFile, StorageError):
            return unseal(self._store.get(path), path, "", _SHAPE)
        return None

    def _lost(self, table: TableDataset) -> LostRows:
        return LostRows(
            f"dataset {table.name}: rows of it are missing or damaged in {self._store.describe()}, and its file "
            f"{table.file} is not there: put the file back with the same content, and run again"
        )


def key_of(keys: TableKeys, folder: str) -> str:
    """Returns what a table is remembered by: its absolute path or address, and its keys without the name."""
    place = keys.file if "://" in keys.file else os.path.join(_absolute(folder), keys.file)  # noqa: PTH118
    place = place if "://" in place else os.path.normpath(place)
    canonical = [TABLE_VERSION, place, keys.model_dump(mode="json", exclude={"name", "file"})]
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()


def _absolute(folder: str) -> str:
    return folder if "://" in folder else os.path.abspath(folder)  # noqa: PTH100  it doesn't follow links


def _named(table: TableDataset, keys: TableKeys) -> TableDataset:
    fields = {name: getattr(table, name) for name in TableDataset.model_fields}
    return TableDataset.model_validate({**fields, "name": keys.name, "file": keys.file})
