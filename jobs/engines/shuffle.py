"""The order of the training rows: a function of (shuffle seed, epoch, rows), the same for every model of a pack.

Rows are shuffled on two levels: first the chunks, then the rows of each chunk. So a dataset in memory and the same
dataset streamed chunk by chunk give the same batches. For datasets of up to one chunk it is a full shuffle.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

CHUNK_ROWS = 1_048_576
"""Rows of a chunk; one shard of a dataset, so that streaming reads each shard once per epoch."""
BLOCK_ROWS = 1 << 16
"""Rows whose order is drawn in one call; for a small dataset those are many epochs."""
CACHED_BLOCKS = 32
"""Blocks of orders that are cached, at most 16 MB per process: packs on one dataset share them."""
_CHUNKS, _ROWS = 1, 2  # purposes of draws

Chunk = tuple[NDArray[np.floating], NDArray[np.floating]]


@dataclass(frozen=True)
class Rows:
    """Normalised training rows, which are read one chunk at a time."""

    count: int
    """Number of rows."""
    chunk: Callable[[int], Chunk]
    """Reads the chunk of an index: (x_NI, y_N)."""
    key: Hashable | None = None
    """Rows with equal keys are equal, so that a GPU may keep them between packs; None if that is unknown."""

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.count // CHUNK_ROWS)


def in_memory(x_NI: NDArray[np.floating], y_N: NDArray[np.floating]) -> Rows:
    """Returns rows that are two arrays in memory."""

    def chunk(index: int) -> Chunk:
        part = slice(index * CHUNK_ROWS, (index + 1) * CHUNK_ROWS)
        return x_NI[part], y_N[part]

    return Rows(len(y_N), chunk)


def _orders(count: int, seed: int, purpose: int, index: int, block: int) -> NDArray[np.intp]:
    """Returns the orders [E, count] of a block of epochs, by sorting random words whose last bits are their index.

    numpy guarantees that the words of a seed never change.
    """
    epochs = _epochs_of_a_block(count)
    words = np.random.Philox(key=[seed, purpose], counter=[0, 0, index, block]).random_raw(epochs * count)
    words = words.reshape(epochs, count)
    last_bits = np.uint64((1 << (count - 1).bit_length()) - 1)
    words &= ~last_bits
    words |= np.arange(count, dtype=np.uint64)
    words.sort(axis=1)
    return (words & last_bits).astype(np.intp)


_cached_orders = lru_cache(maxsize=CACHED_BLOCKS)(_orders)


def _epochs_of_a_block(count: int) -> int:
    return max(1, BLOCK_ROWS // count)


def _order(count: int, seed: int, purpose: int, first: int, last: int, index: int = 0) -> NDArray[np.intp]:
    """Returns the orders [E, count] of epochs `first` to before `last`."""
    if count == 1:
        return np.zeros((last - first, 1), np.intp)
    epochs = _epochs_of_a_block(count)
    draw = _cached_orders if count <= BLOCK_ROWS else _orders
    blocks = range(first // epochs, -(-last // epochs))
    drawn = [draw(count, seed, purpose, index, block) for block in blocks]
    orders = drawn[0] if len(drawn) == 1 else np.concatenate(drawn)
    return orders[first - blocks[0] * epochs : last - blocks[0] * epochs]


def spans(rows: Rows, batch_size: int, shuffle_seed: int, epoch: int, skip: int = 0) -> Iterator[Chunk]:
    """Yields the rows (x_NI, y_N) of one epoch in order, from batch `skip` on: whole batches, then the remainder."""
    left = skip * batch_size
    rest: Chunk | None = None
    for index in _order(rows.chunks, shuffle_seed, _CHUNKS, epoch, epoch + 1)[0]:
        # Chunks that the skipped batches cover are not read.
        count = min(CHUNK_ROWS, rows.count - int(index) * CHUNK_ROWS)
        if left >= count:
            left -= count
            continue

        x_NI, y_N = rows.chunk(int(index))
        order = _order(count, shuffle_seed, _ROWS, epoch, epoch + 1, int(index))[0, left:]
        left = 0
        x_NI, y_N = np.take(x_NI, order, axis=0), y_N[order]

        # A batch may span two chunks: the rows that don't fill one are kept for the next chunk.
        if rest is not None:
            x_NI, y_N = np.concatenate((rest[0], x_NI)), np.concatenate((rest[1], y_N))
        whole = len(y_N) - len(y_N) % batch_size
        if whole:
            yield x_NI[:whole], y_N[:whole]
        rest = (x_NI[whole:], y_N[whole:])
    if rest is not None and len(rest[1]):
        yield rest


def batches(rows: Rows, batch_size: int, shuffle_seed: int, epoch: int, skip: int = 0) -> Iterator[Chunk]:
    """Yields the batches (x_NI, y_N) of one epoch, from batch `skip` on; all but the last have `batch_size` rows."""
    for x_NI, y_N in spans(rows, batch_size, shuffle_seed, epoch, skip):
        for start in range(0, len(y_N), batch_size):
            yield x_NI[start : start + batch_size], y_N[start : start + batch_size]


def step_blocks(
    rows: Rows, batch_size: int, shuffle_seed: int, epochs: int, step: int, enough: int
) -> Iterator[tuple[*Chunk, NDArray[np.int64]]]:
    """Yields blocks of steps from `step` on: their rows in order, and where the batch of each step ends among them.

    A block has at least `enough` rows, from several epochs if need be. Only the last block may have fewer, and those of
    datasets of several chunks.
    """
    first, skip = divmod(step, -(-rows.count // batch_size))

    # Chunks are streamed, since all of them together may not fit into memory.
    if rows.chunks > 1:
        for epoch in range(first, epochs):
            for x_NI, y_N in spans(rows, batch_size, shuffle_seed, epoch, skip if epoch == first else 0):
                yield x_NI, y_N, _ends(len(y_N), batch_size)
        return

    # Small datasets: the rows of several epochs at once. Only the first block starts in the middle of an epoch.
    epochs_per_block = -(-enough // rows.count)
    for begin in range(first, epochs, epochs_per_block):
        end = min(begin + epochs_per_block, epochs)
        x_NI, y_N = rows.chunk(0)
        order = _order(rows.count, shuffle_seed, _ROWS, begin, end).ravel()[skip * batch_size :]
        epoch_starts = np.arange(end - begin)[:, None] * rows.count
        ends = (epoch_starts + _ends(rows.count, batch_size)).ravel()[skip:] - skip * batch_size
        yield np.take(x_NI, order, axis=0), y_N[order], ends
        skip = 0


def _ends(count: int, batch_size: int) -> NDArray[np.int64]:
    return np.minimum(np.arange(1, -(-count // batch_size) + 1) * batch_size, count)
