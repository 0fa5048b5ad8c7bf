"""Reads the rows of datasets for a worker. Shards are verified when they are read, and cached up to a limit.

One reader serves all packs of a worker process. It makes nothing, except that it replaces a damaged shard of ours: of a
generated dataset, since equal specs give equal bytes, and of a table whose file is still there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.errors import DamagedManifest, DamagedShard
from sumsquares.datasets.manifest import Manifest
from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.rows import Block
from sumsquares.datasets.shards import SHARD_ROWS, decode_shard, encode_shard
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import DatasetSpec, Split
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.engines.shuffle import CHUNK_ROWS, Chunk, Rows
from sumsquares.jobs.messages.abbreviate import Few
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.results.rows_of import parts_of, pieces_of
from sumsquares.jobs.results.table_rows import Held, TableRows
from sumsquares.jobs.stages.generate import folder_of, most_bytes, read_manifest, refuse_other_rows
from sumsquares.jobs.stages.imported import import_table
from sumsquares.jobs.stages.tables import TableReader
from sumsquares.jobs.storage.store import Store

assert SHARD_ROWS == CHUNK_ROWS, "a chunk of the training order is a shard, so that streaming reads each once"
TRAIN_EVALUATION_ROWS = SHARD_ROWS
"""Limit of the training rows, counted from the first, for rmse_train: more would take as long as the training."""
_TEST_NUMBERS = 1 << 24
"""Of the inputs of a table's test rows that are read at a time: 128 MB."""
log = logging.getLogger(__name__)


class RawShard(NamedTuple):
    """Rows as they are stored."""

    inputs_NI: Numbers
    target_N: NDArray[Any]

    @property
    def nbytes(self) -> int:
        """Their size in memory."""
        return self.inputs_NI.nbytes + self.target_N.nbytes


class DatasetReader:
    """Reads datasets of one store, with an LRU cache of shards of up to `memory_limit` bytes."""

    def __init__(self, store: Store, memory_limit: int = 1 << 30) -> None:
        self._store = store
        self._manifests: dict[str, Manifest] = {}
        self._unseen: dict[str, NDArray[np.bool_]] = {}
        self._held = Held(memory_limit)
        self._tables = TableRows(store, self._held)
        self._few = Few(log)

    def unseen(self, dataset: Dataset) -> NDArray[np.bool_]:
        """Returns for each of the first test rows whether it is not among the training rows; see datasets.facts."""
        if dataset.digest not in self._unseen:
            self._unseen[dataset.digest] = ~facts_of(self._store, dataset).seen_N
        return self._unseen[dataset.digest]

    def shard(self, dataset: Dataset, split: Split, index: int) -> RawShard:
        """Returns the verified rows of one shard; of a table `piece_rows` rows of the split, whatever its shards.

        Raises:
            OtherRows: its bytes differ from those that were written, and this version makes other rows.
            DamagedShard: they differ, and this version makes the same rows in other bytes.
            ForeignShard: another file is in its place.
            LostRows: rows of a table are damaged or missing, and its file is gone.

        """
        return self._held.get((dataset.digest, split, index), lambda: RawShard(*self._read(dataset, split, index)))

    def _read(self, dataset: Dataset, split: Split, index: int) -> Block:
        if isinstance(dataset, TableSplit):
            return self._read_table(dataset, split, index)
        return self._read_generated(dataset, split, index)

    def _read_table(self, dataset: TableSplit, split: Split, index: int) -> Block:
        try:
            return self._tables.filled(dataset, split, index, piece_rows(dataset, split))
        except (DamagedShard, DamagedManifest, FileNotFoundError) as error:
            self._few.warning("%s: read from its file again", error)
            table = dataset.table
            import_table(self._store, table, TableReader(self._store).batches(table))
            self._held.clear()
            self._tables = TableRows(self._store, self._held)
            return self._tables.filled(dataset, split, index, piece_rows(dataset, split))

    def _read_generated(self, dataset: DatasetSpec, split: Split, index: int) -> Block:
        if dataset.digest not in self._manifests:
            self._manifests[dataset.digest] = read_manifest(self._store, dataset)
        entry = self._manifests[dataset.digest].splits[split].shards[index]
        path = f"{folder_of(dataset)}/{entry.path}"
        data = self._store.get(path, most_bytes(dataset))
        try:
            table = decode_shard(data, dataset, entry)
        except DamagedShard as error:
            # Another version of the generator may give other rows than those that trials were trained on.
            data, again = encode_shard(dataset, split, index)
            refuse_other_rows(dataset, again, entry)
            if again != entry:
                raise
            self._few.warning("%s: %s; made again", path, error)
            self._store.put(path, data)
            table = decode_shard(data, dataset, entry)
        *inputs, target = (column.to_numpy() for column in table.columns)
        return np.column_stack(inputs), target


def piece_rows(dataset: Dataset, split: Split) -> int:
    """Returns how many rows are read at a time: a chunk of the training order, or fewer test rows of a wide table."""
    if split == "train" or not isinstance(dataset, TableSplit):
        return CHUNK_ROWS
    return pieces_of(dataset.inputs, _TEST_NUMBERS, CHUNK_ROWS)


@dataclass(frozen=True)
class NormalizedRows:
    """The rows of one dataset, in the normalisation of a pack."""

    reader: DatasetReader
    dataset: Dataset
    scale: Normalization

    @property
    def parts(self) -> tuple[Split, ...]:
        """The splits that have rows: tables have no extrapolation."""
        return parts_of(self.dataset)

    def training_rows(self, dtype: str) -> Rows:
        """Returns the train split, normalised, one chunk at a time."""

        def chunk(index: int) -> Chunk:
            inputs_NI, target_N = self.reader.shard(self.dataset, "train", index)
            return self.scale.inputs(inputs_NI, dtype), self.scale.target(target_N, dtype)

        return Rows(self.dataset.rows, chunk, (self.dataset.digest, self.scale, dtype))

    def evaluation_rows(self, split: Split, dtype: str) -> Iterator[tuple[NDArray[np.floating], NDArray[Any]]]:
        """Yields normalised inputs and raw targets of a split in order; of train only the first rows."""
        rows = self.dataset.rows_in(split)
        if split == "train":
            rows = min(rows, TRAIN_EVALUATION_ROWS)
        for index in range(-(-rows // piece_rows(self.dataset, split))):
            inputs_NI, target_N = self.reader.shard(self.dataset, split, index)
            yield self.scale.inputs(inputs_NI, dtype), target_N

    def unseen(self) -> NDArray[np.bool_]:
        """Returns for each of the first test rows whether it is not among the training rows; see datasets.facts."""
        return self.reader.unseen(self.dataset)
