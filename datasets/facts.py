"""Facts of a dataset: measured on its rows once, so that they needn't be inferred from trained networks.

How many test rows also occur in training, whether the target varies at all, and how far a linear model can get. It
makes the rows from the spec, block by block, and stores nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.rows import block, block_count, blocks
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tasks import Integers, target_range

# Shapes: N rows, I input columns, K distinct keys.
MEASURED_ROWS = 1 << 20
"""How many test rows, from the first on, are looked up in training at most. Their keys take 8 MB."""
EXACT_TARGET = 2**53
"""Largest absolute target up to which float64, and so a prediction, holds every integer."""
_TABLE_BITS = 22
_MIX = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)  # odd multipliers of splitmix64

Block = tuple[Integers, NDArray[np.int64]]
Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset's rows."""

    seen_N: NDArray[np.bool_]
    """For each of the first MEASURED_ROWS test rows, whether a training row has the same inputs, unused ones too."""
    unseen_numbers: int
    """How many of them have numbers that are in no training row, whatever the unused inputs."""
    distinct: int
    """Distinct numbers (or combinations of numbers) among those test rows."""
    covers_range: bool
    """Whether the range has no others: a check on the test rows is then a check of the whole range."""
    constant: bool
    """Whether all targets of training and test rows are the same number."""
    largest_target: int
    """Largest absolute target of the test rows."""
    linear_rmse: float
    """RMSE of the linear function that fits the test rows best, by least squares: none gets below it there. 0 where it
    is within the rounding errors of float64."""
    linear_exact: bool
    """Whether that function is right on every test row after rounding."""

    @property
    def unseen(self) -> int:
        """Of the measured test rows, those whose inputs occur in no training row."""
        return int(np.count_nonzero(~self.seen_N))


def measure_facts(spec: DatasetSpec) -> Facts:
    """Measures a dataset. It reads training rows until every test row is found: all of them where one is missing."""
    seen_N, distinct = seen_rows(spec, spec.inputs)
    numbers_seen_N = seen_N
    if spec.unused:
        numbers_seen_N, distinct = seen_rows(spec, spec.n_numbers)
    low, high, rmse, is_exact = linear_fit(spec)
    return Facts(
        seen_N=seen_N,
        unseen_numbers=int(np.count_nonzero(~numbers_seen_N)),
        distinct=distinct,
        covers_range=distinct == spec.largest**spec.n_numbers,
        constant=low == high and _is_constant(blocks(spec, "train"), low),
        largest_target=max(abs(low), abs(high)),
        linear_rmse=rmse,
        linear_exact=is_exact,
    )


def largest_target(spec: DatasetSpec) -> int:
    """Returns the largest absolute target of the test rows."""
    bounds = [(int(target_N.min()), int(target_N.max())) for _, target_N in blocks(spec, "test")]
    return max(abs(bound) for both in bounds for bound in both)


def seen_rows(spec: DatasetSpec, columns: int) -> tuple[NDArray[np.bool_], int]:
    """Returns whether each of the first MEASURED_ROWS test rows is in training, and how many of them are distinct.

    Rows are the same if their first `columns` inputs are.
    """
    test_NI = _first_inputs(spec)[:, :columns]
    keys, distinct_KI, place_N = _distinct(test_NI, spec.largest)
    lookup = _Lookup(keys.of(distinct_KI))
    is_seen_K = np.zeros(len(distinct_KI), bool)
    for inputs_NI, _ in blocks(spec, "train"):
        train_NI = inputs_NI[:, :columns]
        hit_N, found = lookup.find(keys.of(train_NI))
        if not keys.exact:
            same = (train_NI[hit_N] == distinct_KI[found]).all(axis=1)
            found = found[same]
        is_seen_K[found] = True
        if is_seen_K.all():
            break
    return is_seen_K[place_N], len(distinct_KI)


def linear_fit(spec: DatasetSpec) -> tuple[int, int, float, bool]:
    """Fits a linear function to the test rows by least squares.

    Inputs and targets are scaled to about -1..1. A single block is fitted directly. More rows are fitted by the normal
    equations, which are well conditioned with that many independent rows. Exact means that every prediction is the
    target after rounding.

    Returns:
        The smallest and the largest target, the function's RMSE, and whether it is exact.

    """
    scale = float(target_range(spec.task, spec.n_numbers, 1, spec.largest)[1])
    centre, half = (1 + spec.largest) / 2, max(1.0, (spec.largest - 1) / 2)

    def columns(inputs_NI: Integers) -> NDArray[np.float64]:
        return np.column_stack([(inputs_NI - centre) / half, np.ones(len(inputs_NI))])

    gram, rows = np.zeros((spec.inputs + 2, spec.inputs + 2)), np.empty(0)
    low, high = 2**63, -(2**63)
    for inputs_NI, target_N in blocks(spec, "test"):
        low, high = min(low, int(target_N.min())), max(high, int(target_N.max()))
        rows = np.column_stack([columns(inputs_NI), target_N / scale])
        gram += rows.T @ rows
    together = rows if block_count(spec, "test") == 1 else gram[:-1]
    weights, *_ = np.linalg.lstsq(together[:, :-1], together[:, -1])
    squares, is_exact = 0.0, True
    for inputs_NI, target_N in blocks(spec, "test"):
        predicted_N = columns(inputs_NI) @ weights * scale
        squares += float(np.square(predicted_N - target_N).sum())
        is_exact = is_exact and bool((np.rint(predicted_N) == target_N).all())
    rmse = float(np.sqrt(squares / spec.test_rows))
    noise = 64 * (spec.inputs + 2) * np.finfo(float).eps * max(abs(low), abs(high))
    return low, high, 0.0 if rmse <= noise else rmse, is_exact and max(abs(low), abs(high)) <= EXACT_TARGET


def _is_constant(rows: Iterable[Block], value: int) -> bool:
    return all(bool((target_N == value).all()) for _, target_N in rows)


def _first_inputs(spec: DatasetSpec) -> Integers:
    count = -(-min(spec.test_rows, MEASURED_ROWS) // len(block(spec, "test", 0)[1]))
    parts = [block(spec, "test", index)[0] for index in range(count)]
    return np.concatenate(parts)[:MEASURED_ROWS]


@dataclass(frozen=True)
class _RowKeys:
    """Turns rows of numbers 1..largest into 64 bits: their place in the range where that fits, else a hash."""

    largest: int
    inputs: int
    mix: int

    @property
    def exact(self) -> bool:
        """Whether distinct rows have distinct keys."""
        return bool(self.largest**self.inputs < 2**63)

    def of(self, rows_NI: Integers) -> Keys:
        """Returns the key of each row."""
        factor = np.uint64(self.largest if self.exact else self.mix)
        key_N = np.zeros(len(rows_NI), np.uint64)
        for column in range(self.inputs):
            key_N *= factor
            key_N += rows_NI[:, column].astype(np.uint64) - np.uint64(1)
        return key_N


def _distinct(rows_NI: Integers, largest: int) -> tuple[_RowKeys, Integers, NDArray[np.intp]]:
    """Returns the keying of these rows, the distinct rows in the order of their keys, and each row's place in that."""
    for mix in _MIX:
        keys = _RowKeys(largest, rows_NI.shape[1], mix)
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
