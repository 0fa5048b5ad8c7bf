"""Rows of a generated dataset for a worker: verified as they are read, held up to a limit, beyond it streamed.

One reader serves all packs of a worker process. Nothing is generated here, but for one thing: a shard of ours that
is found damaged is made again, since equal specs give equal bytes.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.errors import DamagedShard
from sumsquares.datasets.manifest import Manifest
from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.shards import SHARD_ROWS, decode_shard, encode_shard
from sumsquares.datasets.spec import DatasetSpec, Split
from sumsquares.jobs.engines.shuffle import CHUNK_ROWS, Chunk, Rows
from sumsquares.jobs.messages.abbreviate import Few
from sumsquares.jobs.stages.dataset_facts import facts_of
from sumsquares.jobs.stages.generate import folder_of, most_bytes, read_manifest
from sumsquares.jobs.storage.store import Store

assert SHARD_ROWS == CHUNK_ROWS, "a chunk of the training order is a shard, so that streaming reads each once"
TRAIN_EVALUATION_ROWS = SHARD_ROWS
"""Training rows that rmse_train is measured on, at most: the first ones. More would cost as much as training."""
log = logging.getLogger(__name__)

RawShard = tuple[NDArray[np.signedinteger], NDArray[np.int64]]
"""inputs [N, I] and target [N], as stored."""


class Reader:
    """Reads datasets of one store; holds the shards used last, up to `memory_limit` bytes."""

    def __init__(self, store: Store, memory_limit: int = 1 << 30) -> None:
        self._store = store
        self._limit = memory_limit
        self._manifests: dict[str, Manifest] = {}
        self._unseen: dict[str, NDArray[np.bool_]] = {}
        self._held: OrderedDict[tuple[str, Split, int], RawShard] = OrderedDict()
        self._bytes = 0
        self._few = Few(log)

    def training_rows(self, dataset: DatasetSpec, scale: Normalization, dtype: str) -> Rows:
        """The train split, normalised, a chunk at a time."""

        def chunk(index: int) -> Chunk:
            inputs_NI, target_N = self.shard(dataset, "train", index)
            return scale.inputs(inputs_NI, dtype), scale.target(target_N, dtype)

        return Rows(dataset.rows, chunk)

    def evaluation_rows(
        self, dataset: DatasetSpec, split: Split, scale: Normalization, dtype: str
    ) -> Iterator[tuple[NDArray[np.floating], NDArray[np.int64]]]:
        """Normalised inputs and raw targets of a split, in the order of the rows; of train the first ones alone."""
        rows = dataset.rows_in(split)
        if split == "train":
            rows = min(rows, TRAIN_EVALUATION_ROWS)
        for index in range(-(-rows // SHARD_ROWS)):
            inputs_NI, target_N = self.shard(dataset, split, index)
            yield scale.inputs(inputs_NI, dtype), target_N

    def unseen(self, dataset: DatasetSpec) -> NDArray[np.bool_]:
        """Of each test row, of the first ones at least, whether it occurs in no training row: see datasets.facts."""
        if dataset.digest not in self._unseen:
            self._unseen[dataset.digest] = ~facts_of(self._store, dataset).seen_N
        return self._unseen[dataset.digest]

    def shard(self, dataset: DatasetSpec, split: Split, index: int) -> RawShard:
        """The rows of one shard as they are stored, verified.

        Raises:
            DamagedShard: its bytes are not those that were written, and can't be made again by this version.
            ForeignShard: something else lies in its place.

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

    def _read(self, dataset: DatasetSpec, split: Split, index: int) -> RawShard:
        if dataset.digest not in self._manifests:
            self._manifests[dataset.digest] = read_manifest(self._store, dataset)
        entry = self._manifests[dataset.digest].splits[split].shards[index]
        path = f"{folder_of(dataset)}/{entry.path}"
        data = self._store.get(path, most_bytes(dataset))
        try:
            table = decode_shard(data, dataset, entry)
        except DamagedShard as error:
            data, again = encode_shard(dataset, split, index)
            if again != entry:
                raise
            self._few.warning("%s: %s; made again", path, error)
            self._store.put(path, data)
            table = decode_shard(data, dataset, entry)
        *inputs, target = (column.to_numpy() for column in table.columns)
        return np.column_stack(inputs), target


def _bytes(shard: RawShard) -> int:
    return shard[0].nbytes + shard[1].nbytes
