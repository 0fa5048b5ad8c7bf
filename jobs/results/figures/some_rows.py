"""A bounded number of a dataset's test rows: the first of generated ones, and evenly spread ones of a table.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.rows import Block
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.rows_of import block_of, block_rows
from sumsquares.jobs.storage.store import Store

MOST = 400
"""Rows."""
_BLOCKS = 4
"""Blocks of a table that are read: at most 32 MB each."""


def some_rows(store: Store, dataset: Named) -> Block:
    """Returns all test rows if there are few, else some: inputs [N, I] and targets [N].

    Generated rows are in random order, so the first are as good as any. A table may be sorted.

    Raises as `block_of` does.
    """
    if not isinstance(dataset, TableSplit):
        inputs_NI, target_N = block_of(store, dataset, "test", 0)
        return inputs_NI[:MOST], target_N[:MOST]
    count = -(-dataset.test_rows // block_rows(dataset))
    indices = _spread(count, _BLOCKS)
    found = [_of_block(store, dataset, int(index), MOST // len(indices)) for index in indices]
    return np.concatenate([x_NI for x_NI, _ in found]), np.concatenate([y_N for _, y_N in found])


def _of_block(store: Store, dataset: TableSplit, index: int, most: int) -> Block:
    inputs_NI, target_N = block_of(store, dataset, "test", index)
    places = _spread(len(target_N), most)
    return inputs_NI[places], target_N[places]


def _spread(count: int, most: int) -> NDArray[np.int64]:
    """Returns the places of at most so many of `count` things, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
