"""Which rows of a table a split trains on and holds out: until datasets/tables tells it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.tables.table import TableDataset

Bools = NDArray[np.bool_]


def roles(table: TableDataset, index: int, held_out_N: Bools | None = None) -> tuple[Bools, Bools]:
    """Returns which rows of a split are training rows, and which are test rows."""
    if held_out_N is not None:
        return ~held_out_N, held_out_N
    if table.test == 0:
        return np.ones(table.rows, bool), np.ones(table.rows, bool)
    order_N = np.random.Philox(key=table.seed).random_raw(table.rows).argsort().argsort()
    if table.folds is not None:
        is_test_N = order_N * table.folds // table.rows == index
    else:
        assert isinstance(table.test, float)
        is_test_N = order_N < max(1, round(table.test * table.rows))
    return ~is_test_N, is_test_N
