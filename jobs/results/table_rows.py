"""Reads the rows of tables from the store's shards: any rows of the train or test part of a split, in their order.

Shards are verified when they are read. Shards, parts and what was read last are cached up to a limit of bytes.

Suffixes: N rows, I input columns, S shards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sumsquares.datasets.errors import DamagedManifest
from sumsquares.datasets.rows import Block
from sumsquares.datasets.source import Split
from sumsquares.datasets.tables.roles import SplitRoles, roles
from sumsquares.datasets.tables.shards import MOST_FILE_BYTES, TableManifest, decode_shard, from_json
from sumsquares.datasets.tables.table import TableDataset, TableSplit
from sumsquares.jobs.storage.layout import folder_of
from sumsquares.jobs.storage.store import Store

CACHE_BYTES = 256 << 20
Places = NDArray[np.intp]
Item = TypeVar("Item")


class Shard(NamedTuple):
    """The rows of one shard."""

    inputs: tuple[NDArray[np.float64], ...]
    """Of each input column its values; NaN for a null."""
    target_N: NDArray[Any]
    """int64 or float64."""
    held_out: pa.RecordBatch
    """The columns that hold rows out."""

    @property
    def nbytes(self) -> int:
        """Its size in memory."""
        return sum(each.nbytes for each in (*self.inputs, self.target_N, self.held_out))


class Roles(NamedTuple):
    """Which rows of a shard a split trains on, and which it holds out."""

    train_N: NDArray[np.bool_]
    test_N: NDArray[np.bool_]

    def of(self, part: Split) -> NDArray[np.bool_]:
        """Returns which rows belong to that part."""
        return {"train": self.train_N, "test": self.test_N}[part]

    @property
    def nbytes(self) -> int:
        """Their size in memory."""
        return self.train_N.nbytes + self.test_N.nbytes


class TableRows:
    """The tables of one store."""

    def __init__(self, store: Store, held: Held | None = None) -> None:
        self._store = store
        self._manifests: dict[str, TableManifest] = {}
        self._held = held or Held(CACHE_BYTES)
        self._splits: dict[str, SplitRoles] = {}
        self._counts: dict[str, dict[Split, NDArray[np.int64]]] = {}

    def filled(self, split: TableSplit, part: Split, index: int, size: int) -> Block:
        """Returns rows index*size to before (index+1)*size of a part: inputs [N, I] in float64, targets [N].

        The means of the split's training rows are in place of nulls.
        """
        inputs_NI, target_N = self.raw(split, part, index, size)
        for column, mean in enumerate(self.means(split)):
            if not np.isnan(mean):
                values_N = inputs_NI[:, column]
                values_N[np.isnan(values_N)] = mean
        return inputs_NI, target_N

    @staticmethod
    def means(split: TableSplit) -> NDArray[np.float64]:
        """Returns what takes the place of a null in each input column; NaN for a column without nulls."""
        means = dict(split.table.split_rows[split.index].means)
        return np.array([means.get(name, np.nan) for name in split.columns[:-1]])

    def raw(self, split: TableSplit, part: Split, index: int, size: int) -> Block:
        """Returns the same rows with NaN in place of nulls."""
        table = split.table
        first, last = index * size, min((index + 1) * size, split.rows_in(part))
        assert first < last, f"{part} has {split.rows_in(part)} rows, and row {first} is wanted"
        inputs_NI, target_N = np.empty((last - first, split.inputs)), None
        start = 0
        for place, within in self._places(split, part, first, last):
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

    def _places(self, split: TableSplit, part: Split, first: int, last: int) -> Iterator[tuple[int, Places]]:
        """Yields the shards that have rows first..last-1 of a part, each with their places in it."""
        before_S = self._before(split)[part]
        for shard in range(int(np.searchsorted(before_S, first, side="right")) - 1, len(before_S) - 1):
            before = int(before_S[shard])
            if before >= last:
                return
            is_in_N = self._roles(split, shard).of(part)
            yield shard, np.flatnonzero(is_in_N)[max(0, first - before) : last - before]

    def _before(self, split: TableSplit) -> dict[Split, NDArray[np.int64]]:
        """Returns for each part its rows before each shard, and before the end of the last."""
        if split.digest not in self._counts:
            counts: dict[Split, list[int]] = {"train": [0], "test": [0]}
            for shard in range(len(self._manifest(split.table).shards)):
                found = self._roles(split, shard)
                for part, rows in counts.items():
                    rows.append(rows[-1] + int(np.count_nonzero(found.of(part))))
            self._counts[split.digest] = {part: np.array(rows, np.int64) for part, rows in counts.items()}
        return self._counts[split.digest]

    def _roles(self, split: TableSplit, shard: int) -> Roles:
        return self._held.get((split.digest, shard), lambda: self._find_roles(split, shard))

    def _find_roles(self, split: TableSplit, shard: int) -> Roles:
        shards = self._manifest(split.table).shards
        first = sum(each.rows for each in shards[:shard])
        if split.table.held_out_columns:
            rows = self._shard(split.table, shard).held_out
        else:
            rows = pa.record_batch([pa.nulls(shards[shard].rows)], names=["none"])
        return Roles(*self._of_split(split).of(first, rows))

    def _of_split(self, split: TableSplit) -> SplitRoles:
        if split.digest not in self._splits:
            self._splits[split.digest] = roles(split.table, split.index)
        return self._splits[split.digest]

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

    def clear(self) -> None:
        """Forgets everything."""
        self._items.clear()
        self._bytes = 0


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


def _as_arrays(rows: pa.Table, inputs: int) -> Shard:
    columns = rows.columns
    return Shard(
        tuple(_numbers(column) for column in columns[:inputs]),
        columns[inputs].to_numpy(),
        rows.select(range(inputs + 1, len(columns))).combine_chunks().to_batches()[0],
    )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), np.float64)
