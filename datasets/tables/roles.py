"""Which rows of a table a split trains on, and which it holds out: from the stored columns alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sumsquares.datasets.tables.draws import keys, last_places, parts
from sumsquares.datasets.tables.numbers import values_of
from sumsquares.datasets.tables.table import TableDataset

# Shapes: N rows.
Roles = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Whether each row is a train row and whether it is a test row."""


class SplitRoles:
    """The roles of the rows in one split of a table."""

    def __init__(self, table: TableDataset, index: int) -> None:
        self._table, self._index = table, index
        self._held_out = table.held_out_columns[index] if table.held_out_columns else None
        self._last = last_places(table.seed, table.rows, ends(table)) if ends(table) else ()

    def of(self, first_row: int, batch: pa.RecordBatch) -> Roles:
        """Returns the roles of consecutive rows: stored columns from row `first_row` of the table on."""
        if self._table.test == 0:
            every_N = np.ones(len(batch), np.bool_)
            train_N, test_N = every_N, every_N
        elif self._held_out is not None:
            test_N = values_of(batch.column(self._held_out))
            train_N = ~test_N
        else:
            test_N = parts(self._table.seed, first_row, len(batch), self._last) == self._index
            train_N = ~test_N
        if self._table.validation is None:
            return train_N, test_N
        limit = np.uint64(int(self._table.validation * 2.0**64))
        drawn_N = keys(self._table.seed, "validation", first_row, len(batch)) < limit
        return train_N & ~drawn_N, train_N & drawn_N


def roles(table: TableDataset, index: int) -> SplitRoles:
    """Returns what says which rows of that split are train rows and which are test rows."""
    return SplitRoles(table, index)


def ends(table: TableDataset) -> tuple[int, ...]:
    """Returns after how many of the drawn rows each part ends but the last; () if no rows are drawn.

    The test rows are the first part, or those of a fold its own part.
    """
    if table.folds is not None:
        return tuple(part * table.rows // table.folds for part in range(1, table.folds))
    return (held_out(table.rows, table.test),) if isinstance(table.test, float) and table.test else ()


def held_out(rows: int, share: float) -> int:
    """Returns how many rows a share holds out: at least 1."""
    return max(1, round(share * rows))
