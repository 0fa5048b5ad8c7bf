"""Shards: whole Parquet files as bytes, made from a spec or checked against one. It reads and writes no files.

The content digest of a shard is the sum, modulo 2**256, of the SHA-256 of each block's number and columns, and
that of a split is the sum over its shards: the same for any shard size and any order of generation.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Sequence
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from sumsquares.datasets.columns import Stored, arrow_schema, stored_columns
from sumsquares.datasets.differences import UNREADABLE, differences, open_parquet
from sumsquares.datasets.errors import DamagedShard, ForeignShard
from sumsquares.datasets.parquet import Page, data_page, parquet_file
from sumsquares.datasets.rows import BLOCK_ROWS, block
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import SPLITS, DatasetSpec, Split

SHARD_ROWS = 16 * BLOCK_ROWS

_CONTENT = "sumsquares.content"

HexDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class ShardEntry(BaseModel):
    """A manifest's entry of one shard."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    path: Annotated[str, Field(pattern=r"^(train|test|extrapolation)/part-[0-9]{5,7}\.parquet$")]
    """Its path below the dataset's folder."""
    rows: Annotated[int, Field(ge=1)]
    """Its rows."""
    bytes: Annotated[int, Field(ge=1)]
    """The size of the file."""
    sha256: HexDigest
    """Digest of the file."""
    content: HexDigest
    """Digest of the rows, whatever the file's encoding."""


def shard_count(spec: DatasetSpec, split: Split, shard_rows: int = SHARD_ROWS) -> int:
    """Returns the number of shards of that split, the last of which may be short."""
    return -(-spec.rows_in(split) // shard_rows)


def shard_path(split: Split, index: int) -> str:
    """Returns its path below the dataset's folder, such as train/part-00000.parquet."""
    return f"{split}/part-{index:05d}.parquet"


def encode_shard(spec: DatasetSpec, split: Split, index: int, shard_rows: int = SHARD_ROWS) -> tuple[bytes, ShardEntry]:
    """Makes the file of one shard and its manifest entry. Equal arguments give equal bytes, on any machine.

    Args:
        spec: the dataset.
        split: one of its splits.
        index: the shard, below `shard_count`.
        shard_rows: rows of every shard but the last: a multiple of BLOCK_ROWS.

    """
    _keep_freed_memory()
    rows, first = _place_of(spec, split, index, shard_rows)
    made = (block(spec, split, first + i) for i in range(-(-rows // BLOCK_ROWS)))
    blocks = ([*inputs_NI.T, target_N] for inputs_NI, target_N in made)
    return _assemble(spec, split, index, rows, enumerate(blocks, first))


def decode_shard(data: bytes, spec: DatasetSpec, entry: ShardEntry) -> pa.Table:
    """Returns the rows of a shard after checking its digest, footer, schema and row count.

    Raises:
        ForeignShard: readable Parquet that is something else; the message lists what was expected and what was found.
        DamagedShard: anything else that is not the file that `entry` describes.

    """
    found = hashlib.sha256(data).hexdigest()
    split, index = _parsed(entry.path)
    try:
        file = open_parquet(data)
        foreign = differences(file, arrow_schema(spec), entry.rows, _metadata(spec.digest, split, index))
        if not foreign and found == entry.sha256:
            return file.read(use_threads=False).replace_schema_metadata(None)
    except UNREADABLE:
        foreign = []
    # One of the expected size is ours with a flipped byte: a fifth of all flips change what the footer says.
    if foreign and len(data) != entry.bytes:
        raise ForeignShard(
            f"{entry.path} is not a shard of dataset {spec.digest}: {'; '.join(foreign)}. "
            "Move the file away and generate the dataset again"
        )
    raise DamagedShard(
        f"{entry.path} is damaged: expected {entry.bytes} bytes with sha256 {entry.sha256}, "
        f"found {len(data)} bytes with {found}. Delete the file and generate the dataset again"
    )


def recover_shard(
    data: bytes, spec: DatasetSpec, split: Split, index: int, shard_rows: int = SHARD_ROWS
) -> ShardEntry | None:
    """Returns the entry of a shard that no manifest lists, or None if its bytes aren't those that encoding makes."""
    again, entry = encode_shard(spec, split, index, shard_rows)
    return entry if again == data else None


def _keep_freed_memory() -> None:
    """Makes malloc keep up to 32 MB of freed memory, by freeing half of that once (mallopt(3), M_MMAP_THRESHOLD).

    Otherwise it gives each shard's memory back and asks for it again: 2,238 page faults and 13 % of the time for sums.
    """
    np.empty(16 << 20, np.uint8)


def _place_of(spec: DatasetSpec, split: Split, index: int, shard_rows: int) -> tuple[int, int]:
    """Returns the shard's number of rows and the number of its first block."""
    assert shard_rows % BLOCK_ROWS == 0, f"shard_rows = {shard_rows} is no multiple of {BLOCK_ROWS}"
    return min(shard_rows, spec.rows_in(split) - index * shard_rows), index * shard_rows // BLOCK_ROWS


def _assemble(
    spec: DatasetSpec, split: Split, index: int, rows: int, blocks: Iterable[tuple[int, Sequence[Numbers]]]
) -> tuple[bytes, ShardEntry]:
    """Encodes and hashes numbered blocks, each of one array per column."""
    columns = stored_columns(spec, split, rows)
    pages: list[list[Page]] = [[] for _ in columns]
    digests = []
    for block_index, arrays in blocks:
        stored = [column.stored(values_N) for column, values_N in zip(columns, arrays, strict=True)]
        checksums = [zlib.crc32(stored_N.data) if stored_N.dtype.kind == "f" else None for stored_N in stored]
        digests.append(_block_digest(block_index, stored, checksums))
        made: dict[int, Page] = {}  # by source: a square's page is that of its number, to the byte
        for column, column_pages in zip(columns, pages, strict=True):
            if column.source not in made:
                made[column.source] = data_page(column, stored[column.source], checksums[column.source])
            column_pages.append(made[column.source])
    content = add_digests(digests)
    metadata = {**_metadata(spec.digest, split, index), _CONTENT: content}
    data = parquet_file(columns, pages, rows, metadata)
    return data, _entry(data, shard_path(split, index), rows, content)


def _parsed(path: str) -> tuple[Split, int]:
    split, name = path.split("/")
    index = int(name.removeprefix("part-").removesuffix(".parquet"))
    return next(known for known in SPLITS if known == split), index


def _metadata(dataset: str, split: Split, index: int) -> dict[str, str]:
    """Returns the metadata in a shard's footer."""
    return {"sumsquares.dataset": dataset, "sumsquares.split": split, "sumsquares.shard": str(index)}


def _entry(data: bytes, path: str, rows: int, content: str) -> ShardEntry:
    sha256 = hashlib.sha256(data).hexdigest()
    return ShardEntry(path=path, rows=rows, bytes=len(data), sha256=sha256, content=content)


def _block_digest(index: int, stored: Iterable[Stored], checksums: Iterable[int | None]) -> str:
    """Hashes a block's number and stored values, to hex. For sums of 1..1000 these take 6 bytes a row, values 16.

    Of real numbers it hashes their CRC-32 and their sum as 64-bit words, which take 0.2 ns a value instead of 5.7: 96
    bits tell versions and places apart, and damage is found by the digest of the file.
    """
    digest = hashlib.sha256(index.to_bytes(8, "little"))
    for stored_N, checksum in zip(stored, checksums, strict=True):
        if checksum is None:
            digest.update(stored_N.data)
        else:
            total = int(stored_N.view("<u8").sum(dtype=np.uint64))
            digest.update(checksum.to_bytes(8, "little") + total.to_bytes(8, "little"))
    return digest.hexdigest()


def add_digests(digests: Iterable[str]) -> str:
    """Returns the digests' sum modulo 2**256, in hex. Order doesn't matter: each digest covers its block's number."""
    return f"{sum(int(digest, 16) for digest in digests) % 2**256:064x}"
