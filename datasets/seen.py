"""Finds which test rows also occur in training, by a key of 64 bits for each row. Nothing is stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.rows import Block, block
from sumsquares.datasets.source import Numbers, Range, combinations
from sumsquares.datasets.spec import DatasetSpec

# Shapes: N rows, I numbers of a row, K distinct keys.
MEASURED_ROWS = 1 << 20
"""How many test rows, from the first on, are looked up in training at most. Their keys take 8 MB."""
_TABLE_BITS = 22
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # odd multipliers of splitmix64

Keys = NDArray[np.uint64]


def seen_rows(spec: DatasetSpec, columns: int, train: Iterable[Block]) -> tuple[NDArray[np.bool_], int]:
    """Returns whether each of the first MEASURED_ROWS test rows is in training, and how many of them are distinct.

    Rows are the same if the first `columns` of their numbers and unused columns are; digits stand for their number.
    Blocks of training rows are taken until every test row is found.
    """
    ranges = None if spec.source.is_real else spec.drawn("train")[0][:columns]
    drawn = (_drawn(spec, inputs_NI, columns) for inputs_NI, _ in train)
    return seen_among(_first_rows(spec, columns), drawn, ranges)


def seen_among(
    rows_NI: Numbers, train: Iterable[Numbers], ranges: tuple[Range, ...] | None = None
) -> tuple[NDArray[np.bool_], int]:
    """Returns whether each of some rows is in training, and how many of them are distinct.

    Blocks of training rows are taken until every one is found. Without `ranges` the numbers are real: float64.
    """
    keys, distinct_KI, place_N = _distinct(rows_NI, ranges)
    lookup = _Lookup(keys.of(distinct_KI))
    is_seen_K = np.zeros(len(distinct_KI), bool)
    for train_NI in train:
        hit_N, found = lookup.find(keys.of(train_NI))
        if not keys.exact:
            same = (train_NI[hit_N] == distinct_KI[found]).all(axis=1)
            found = found[same]
        is_seen_K[found] = True
        if is_seen_K.all():
            break
    return is_seen_K[place_N], len(distinct_KI)


def _drawn(spec: DatasetSpec, inputs_NI: Numbers, columns: int) -> Numbers:
    return spec.numbers_of(inputs_NI) if spec.n_digits else inputs_NI[:, :columns]


def _first_rows(spec: DatasetSpec, columns: int) -> Numbers:
    count = -(-min(spec.test_rows, MEASURED_ROWS) // len(block(spec, "test", 0)[1]))
    parts = [_drawn(spec, block(spec, "test", index)[0], columns) for index in range(count)]
    return np.concatenate(parts)[:MEASURED_ROWS]


@dataclass(frozen=True)
class _RowKeys:
    """Turns rows of numbers into 64 bits: integers to their place in the ranges where that fits, else a hash."""

    columns: int
    ranges: tuple[Range, ...] | None
    """None for real numbers."""
    mix: int

    @property
    def exact(self) -> bool:
        """Whether distinct rows have distinct keys."""
        return self.columns == 1 if self.ranges is None else combinations(self.ranges) < 2**63

    def of(self, rows_NI: Numbers) -> Keys:
        """Returns the key of each row."""
        spans = [each.integers for each in self.ranges] if self.ranges and self.exact else [self.mix] * self.columns
        key_N = np.zeros(len(rows_NI), np.uint64)
        for column, span in enumerate(spans):
            key_N *= np.uint64(span)
            key_N += self._bits(rows_NI[:, column], column)
        return key_N

    def _bits(self, numbers_N: NDArray[Any], column: int) -> Keys:
        if self.ranges is None:
            return (numbers_N + 0.0).view(np.uint64)  # 0.0 for -0.0, which is the same number
        low = int(self.ranges[column].low)
        return numbers_N.astype(np.uint64) - np.uint64(low % 2**64)  # modulo 2**64


def _distinct(rows_NI: Numbers, ranges: tuple[Range, ...] | None) -> tuple[_RowKeys, Numbers, NDArray[np.intp]]:
    """Returns the keying of these rows, the distinct rows in the order of their keys, and each row's place in that."""
    for mix in _MIX:
        keys = _RowKeys(rows_NI.shape[1], ranges, mix)
        _, first_K, place_N = np.unique(keys.of(rows_NI), return_index=True, return_inverse=True)
        distinct_KI = rows_NI[first_K]
        if (distinct_KI[place_N] == rows_NI).all():
            return keys, distinct_KI, place_N
    raise AssertionError("three hashes of 64 bits have collided")


class _Lookup:
    """Finds keys in a sorted list; a bitmap rules out nearly all that aren't in it."""

    def __init__(self, sorted_K: Keys) -> None:
        self._sorted_K = sorted_K
        self._may_be = np.zeros(1 << _TABLE_BITS, bool)
        self._may_be[self._slot(sorted_K)] = True

    def find(self, key_N: Keys) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Returns the rows whose keys are in the list, and the place of each key."""
        candidate = np.flatnonzero(self._may_be[self._slot(key_N)])
        place = np.searchsorted(self._sorted_K, key_N[candidate])
        place[place == len(self._sorted_K)] = 0
        is_there = self._sorted_K[place] == key_N[candidate]
        return candidate[is_there], place[is_there]

    def _slot(self, key_N: Keys) -> NDArray[np.intp]:
        return ((key_N * np.uint64(_MIX[0])) >> np.uint64(64 - _TABLE_BITS)).astype(np.intp)
