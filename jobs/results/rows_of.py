"""The rows of any dataset, block by block: generated from a spec, or of a table read from the store's shards."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sumsquares.datasets import rows
from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.rows import BLOCK_ROWS, Block
from sumsquares.datasets.source import SPLITS, Split
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.table_rows import TableRows
from sumsquares.jobs.storage.store import Store

_BLOCK_NUMBERS = 1 << 22
"""Of the inputs of a block of a table: 32 MB."""


def block_of(store: Store, dataset: Dataset, part: Split, index: int) -> Block:
    """Returns a block of a part of a dataset: as many rows as `block_rows` says, or as many as are left.

    Returns:
        inputs_NI: raw inputs; of a table float64, with the means of the split's training rows in place of nulls.
        target_N: int64, or float64 where targets needn't be integers.

    Raises:
        FileNotFoundError: the rows of the table are not in the store.
        DamagedShard, ForeignShard: a shard isn't what was written.

    """
    if isinstance(dataset, TableSplit):
        return _tables(store.root).filled(dataset, part, index, block_rows(dataset))
    return rows.block(dataset, part, index)


def block_rows(dataset: Dataset) -> int:
    """Returns the rows of a block: BLOCK_ROWS, a multiple of those of a wide table."""
    return pieces_of(dataset.inputs, _BLOCK_NUMBERS) if isinstance(dataset, TableSplit) else BLOCK_ROWS


def pieces_of(inputs: int, numbers: int, most: int = BLOCK_ROWS) -> int:
    """Returns in how many rows a table is read so that they have no more numbers: a power of two, at least 1,024."""
    return max(1024, min(most, 1 << (numbers // inputs).bit_length() - 1))


def parts_of(dataset: Dataset) -> tuple[Split, ...]:
    """Returns the parts of a dataset that have rows: a table has no extrapolation."""
    return tuple(part for part in SPLITS if dataset.rows_in(part))


def blocks_of(store: Store, dataset: Dataset, part: Split) -> Iterator[Block]:
    """Yields all rows of a part of a dataset in order, a block at a time, as `block_of` does."""
    count = -(-dataset.rows_in(part) // block_rows(dataset))
    return (block_of(store, dataset, part, index) for index in range(count))


@lru_cache(maxsize=4)
def _tables(root: str) -> TableRows:
    return TableRows(Store(root))
