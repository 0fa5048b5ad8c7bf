"""A table's rows as they are stored: Parquet shards as bytes, and the manifest that lists them. It reads no files.

They are stored once for each content, whatever the splits. The digest of the content doesn't depend on the shards.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from typing import Annotated, Literal, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sumsquares.datasets.differences import UNREADABLE, open_parquet
from sumsquares.datasets.errors import DamagedShard, ForeignShard
from sumsquares.datasets.sealed import package_version, sealed, unsealed
from sumsquares.datasets.tables.table import HexDigest, TableDataset

SHARD_BYTES = 64 << 20
"""Of the numbers of a shard: wide tables have shards of fewer rows."""
MOST_ROWS = 1 << 20
MOST_FILE_BYTES = 2 * SHARD_BYTES + (4 << 20)
_MARK = "sumsquares.content"
_FROZEN = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class StoredColumn(BaseModel):
    """A column of every shard."""

    model_config = _FROZEN

    name: str
    """Its name in the Parquet schema."""
    type: Literal["double", "int64", "bool"]
    """Its Arrow type."""


class TableShard(BaseModel):
    """A manifest's entry of one shard."""

    model_config = _FROZEN

    path: Annotated[str, Field(pattern=r"^rows/part-[0-9]{5,7}\.parquet$")]
    """Its path below the table's folder."""
    rows: Annotated[int, Field(ge=1)]
    """Its rows."""
    bytes: Annotated[int, Field(ge=1)]
    """The size of the file."""
    sha256: HexDigest
    """Digest of the file."""


class TableManifest(BaseModel):
    """The rows of a table. Raises ValidationError (a ValueError) if its parts contradict each other."""

    model_config = _FROZEN

    format: Literal[1] = 1
    """Version of this file's format."""
    content: HexDigest
    """Digest of names, types and values: that of `TableDataset`."""
    columns: tuple[StoredColumn, ...]
    """The inputs, the target, then the columns that hold rows out."""
    rows: Annotated[int, Field(ge=1)]
    """Rows of all shards."""
    shards: tuple[TableShard, ...]
    """In the order of the rows."""
    created_by: str
    """Version of the package that wrote the manifest."""

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        paths = [shard.path for shard in self.shards]
        if paths != [shard_path(index) for index in range(len(paths))]:
            raise ValueError(f"shards: their paths are not those of parts 0 to {len(paths) - 1}")
        if sum(shard.rows for shard in self.shards) != self.rows:
            raise ValueError(f"rows: {self.rows} are stated, and the shards have others")
        return self


def shard_path(index: int) -> str:
    """Returns a shard's path below the table's folder, such as rows/part-00000.parquet."""
    return f"rows/part-{index:05d}.parquet"


def shard_rows(schema: pa.Schema) -> int:
    """Returns the rows of every shard but the last."""
    row_bytes = sum(1 if pa.types.is_boolean(field.type) else 8 for field in schema)
    return max(1, min(MOST_ROWS, SHARD_BYTES // row_bytes))


def encode_shard(rows: pa.Table, content: str, index: int) -> tuple[bytes, TableShard]:
    """Returns the file of one shard and its manifest entry. Equal rows give equal bytes with one version of pyarrow."""
    file = io.BytesIO()
    options = {"compression": "none", "use_dictionary": False, "write_statistics": False, "store_schema": False}
    with pq.ParquetWriter(file, rows.schema, **options) as writer:
        writer.write_table(rows, row_group_size=MOST_ROWS)
        writer.add_key_value_metadata({_MARK: content, "sumsquares.shard": str(index)})
    data = file.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    return data, TableShard(path=shard_path(index), rows=len(rows), bytes=len(data), sha256=sha256)


def decode_shard(data: bytes, path: str, entry: TableShard) -> pa.Table:
    """Returns the rows of a shard after checking its digest.

    Raises:
        ForeignShard: readable Parquet that we haven't written.
        DamagedShard: anything else that is not the file that `entry` describes.

    """
    found = hashlib.sha256(data).hexdigest()
    if found == entry.sha256:
        return open_parquet(data).read(use_threads=False)
    # One of the expected size is ours with a flipped byte, wherever that is.
    if len(data) != entry.bytes and is_foreign(data):
        raise ForeignShard(f"{path} is not a shard of ours, but other Parquet: move the file away, and run again")
    raise DamagedShard(
        f"{path} is damaged: expected {entry.bytes} bytes with sha256 {entry.sha256}, found {len(data)} bytes with "
        f"{found}. Delete it and run again: if the table's file is there with the same content, it is read again"
    )


def is_foreign(data: bytes) -> bool:
    """Whether it is readable Parquet without our mark."""
    try:
        return _MARK.encode() not in (open_parquet(data).metadata.metadata or {})
    except UNREADABLE:
        return False


def build_manifest(table: TableDataset, schema: pa.Schema, shards: Iterable[TableShard]) -> TableManifest:
    """Returns the manifest of a table whose shards are given in order."""
    columns = [{"name": field.name, "type": str(field.type)} for field in schema]
    return TableManifest(
        content=table.content,
        columns=tuple(StoredColumn.model_validate(each) for each in columns),
        rows=table.rows,
        shards=tuple(shards),
        created_by=package_version(),
    )


def to_json(manifest: TableManifest) -> bytes:
    """Returns the bytes of the file, its own digest last."""
    return sealed(manifest)


def from_json(data: bytes, source: str) -> TableManifest:
    """Reads a manifest; raises DamagedManifest, naming the source and the fault, unless `to_json` made the bytes."""
    return unsealed(data, source, TableManifest, "Delete it and run again: the table is read from its file again")
