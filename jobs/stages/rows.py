"""Reads the rows of generated datasets for a worker. Shards are verified when they are read, and cached up to a limit.

One reader serves all packs of a worker process. It generates nothing, except that it replaces a damaged shard of ours,
since equal specs give equal bytes.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.errors import DamagedShard
from sumsquares.datasets.manifest import Manifest
from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.shards import SHARD_ROWS, decode_shard, encode_shard
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import Split
from sumsquares.jobs.engines.shuffle import CHUNK_ROWS, Chunk, Rows
from sumsquares.jobs.messages.abbreviate import Few
from sumsquares.jobs.results.dataset_facts import facts_of
from sumsquares.jobs.stages.generate import folder_of, most_bytes, read_manifest, refuse_other_rows
from sumsquares.jobs.storage.store import Store

assert SHARD_ROWS == CHUNK_ROWS, "a chunk of the training order is a shard, so that streaming reads each once"
TRAIN_EVALUATION_ROWS = SHARD_ROWS
"""Limit of the training rows, counted from the first, for rmse_train: more would take as long as the training."""
log = logging.getLogger(__name__)

RawShard = tuple[Numbers, NDArray[Any]]
"""Inputs [N, I] and target [N], as stored."""


class DatasetReader:
    """Reads datasets of one store, with an LRU cache of shards of up to `memory_limit` bytes."""

    def __init__(self, store: Store, memory_limit: int = 1 << 30) -> None:
        self._store = store
        self._limit = memory_limit
        self._manifests: dict[str, Manifest] = {}
        self._unseen: dict[str, NDArray[np.bool_]] = {}
        self._held: OrderedDict[tuple[str, Split, int], RawShard] = OrderedDict()
        self._bytes = 0
        self._few = Few(log)

    def unseen(self, dataset: Dataset) -> NDArray[np.bool_]:
        """Returns for each of the first test rows whether it is not among the training rows; see datasets.facts."""
        if dataset.digest not in self._unseen:
            self._unseen[dataset.digest] = ~facts_of(self._store, dataset).seen_N
        return self._unseen[dataset.digest]

    def shard(self, dataset: Dataset, split: Split, index: int) -> RawShard:
        """Returns the verified rows of one shard.

        Raises:
            OtherRows: its bytes differ from those that were written, and this version makes other rows.
            DamagedShard: they differ, and this version makes the same rows in other bytes.
            ForeignShard: another file is in its place.

        """
        key = (dataset.digest, split, index)
        if key not in self._held:
            shard = self._read(dataset, split, index)
            self._bytes += _bytes(shard)
            self._held[key] = shard
            while self._bytes > self._limit and len(self._held) > 1:
                self._bytes -= _bytes(self._held.popitem(last=False)[1])
        self._held.move_to_end(key)
        return self._held[key]

    def _read(self, dataset: Dataset, split: Split, index: int) -> RawShard:
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


@dataclass(frozen=True)
class NormalizedRows:
    """The rows of one dataset, in the normalisation of a pack."""

    reader: DatasetReader
    dataset: Dataset
    scale: Normalization

    def training_rows(self, dtype: str) -> Rows:
        """Returns the train split, normalised, one chunk at a time."""

        def chunk(index: int) -> Chunk:
            inputs_NI, target_N = self.reader.shard(self.dataset, "train", index)
            return self.scale.inputs(inputs_NI, dtype), self.scale.target(target_N, dtype)

        return Rows(self.dataset.rows, chunk)

    def evaluation_rows(self, split: Split, dtype: str) -> Iterator[tuple[NDArray[np.floating], NDArray[Any]]]:
        """Yields normalised inputs and raw targets of a split in order; of train only the first rows."""
        rows = self.dataset.rows_in(split)
        if split == "train":
            rows = min(rows, TRAIN_EVALUATION_ROWS)
        for index in range(-(-rows // SHARD_ROWS)):
            inputs_NI, target_N = self.reader.shard(self.dataset, split, index)
            yield self.scale.inputs(inputs_NI, dtype), target_N

    def unseen(self) -> NDArray[np.bool_]:
        """Returns for each of the first test rows whether it is not among the training rows; see datasets.facts."""
        return self.reader.unseen(self.dataset)


def _bytes(shard: RawShard) -> int:
    return shard[0].nbytes + shard[1].nbytes
