"""What the second pass finds: digest, counts, means, and inputs that repeat the target or each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sumsquares.datasets.linear_fit import EXACT_TARGET
from sumsquares.datasets.moments import total
from sumsquares.datasets.tables.digest import ContentDigest
from sumsquares.datasets.tables.leaks import Leak
from sumsquares.datasets.tables.numbers import valid_of, values_of
from sumsquares.datasets.tables.roles import Drawing
from sumsquares.datasets.tables.stored import StoredColumns

# Shapes: N rows of a block, S splits.
Floats = NDArray[np.float64]


class Sums:
    """Of one input with nulls: sums over each split's train rows, in the order of datasets/moments.py."""

    def __init__(self, splits: int) -> None:
        self.sum_S, self.count_S = [0.0] * splits, [0] * splits

    def add(self, split: int, value_N: Floats, chosen_N: NDArray[np.bool_]) -> None:
        """Adds the chosen rows of a block."""
        self.sum_S[split] += total(np.where(chosen_N, value_N, 0.0))
        self.count_S[split] += int(chosen_N.sum())


@dataclass
class Measured:
    """Of the rows that are used, block after block."""

    columns: StoredColumns
    drawing: Drawing
    """Of drawn rows it knows the number only with `missing` = "mean"; else nothing is counted that depends on it."""
    nulls: frozenset[str]
    """The columns of the file that have rows without a value."""

    def __post_init__(self) -> None:
        self.digest = ContentDigest(self.columns.schema)
        self.rows = 0
        self.is_integer = True
        self.train_S, self.test_S = ([0] * len(self.drawing.names) for _ in range(2))
        self.leaks = {each.name: Leak() for each in self.columns.inputs}
        self.ends: dict[str, tuple[float, float]] = {}
        self.sums: dict[str, Sums] = {}

    def add_all(self, blocks: Iterable[pa.RecordBatch]) -> None:
        """Adds blocks in their order."""
        for block in blocks:
            self.digest.add(block)
            self._add_target(values_of(block.column(self.columns.target)))
            target_N = values_of(block.column(self.columns.target)).astype(np.float64)
            for each in self.columns.inputs:
                self._add_input(each.name, block.column(each.name), target_N)
            self._add_roles(block)
            self.rows += len(block)

    def _add_target(self, target_N: NDArray[np.float64 | np.int64]) -> None:
        low, high = target_N.min().item(), target_N.max().item()
        self._widen(self.columns.target, float(low), float(high))
        is_exact = max(-low, high) <= EXACT_TARGET
        self.is_integer = bool(self.is_integer and is_exact and (target_N == np.rint(target_N)).all())

    def _add_input(self, name: str, array: pa.Array, target_N: Floats) -> None:
        value_N = values_of(array).astype(np.float64)
        if array.null_count:
            valid_N = valid_of(array)
            value_N, target_N = value_N[valid_N], target_N[valid_N]
        if len(value_N):
            self._widen(name, float(value_N.min()), float(value_N.max()))
        leak = self.leaks[name]
        if leak.is_equal or leak.is_linear:
            leak.add(value_N, target_N)

    def _widen(self, name: str, low: float, high: float) -> None:
        before = self.ends.get(name, (low, high))
        self.ends[name] = (min(before[0], low), max(before[1], high))

    def _add_roles(self, block: pa.RecordBatch) -> None:
        """Counts the rows of splits, and adds up inputs with nulls, where the roles of rows are known by now."""
        is_filled = self.columns.missing == "mean"
        if not self.drawing.columns and not is_filled:
            return
        filled = [each.name for each in self.columns.inputs if is_filled and each.column in self.nulls]
        arrays = {name: block.column(name) for name in filled}
        values = {name: (values_of(array).astype(np.float64), valid_of(array)) for name, array in arrays.items()}
        for split, (train_N, test_N) in enumerate(self.drawing.of_all(self.rows, block)):
            self.train_S[split] += int(train_N.sum())
            self.test_S[split] += int(test_N.sum())
            for name, (value_N, valid_N) in values.items():
                sums = self.sums.setdefault(name, Sums(len(self.train_S)))
                sums.add(split, value_N, valid_N & train_N)
