"""Which rows of a table a split trains on, and which it holds out: from the stored columns alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sumsquares.datasets.tables.draws import keys, last_places, parts
from sumsquares.datasets.tables.numbers import values_of
from sumsquares.datasets.tables.table import TableDataset

# Shapes: N rows.
_CHUNK = 1 << 20  # rows
Roles = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""Whether each row is a train row, and whether it is a test row."""


@dataclass(frozen=True)
class Drawing:
    """How the rows of a table are held out; `rows` is needed only where they are drawn by `test` or `folds`."""

    seed: int
    rows: int
    test: float | str | tuple[str, ...] | None
    folds: int | None
    validation: float | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The boolean columns that name the test rows of each split; empty if the rows are drawn."""
        return (self.test,) if isinstance(self.test, str) else self.test if isinstance(self.test, tuple) else ()

    @property
    def names(self) -> tuple[str | None, ...]:
        """What results call the splits."""
        return self.columns or tuple(f"fold_{number}" for number in range(1, (self.folds or 0) + 1)) or (None,)

    @property
    def ends(self) -> tuple[int, ...]:
        """After how many of the drawn rows each part ends but the last: the first are held out, or each as a fold."""
        if self.folds is not None:
            return tuple(part * self.rows // self.folds for part in range(1, self.folds))
        return () if not isinstance(self.test, float) or not self.test else (_held_out(self.rows, self.test),)

    def of_all(self, first_row: int, batch: pa.RecordBatch) -> Iterator[Roles]:
        """Yields the roles of consecutive rows in each split."""
        part_N = self._parts(first_row, len(batch))
        for index in range(len(self.names)):
            yield self._roles(index, first_row, batch, part_N)

    def of(self, index: int, first_row: int, batch: pa.RecordBatch) -> Roles:
        """Returns the roles of consecutive rows in one split: of stored columns from row `first_row` on."""
        return self._roles(index, first_row, batch, self._parts(first_row, len(batch)))

    def sizes(self) -> Iterator[tuple[int, int]]:
        """Yields how many rows each split of drawn rows trains on and tests on."""
        counts = [[0, 0] for _ in self.names]
        for first in range(0, self.rows, _CHUNK):
            batch = pa.RecordBatch.from_arrays([pa.nulls(min(_CHUNK, self.rows - first))], ["none"])
            for count, roles_ in zip(counts, self.of_all(first, batch), strict=True):
                count[:] = [before + int(role_N.sum()) for before, role_N in zip(count, roles_, strict=True)]
        return ((train, test) for train, test in counts)

    def _parts(self, first_row: int, rows: int) -> NDArray[np.int64]:
        if not self.ends:
            return np.zeros(rows, np.int64)
        return parts(self.seed, first_row, rows, last_places(self.seed, self.rows, self.ends))

    def _roles(self, index: int, first_row: int, batch: pa.RecordBatch, part_N: NDArray[np.int64]) -> Roles:
        test_N = values_of(batch.column(self.columns[index])) if self.columns else part_N == index
        train_N = ~test_N
        if self.test == 0:
            test_N = train_N = np.ones(len(batch), np.bool_)
        if self.validation is None:
            return train_N, test_N
        drawn_N = keys(self.seed, "validation", first_row, len(batch)) < np.uint64(int(self.validation * 2.0**64))
        return train_N & ~drawn_N, train_N & drawn_N


@dataclass(frozen=True)
class SplitRoles:
    """The roles of the rows in one split of a table."""

    drawing: Drawing
    index: int

    def of(self, first_row: int, batch: pa.RecordBatch) -> Roles:
        """Returns the roles of consecutive rows: stored columns from row `first_row` of the table on."""
        return self.drawing.of(self.index, first_row, batch)


def roles(table: TableDataset, index: int) -> SplitRoles:
    """Returns what says which rows of that split are train rows and which are test rows."""
    return SplitRoles(Drawing(table.seed, table.rows, table.test, table.folds, table.validation), index)


def _held_out(rows: int, share: float) -> int:
    """Returns how many rows a share holds out: at least 1."""
    return max(1, round(share * rows))
