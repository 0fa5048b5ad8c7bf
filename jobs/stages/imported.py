"""Puts the rows of tables into the store: which are missing is planned here, and they are written shard by shard.

The content digest is computed again on the way. Rows that aren't those of the plan are an error, and get no manifest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from sumsquares.datasets.errors import DamagedManifest, DataError
from sumsquares.datasets.tables.batches import stored_schema
from sumsquares.datasets.tables.digest import ContentDigest
from sumsquares.datasets.tables.shards import (
    MOST_FILE_BYTES,
    TableManifest,
    TableShard,
    build_manifest,
    encode_shard,
    is_foreign,
    shard_rows,
    to_json,
)
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.results.table_rows import manifest_path, read_manifest
from sumsquares.jobs.storage.layout import folder_of
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import Store


class ChangedTable(DataError):  # noqa: N818  its base says that it is an error
    """A file whose rows are not those that were planned: somebody has changed it in between."""


@dataclass
class TablePlan:
    """The work of a run for one table."""

    dataset: TableDataset
    is_complete: bool
    """Whether the manifest lists all rows, and its shards have the right sizes."""
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows to read into the store."""
        return 0 if self.is_complete else self.dataset.rows

    @property
    def bytes_needed(self) -> int:
        """Approximate upper limit of what is written."""
        table = self.dataset
        return self.rows * (8 * (table.inputs + 1) + len(table.held_out_columns))


def plan_table(store: Store, table: TableDataset) -> TablePlan:
    """Compares the store with a table; reads only the manifest and the sizes of files."""
    try:
        manifest = read_manifest(store, table)
    except FileNotFoundError:
        return TablePlan(table, is_complete=False)
    except DamagedManifest as error:
        return TablePlan(table, is_complete=False, notes=[f"{error}; read from its file again"])
    folder = folder_of(table)
    present = store.sizes(folder)
    wrong = [shard.path for shard in manifest.shards if present.get(f"{folder}/{shard.path}") != shard.bytes]
    notes = [f"{folder}/{path} is missing, or has another size: read from its file again" for path in wrong]
    return TablePlan(table, is_complete=not wrong, notes=notes)


def import_table(
    store: Store,
    table: TableDataset,
    batches: Iterable[pa.RecordBatch],
    on_made: Callable[[TableShard], None] = lambda _shard: None,
) -> TableManifest:
    """Writes the rows of a table, and its manifest last. Intact shards are kept; `on_made` is told of each.

    Raises:
        ChangedTable: these are not the table's rows; the shards that were written are removed again.
        ForeignFile: the file in a shard's place is not ours.

    """
    schema = stored_schema(table)
    digest = ContentDigest(schema)
    known = _known(store, table)
    shards: list[TableShard] = []
    written: list[str] = []
    for rows in shards_of(digest.watch(batches), schema):
        entry, is_new = _keep(store, table, rows, len(shards), known)
        written += [entry.path] if is_new else []
        shards.append(entry)
        on_made(entry)
    if digest.hexdigest() != table.content:
        for path in written:
            store.delete(f"{folder_of(table)}/{path}")
        raise ChangedTable(f"{table.file}: it was changed while it was read: run again when it is complete")
    manifest = build_manifest(table, schema, shards)
    store.put(manifest_path(table), to_json(manifest))
    return manifest


def shards_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yields rows in tables of as many rows as a shard has."""
    size = shard_rows(schema)
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(batch)
        count += len(batch)
        while count >= size:
            rows = pa.Table.from_batches(waiting, schema)
            yield rows.slice(0, size)
            waiting = rows.slice(size).to_batches()
            count -= size
    if count:
        yield pa.Table.from_batches(waiting, schema)


def _known(store: Store, table: TableDataset) -> dict[str, TableShard]:
    """Returns the shards of an intact manifest by path."""
    try:
        return {shard.path: shard for shard in read_manifest(store, table).shards}
    except (FileNotFoundError, DamagedManifest):
        return {}


def _keep(
    store: Store, table: TableDataset, rows: pa.Table, index: int, known: dict[str, TableShard]
) -> tuple[TableShard, bool]:
    """Writes one shard unless it is there; returns its entry, and whether it was written."""
    data, entry = encode_shard(rows, table.content, index)
    path = f"{folder_of(table)}/{entry.path}"
    listed = known.get(entry.path, entry)
    try:
        found = store.get(path, MOST_FILE_BYTES)
    except FileNotFoundError:
        found = None
    # Another version of pyarrow may have written the same rows in other bytes.
    if found is not None and listed.rows == entry.rows and hashlib.sha256(found).hexdigest() == listed.sha256:
        return listed, False
    if found is not None and (is_foreign(found) or not is_ours(path, found)):
        raise ForeignFile(
            f"{path}: somebody else's content lies where a file of ours belongs: move it out of the store, then run "
            "again"
        )
    store.put(path, data)
    return entry, True
