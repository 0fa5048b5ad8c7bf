"""A bounded number of a dataset's test rows: the first of generated ones, and evenly spread ones of a table.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Named
from sumsquares.datasets.rows import Block
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.rows_of import block_of, block_rows
from sumsquares.jobs.results.samples import ROWS
from sumsquares.jobs.storage.store import Store

MOST = 400
"""Rows."""
_BLOCKS = 4
"""Blocks of a table that are read: at most 32 MB each."""


class HeldOut(NamedTuple):
    """Some test rows: inputs [N, I] and targets [N]."""

    first: Block
    """Those of the question's table."""
    some: Block
    """All if there are few."""


def held_out(store: Store, dataset: Named) -> HeldOut:
    """Returns some test rows of a dataset.

    Generated rows are in random order, so the first are as good as any. A table may be sorted.

    Raises as `block_of` does.
    """
    block = block_of(store, dataset, "test", 0)
    some = _spread(store, dataset) if isinstance(dataset, TableSplit) else _rows(block, slice(MOST))
    return HeldOut(_rows(block, slice(ROWS)), some)


def _spread(store: Store, dataset: TableSplit) -> Block:
    indices = _places(-(-dataset.test_rows // block_rows(dataset)), _BLOCKS)
    blocks = [block_of(store, dataset, "test", int(index)) for index in indices]
    inputs, targets = zip(
        *(_rows(block, _places(len(block[1]), MOST // len(indices))) for block in blocks), strict=True
    )
    return np.concatenate(inputs), np.concatenate(targets)


def _rows(block: Block, which: slice | NDArray[np.int64]) -> Block:
    inputs_NI, target_N = block
    return inputs_NI[which], target_N[which]


def _places(count: int, most: int) -> NDArray[np.int64]:
    """Returns the places of at most so many of `count` things, the first and the last among them."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
