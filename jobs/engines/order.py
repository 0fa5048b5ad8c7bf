"""In which order the rows are seen: a function of (shuffle seed, epoch), the same for every model of a pack.

Rows are shuffled in two levels, chunks first and then the rows of each chunk, so that a dataset read whole and the
same dataset streamed chunk by chunk give the same batches. Up to one chunk of rows that is a full shuffle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CHUNK_ROWS = 1_048_576
"""Rows of a chunk; one shard of a dataset, so that streaming reads each shard once per epoch."""
REMEMBERED_ROWS = 4096
"""Orders of so few rows are remembered, 512 of them: up to 16 MB a process, so that packs on one dataset share them."""
_CHUNKS, _ROWS = 1, 2  # purposes of draws

Chunk = tuple[NDArray[np.floating], NDArray[np.floating]]


@dataclass(frozen=True)
class Rows:
    """Normalised training rows, handed out a chunk at a time."""

    count: int
    """All rows."""
    chunk: Callable[[int], Chunk]
    """Index of a chunk -> (x_NI, y_N)."""

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.count // CHUNK_ROWS)


def in_memory(x_NI: NDArray[np.floating], y_N: NDArray[np.floating]) -> Rows:
    """Rows that are held as two arrays."""

    def chunk(index: int) -> Chunk:
        part = slice(index * CHUNK_ROWS, (index + 1) * CHUNK_ROWS)
        return x_NI[part], y_N[part]

    return Rows(len(y_N), chunk)


def _shuffled(count: int, seed: int, purpose: int, epoch: int, index: int) -> NDArray[np.intp]:
    """A permutation by sorting random words: their stream is one that numpy promises never to change."""
    words = np.random.Philox(key=[seed, purpose], counter=[0, 0, index, epoch]).random_raw(count)
    return np.argsort(words, kind="stable")


_remembered = lru_cache(maxsize=512)(_shuffled)


def _order(count: int, seed: int, purpose: int, epoch: int, index: int) -> NDArray[np.intp]:
    few = count <= REMEMBERED_ROWS
    return (_remembered if few else _shuffled)(count, seed, purpose, epoch, index)


def spans(rows: Rows, batch_size: int, shuffle_seed: int, epoch: int, skip: int = 0) -> Iterator[Chunk]:
    """The rows (x_NI, y_N) of one epoch in order, from batch `skip` on: whole batches, and at the end what is left."""
    left = skip * batch_size
    rest: Chunk | None = None
    for index in _order(rows.chunks, shuffle_seed, _CHUNKS, epoch, 0):
        count = min(CHUNK_ROWS, rows.count - int(index) * CHUNK_ROWS)
        if left >= count:
            left -= count
            continue
        x_NI, y_N = rows.chunk(int(index))
        order = _order(count, shuffle_seed, _ROWS, epoch, int(index))[left:]
        left = 0
        x_NI, y_N = x_NI[order], y_N[order]
        if rest is not None:
            x_NI, y_N = np.concatenate((rest[0], x_NI)), np.concatenate((rest[1], y_N))
        whole = len(y_N) - len(y_N) % batch_size
        if whole:
            yield x_NI[:whole], y_N[:whole]
        rest = (x_NI[whole:], y_N[whole:])
    if rest is not None and len(rest[1]):
        yield rest


def batches(rows: Rows, batch_size: int, shuffle_seed: int, epoch: int, skip: int = 0) -> Iterator[Chunk]:
    """The batches (x_NI, y_N) of one epoch, from batch `skip` on; all but the last have `batch_size` rows."""
    for x_NI, y_N in spans(rows, batch_size, shuffle_seed, epoch, skip):
        for start in range(0, len(y_N), batch_size):
            yield x_NI[start : start + batch_size], y_N[start : start + batch_size]
