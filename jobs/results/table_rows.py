"""Reads the rows of tables from the store's shards: any rows of the train or test part of a split, in their order.

Shards are verified when they are read. Shards, parts and what was read last are cached up to a limit of bytes.

Suffixes: N rows, I input columns, S shards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares.datasets.errors import DamagedManifest
from sumsquares.datasets.rows import BLOCK_ROWS, Block
from sumsquares.datasets.source import Split
from sumsquares.datasets.tables.stored import MOST_FILE_BYTES, TableManifest, decode_shard, from_json
from sumsquares.datasets.tables.table import TableDataset, TableSplit
from sumsquares.jobs.results.table_parts import roles
from sumsquares.jobs.storage.layout import folder_of
from sumsquares.jobs.storage.store import Store

CACHE_BYTES = 256 << 20
Item = TypeVar("Item")


class Shard(NamedTuple):
    """The rows of one shard."""

    inputs: tuple[NDArray[np.float64], ...]
    """Of each input column its values; NaN for a null."""
    target_N: NDArray[Any]
    """int64 or float64."""
    held_out: tuple[NDArray[np.bool_], ...]
    """Of each column that holds rows out its values."""

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return sum(each.nbytes for each in (*self.inputs, self.target_N, *self.held_out))


@dataclass(frozen=True)
class Part:
    """Which rows of a table belong to a part of a split."""

    is_in_N: NDArray[np.bool_]
    before_S: NDArray[np.int64]
    """Rows of the part before each shard, and before the end of the last."""

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return self.is_in_N.nbytes + self.before_S.nbytes


class TableRows:
    """The tables of one store."""

    def __init__(self, store: Store, limit: int = CACHE_BYTES) -> None:
        self._store = store
        self._manifests: dict[str, TableManifest] = {}
        self._held = Held(limit)
        self._fills: dict[str, NDArray[np.float64]] = {}

    def filled(self, split: TableSplit, part: Split, index: int, size: int) -> Block:
        """Returns rows index*size to before (index+1)*size of a part: inputs [N, I] in float64, targets [N].

        The means of the split's training rows are in place of nulls.
        """
        inputs_NI, target_N = self.raw(split, part, index, size)
        if split.table.missing == "mean":
            is_null_NI = np.isnan(inputs_NI)
            if is_null_NI.any():
                np.copyto(inputs_NI, self.means(split), where=is_null_NI)
        return inputs_NI, target_N

    def raw(self, split: TableSplit, part: Split, index: int, size: int) -> Block:
        """Returns the same rows with NaN in place of nulls."""
        table = split.table
        manifest, rows = self._manifest(table), self._part(split, part)
        first, last = index * size, min((index + 1) * size, split.rows_in(part))
        assert first < last, f"{part} has {split.rows_in(part)} rows, and row {first} is wanted"
        inputs_NI, target_N = np.empty((last - first, split.inputs)), None
        start = 0
        for place, within in _pieces(manifest, rows, first, last):
            shard = self._shard(table, place)
            end = start + len(within)
            for column, values_N in enumerate(shard.inputs):
                inputs_NI[start:end, column] = values_N[within]
            if target_N is None:
                target_N = np.empty(last - first, shard.target_N.dtype)
            target_N[start:end] = shard.target_N[within]
            start = end
        assert target_N is not None
        return inputs_NI, target_N

    def means(self, split: TableSplit) -> NDArray[np.float64]:
        """Returns the mean of each input column over the training rows that have a value; 0 where none has."""
        if split.digest not in self._fills:
            blocks = range(-(-split.rows // BLOCK_ROWS))
            self._fills[split.digest] = means_of(self.raw(split, "train", index, BLOCK_ROWS)[0] for index in blocks)
        return self._fills[split.digest]

    def _part(self, split: TableSplit, part: Split) -> Part:
        key = (split.digest, part)
        return self._held.get(key, lambda: self._find_part(split, part))

    def _find_part(self, split: TableSplit, part: Split) -> Part:
        manifest = self._manifest(split.table)
        held_out_N = self._held_out(split) if split.table.held_out_columns else None
        is_in_N = dict(zip(("train", "test"), roles(split.table, split.index, held_out_N), strict=True))[part]
        ends = np.cumsum([0, *(shard.rows for shard in manifest.shards)])
        counts = [np.count_nonzero(is_in_N[first:last]) for first, last in zip(ends[:-1], ends[1:], strict=True)]
        before_S = np.cumsum([0, *counts])
        assert before_S[-1] == split.rows_in(part), (split.digest, part, before_S[-1])
        return Part(is_in_N, before_S)

    def _held_out(self, split: TableSplit) -> NDArray[np.bool_]:
        shards = range(len(self._manifest(split.table).shards))
        return np.concatenate([self._shard(split.table, place).held_out[split.index] for place in shards])

    def _manifest(self, table: TableDataset) -> TableManifest:
        if table.content not in self._manifests:
            self._manifests[table.content] = read_manifest(self._store, table)
        return self._manifests[table.content]

    def _shard(self, table: TableDataset, place: int) -> Shard:
        return self._held.get((table.content, place), lambda: self._read(table, place))

    def _read(self, table: TableDataset, place: int) -> Shard:
        entry = self._manifest(table).shards[place]
        path = f"{folder_of(table)}/{entry.path}"
        return _as_arrays(decode_shard(self._store.get(path, MOST_FILE_BYTES), path, entry), table.inputs)


class Held:
    """Caches what was made last, up to a limit of bytes; the last is always kept."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._items: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Item]) -> Item:
        """Returns what is cached under a key, or makes it; it must have `nbytes`."""
        if key not in self._items:
            item = make()
            self._bytes += cast("Any", item).nbytes
            self._items[key] = item
            while self._bytes > self._limit and len(self._items) > 1:
                self._bytes -= self._items.popitem(last=False)[1].nbytes
        self._items.move_to_end(key)
        return cast("Item", self._items[key])


def manifest_path(table: TableDataset) -> str:
    """The path of a table's manifest."""
    return f"{folder_of(table)}/manifest.json"


def read_manifest(store: Store, table: TableDataset) -> TableManifest:
    """Reads the manifest of a table.

    Raises:
        FileNotFoundError: its rows are not in the store.
        DamagedManifest: the file is not what was written, or is the manifest of another table.

    """
    path = manifest_path(table)
    found = from_json(store.get(path), path)
    if found.content != table.content or found.rows != table.rows:
        raise DamagedManifest(f"{path} is damaged: it is that of {found.content} with {found.rows:,} rows")
    return found


def means_of(blocks: Iterator[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Returns the mean of each column of blocks [N, I], without NaN; 0 where there is nothing else."""
    sums_I, counts_I = 0.0, 0
    for block_NI in blocks:
        is_there_NI = ~np.isnan(block_NI)
        sums_I = sums_I + np.where(is_there_NI, block_NI, 0.0).sum(axis=0)
        counts_I = counts_I + is_there_NI.sum(axis=0)
    return np.asarray(sums_I / np.maximum(1, counts_I))


def _pieces(manifest: TableManifest, part: Part, first: int, last: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yields the shards that have rows first..last-1 of a part, each with their places in it."""
    place = int(np.searchsorted(part.before_S, first, side="right")) - 1
    start = sum(shard.rows for shard in manifest.shards[:place])
    while part.before_S[place] < last:
        end = start + manifest.shards[place].rows
        before = int(part.before_S[place])
        within = np.flatnonzero(part.is_in_N[start:end])[max(0, first - before) : last - before]
        if len(within):
            yield place, within
        place, start = place + 1, end
        if place == len(manifest.shards):
            return


def _as_arrays(rows: pa.Table, inputs: int) -> Shard:
    columns = rows.columns
    return Shard(
        tuple(_numbers(column) for column in columns[:inputs]),
        columns[inputs].to_numpy(),
        tuple(column.to_numpy() for column in columns[inputs + 1 :]),
    )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)
