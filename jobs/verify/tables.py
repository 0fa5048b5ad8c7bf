"""Checks the rows of a table: its manifest by its seal, its shards by their hashes, what follows from them by its seal.

Rows follow from no seed. Repair reads them from the file of the table again, if that is still the one that they came
from, and else deletes nothing: what is left of them may be all that there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from pydantic import TypeAdapter

from sumsquares.datasets.differences import UNREADABLE, open_parquet
from sumsquares.datasets.errors import DamagedManifest, DataError
from sumsquares.datasets.tables.batches import stored_schema
from sumsquares.datasets.tables.digest import ContentDigest
from sumsquares.datasets.tables.shards import (
    TableManifest,
    TableShard,
    build_manifest,
    encode_shard,
    from_json,
    is_foreign,
    shard_path,
    to_json,
)
from sumsquares.datasets.tables.table import TableDataset
from sumsquares.jobs.results.summary_file import sha256_of
from sumsquares.jobs.stages.imported import shards_of
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.checksummed import DamagedRecord, unseal
from sumsquares.jobs.storage.ours import is_ours
from sumsquares.jobs.storage.plain import ForeignFile
from sumsquares.jobs.storage.store import StorageError, Store
from sumsquares.jobs.verify.damage import Damage, foreign
from sumsquares.jobs.verify.snapshot import Snapshot

_ANY = TypeAdapter(dict[str, object])


class OtherRows(DataError):  # noqa: N818  its base says that it is an error
    """Rows that aren't those of the table, or that this version writes in other bytes."""


def is_table(snapshot: Snapshot, content: str) -> bool:
    """Whether the folder of a dataset is that of a table's rows."""
    folder = f"datasets/{content}"
    if content in snapshot.references.tables or content in snapshot.references.datasets:
        return content in snapshot.references.tables
    with suppress(ForeignFile, StorageError):  # the check itself reports them
        path = f"{folder}/manifest.json"
        return bool(snapshot.store.list(f"{folder}/rows")) or _read(snapshot.get(path), path, content)[0] is not None
    return False


def check_table(snapshot: Snapshot, content: str) -> list[Damage]:
    """Returns what is wrong with the stored rows of a table, and with what was measured on them."""
    return [*_check_rows(snapshot, content), *_check_measured(snapshot, content)]


def _check_rows(snapshot: Snapshot, content: str) -> list[Damage]:
    path = f"datasets/{content}/manifest.json"
    data = snapshot.get(path)
    manifest, reason = _read(data, path, content)
    if data is not None and manifest is None and not is_ours(path, data):
        return [foreign(path)]
    if manifest is None:
        return _without_manifest(snapshot, content, reason, data is not None)
    shards = (_check_shard(snapshot, content, entry) for entry in manifest.shards)
    return [damage for damage in shards if damage is not None]


def check_table_record(snapshot: Snapshot, key: str) -> list[Damage]:
    """Returns what is wrong with the record of what a table's file held."""
    path = f"tables/{key}.json"
    return _check_derived(
        snapshot, path, "record", "the next run that names its file reads it again", partial(_seal_damage, path)
    )


def _check_measured(snapshot: Snapshot, content: str) -> list[Damage]:
    """Returns what is wrong with the facts and the baselines of a table's splits."""
    found = []
    for path in sorted(snapshot.store.list(f"datasets/{content}")):
        kind = path.rpartition("/")[2].partition("-")[0]
        if kind in ("facts", "baselines"):
            damage = snapshot.references.measured.get(path) or partial(_seal_damage, path)
            found += _check_derived(snapshot, path, kind, "what needs them measures them again", damage)
    return found


def extra_rows(snapshot: Snapshot, content: str) -> list[str]:
    """Files named like shards that the table doesn't have; none are known if no manifest tells them."""
    path = f"datasets/{content}/manifest.json"
    manifest, _ = _read(snapshot.get(path), path, content) if snapshot.store.exists(path) else (None, "")
    if manifest is None:
        return []
    known = {f"datasets/{content}/{entry.path}" for entry in manifest.shards}
    return [
        name for name in snapshot.store.list(f"datasets/{content}") if name not in known and name.endswith(".parquet")
    ]


def _check_derived(
    snapshot: Snapshot, path: str, kind: str, again: str, damage: Callable[[bytes], str | None]
) -> list[Damage]:
    """Returns what is wrong with a file that follows from others, which repair removes."""
    data = snapshot.get(path)
    if data is None or (reason := damage(data)) is None:
        return []
    return [Damage(path, kind, reason, again, (path,)) if is_ours(path, data) else foreign(path)]


def _seal_damage(path: str, data: bytes) -> str | None:
    try:
        unseal(data, path, "", _ANY)
    except DamagedRecord as error:
        return str(error).removeprefix(f"{path}: ")
    return None


def _read(data: bytes | None, path: str, content: str) -> tuple[TableManifest | None, str]:
    """Returns the manifest, or its fault."""
    if data is None:
        return None, "missing, though all its rows are there"
    try:
        found = from_json(data, path)
    except DamagedManifest as error:
        return None, str(error).removeprefix(f"{path} is ").partition(". Delete it")[0]
    return (found, "") if found.content == content else (None, f"it is that of table {found.content}")


def _without_manifest(snapshot: Snapshot, content: str, reason: str, is_there: bool) -> list[Damage]:
    """Returns the damage of a manifest that is missing or damaged: it follows from rows with the table's digest."""
    path, table = f"datasets/{content}/manifest.json", snapshot.references.tables.get(content)
    if table is None:
        by_hand = "no spec of the store names this table: put a copy of the manifest back, or delete its folder"
        return [Damage(path, "manifest", reason, by_hand)] if is_there else []
    try:
        _rebuilt_manifest(snapshot, table)
    except DataError:
        return [Damage(path, "manifest", reason, _by_hand(snapshot, table, path))] if is_there else []
    return [Damage(path, "manifest", reason, "", rewrites=partial(_rebuilt_manifest, snapshot, table))]


def _check_shard(snapshot: Snapshot, content: str, entry: TableShard) -> Damage | None:
    path, table = f"datasets/{content}/{entry.path}", snapshot.references.tables.get(content)
    data = snapshot.get(path)
    if data is not None and sha256_of(data) == entry.sha256:
        return None
    if data is not None and (is_foreign(data) or not is_ours(path, data)):
        return foreign(path)
    reason = "missing, though its manifest names it" if data is None else "its bytes are not those that were written"
    if table is None:
        by_hand = "no spec of the store names this table: put a copy of it back, or delete its folder"
        return Damage(path, "shard", reason, by_hand)
    remedy = _by_hand(snapshot, table, path)
    if not TableReader(snapshot.store).is_unchanged(table):
        return Damage(path, "shard", reason, remedy)
    again = partial(_read_again, snapshot.store, table, entry)
    return Damage(path, "shard", reason, "", rewrites=again, fallback=remedy)


def _by_hand(snapshot: Snapshot, table: TableDataset, path: str) -> str:
    """Returns the remedy for rows that repair can't read again."""
    command = snapshot.references.commands[f"datasets/{table.content}"]
    back = f"put {table.file} back as it was, delete {snapshot.store.root}/{path}, then {command}"
    return f"put a copy of it back; or {back} reads its rows again"


def _read_again(store: Store, table: TableDataset, entry: TableShard) -> dict[str, bytes]:
    """Returns a shard, made of the rows of the table's file.

    Raises:
        OtherRows: they are others than those that were stored, or have other bytes in this version.
        DataError: the file is gone or damaged.

    """
    schema, found = stored_schema(table), b""
    digest = ContentDigest(schema)
    for index, rows in enumerate(shards_of(digest.watch(TableReader(store).batches(table)), schema)):
        if shard_path(index) == entry.path:
            found = encode_shard(rows, table.content, index)[0]
    if digest.hexdigest() != table.content:
        raise OtherRows(f"{table.file} has other rows now")
    if sha256_of(found) != entry.sha256:
        raise OtherRows("this version writes the same rows in other bytes")
    return {f"datasets/{table.content}/{entry.path}": found}


def _rebuilt_manifest(snapshot: Snapshot, table: TableDataset) -> dict[str, bytes]:
    """Returns the manifest, rebuilt from all shards.

    Raises:
        OtherRows: shards are missing or damaged.

    """
    schema, folder = stored_schema(table), f"datasets/{table.content}"
    digest, entries = ContentDigest(schema), list[TableShard]()
    for data in _shards(snapshot, folder):
        try:
            rows = open_parquet(data).read(use_threads=False).select(schema.names)
            for batch in rows.to_batches():
                digest.add(batch)
        except (*UNREADABLE, LookupError) as error:
            raise OtherRows(f"{shard_path(len(entries))} is damaged") from error
        sha256 = sha256_of(data)
        entries.append(TableShard(path=shard_path(len(entries)), rows=len(rows), bytes=len(data), sha256=sha256))
    if not entries or digest.hexdigest() != table.content:
        raise OtherRows("the shards that are there don't have all rows of the table")
    return {f"{folder}/manifest.json": to_json(build_manifest(table, schema, entries))}


def _shards(snapshot: Snapshot, folder: str) -> Iterator[bytes]:
    """Yields the shards in their order, up to the first that is missing."""
    index = 0
    while (data := snapshot.get(f"{folder}/{shard_path(index)}")) is not None:
        yield data
        index += 1
