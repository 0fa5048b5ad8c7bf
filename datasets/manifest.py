"""The manifest: the file of a dataset that is written last and lists its shards. It reads no shard.

Its JSON ends with its own digest, and only the exact bytes that `to_json` returns are accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sumsquares.datasets.columns import arrow_schema
from sumsquares.datasets.sealed import package_version, sealed, unsealed
from sumsquares.datasets.shards import HexDigest, ShardEntry, add_digests, shard_path
from sumsquares.datasets.spec import GENERATOR_VERSION, SPLITS, DatasetSpec, Split

_FROZEN = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)


class StoredColumn(BaseModel):
    """One column of every shard; no column has nulls."""

    model_config = _FROZEN

    name: str
    """Its name in the Parquet schema."""
    type: Literal["int32", "int64", "double"]
    """Its Arrow type."""


class SplitEntry(BaseModel):
    """The shards of one split, in the order of their rows."""

    model_config = _FROZEN

    rows: Annotated[int, Field(ge=1)]
    """Rows of all its shards."""
    content: HexDigest
    """Digest of its rows: the same for any shard size."""
    shards: tuple[ShardEntry, ...]
    """Its shards, in order."""


class Manifest(BaseModel):
    """A whole dataset. Raises ValidationError (a ValueError) if its parts contradict each other."""

    model_config = _FROZEN

    format: Literal[1] = 1
    """Version of this file's format."""
    dataset: DatasetSpec
    """What determines the rows; it has no name."""
    digest: HexDigest
    """Digest of `dataset` and `generator`."""
    generator: Literal[1] = GENERATOR_VERSION
    """Version of the generator of the rows."""
    columns: tuple[StoredColumn, ...]
    """Schema of every shard."""
    splits: dict[Split, SplitEntry]
    """All three splits."""
    created_by: str
    """Version of the package that wrote the manifest."""

    @model_validator(mode="after")
    def _refuse_contradictions(self) -> Self:
        if self.digest != self.dataset.digest:
            raise ValueError(f"digest: expected {self.dataset.digest}, found {self.digest}")
        if self.columns != _stored_columns(self.dataset):
            raise ValueError(f"columns: expected {_stored_columns(self.dataset)}, found {self.columns}")
        if set(self.splits) != set(SPLITS):
            raise ValueError(f"splits: expected {', '.join(SPLITS)}, found {', '.join(self.splits) or 'none'}")
        for split, entry in self.splits.items():
            _refuse_contradictory_split(split, entry, self.dataset.rows_in(split))
        return self


def _refuse_contradictory_split(split: Split, entry: SplitEntry, rows: int) -> None:
    for index, shard in enumerate(entry.shards):
        if shard.path != shard_path(split, index):
            raise ValueError(f"{split}: expected shard {shard_path(split, index)}, found {shard.path}")
    if not sum(shard.rows for shard in entry.shards) == entry.rows == rows:
        found = " + ".join(str(shard.rows) for shard in entry.shards) or "none"
        raise ValueError(f"{split}: expected {rows} rows, found {entry.rows} stated and {found} in shards")
    if entry.content != add_digests(shard.content for shard in entry.shards):
        raise ValueError(f"{split}: its content digest is not that of its shards")


def _stored_columns(spec: DatasetSpec) -> tuple[StoredColumn, ...]:
    return tuple(
        StoredColumn.model_validate({"name": field.name, "type": str(field.type)}) for field in arrow_schema(spec)
    )


def build_manifest(spec: DatasetSpec, entries: Iterable[ShardEntry]) -> Manifest:
    """Makes the manifest of a dataset from the entries of all its shards, in any order.

    Raises ValueError if a shard is missing, doubled or does not belong to it.
    """
    ordered = sorted(entries, key=lambda entry: (len(entry.path), entry.path))
    splits = {split: _split_entry(ordered, split) for split in SPLITS}
    return Manifest(
        dataset=spec.unnamed(),
        digest=spec.digest,
        columns=_stored_columns(spec),
        splits=splits,
        created_by=package_version(),
    )


def _split_entry(ordered: Iterable[ShardEntry], split: Split) -> SplitEntry:
    shards = tuple(entry for entry in ordered if entry.path.startswith(f"{split}/"))
    rows = sum(entry.rows for entry in shards)
    if rows == 0:
        raise ValueError(f"{split}: no shard was given")
    return SplitEntry(rows=rows, content=add_digests(entry.content for entry in shards), shards=shards)


def to_json(manifest: Manifest) -> bytes:
    """Returns the bytes of the file, readable by people: one value per line, its own digest last."""
    return sealed(manifest)


def from_json(data: bytes, source: str = "manifest.json") -> Manifest:
    """Reads the manifest in these bytes, which come from the file `source`.

    Raises DamagedManifest, naming the source and the fault, unless they are exactly what `to_json` returned.
    """
    return unsealed(data, source, Manifest, "Delete it and generate the dataset again: intact shards are kept")
