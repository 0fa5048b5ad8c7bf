"""The linear function that fits a dataset's test rows best, by least squares. No network is involved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.rows import Block, block_count, blocks
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tasks import target_range

# Shapes: N rows, I input columns.
EXACT_TARGET = 2**53
"""Largest absolute target up to which float64, and so a prediction, holds every integer."""
_MANY_INPUTS = 64
"""Of a formula, above which the normal equations are solved: 0.4 s instead of 5.4 for 10,000 rows of 1,024 inputs."""

_MOST_HELD = 1 << 24
"""Numbers of the test rows that are held in memory, instead of being made three times: 128 MB."""


class LinearFit(NamedTuple):
    """How well the function fits."""

    low: float
    """The smallest target, an integer for a task."""
    high: float
    """The largest one."""
    rmse: float
    """Of the function on the test rows; 0 where it is within the rounding errors of float64."""
    is_exact: bool
    """Whether targets are integers, and every prediction is the target after rounding."""


def linear_fit(spec: DatasetSpec) -> LinearFit:
    """Fits a linear function to the test rows by least squares.

    Inputs and targets are scaled to about -1..1. A single block is fitted directly. More rows, and many inputs, are
    fitted by the normal equations, which are well conditioned with that many independent rows.
    """
    is_held = spec.test_rows * spec.inputs <= _MOST_HELD
    test: list[Block] | None = [*blocks(spec, "test")] if is_held else None

    def made() -> Iterable[Block]:
        return blocks(spec, "test") if test is None else test

    low, high = bounds(made())
    top = max(abs(low), abs(high))
    scale, unit = _target_scale(spec, top)
    columns = _columns_of(spec)
    is_direct = block_count(spec, "test") == 1 and not _has_many_inputs(spec)
    weights = _weights(spec, made(), columns, scale, is_direct)
    squares, is_exact = 0.0, spec.source.has_integer_target and top <= EXACT_TARGET
    for inputs_NI, target_N in made():
        predicted_N = columns(inputs_NI) @ weights * scale
        squares += float(np.square((predicted_N - target_N) / unit).sum())
        is_exact = is_exact and bool((np.rint(predicted_N) == target_N).all())
    rmse = float(np.sqrt(squares / spec.test_rows)) * unit
    return LinearFit(low, high, 0.0 if rmse <= rounding(spec.inputs, top) else rmse, is_exact)


class TableFit:
    """Fits a linear function to the test rows of a table, which may be collinear, by least squares, as they pass.

    Blocks are folded into one triangle of the QR decomposition, which keeps the digits that normal equations lose.
    """

    def __init__(self) -> None:
        self._count = 0
        self._centre_I = self._half_I = np.empty(0)
        self._unit = 1.0
        self._triangle = np.empty((0, 0))

    def add(self, inputs_NI: Numbers, target_N: NDArray[Any]) -> None:
        """Adds a block of rows; the first one tells how columns are scaled."""
        if not self._count:
            low_I, high_I = inputs_NI.min(axis=0), inputs_NI.max(axis=0)
            self._centre_I, self._half_I = low_I / 2 + high_I / 2, high_I / 2 - low_I / 2
            self._half_I[self._half_I == 0] = 1.0
            self._unit = _power_of(float(np.abs(target_N).max()))
            self._triangle = np.empty((0, inputs_NI.shape[1] + 2))
        rows = np.column_stack([self._scaled(inputs_NI), target_N / self._unit])
        self._triangle = np.asarray(np.linalg.qr(np.concatenate([self._triangle, rows]), mode="r"))
        self._count += len(target_N)

    def rmse(self, top: float) -> float:
        """Returns the RMSE of the function, for targets of at most that size; 0 within the rounding errors of float64.

        It is the distance of the triangle's last column from the others.
        """
        distance = self._triangle[:, :-1] @ self._weights - self._triangle[:, -1]
        rmse = float(np.linalg.norm(distance)) / math.sqrt(self._count) * self._unit
        return 0.0 if rmse <= rounding(len(self._half_I), top) else rmse

    def is_exact(self, rows: Iterable[Block]) -> bool:
        """Whether every prediction is the target after rounding."""
        return all(
            bool((np.rint(self._scaled(inputs_NI) @ self._weights * self._unit) == target_N).all())
            for inputs_NI, target_N in rows
        )

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        weights, *_ = np.linalg.lstsq(self._triangle[:, :-1], self._triangle[:, -1])
        return np.asarray(weights, np.float64)

    def _scaled(self, inputs_NI: Numbers) -> NDArray[np.float64]:
        scaled_NI = (inputs_NI - self._centre_I) / self._half_I
        return np.column_stack([scaled_NI, np.ones(len(inputs_NI))])


def rounding(inputs: int, top: float) -> float:
    """Returns the RMSE that rounding errors alone may leave, for targets of at most that size."""
    return float(64 * (inputs + 2) * np.finfo(float).eps * top)


def bounds(rows: Iterable[Block]) -> tuple[float, float]:
    """Returns the smallest and the largest target of rows: integers for a task."""
    lows, highs = zip(*((target_N.min().item(), target_N.max().item()) for _, target_N in rows), strict=True)
    return min(lows), max(highs)


def _target_scale(spec: DatasetSpec, top: float) -> tuple[float, float]:
    """Returns what targets are divided by, and the unit of their errors: without it squares of tiny ones would be 0."""
    if spec.task is not None:
        assert spec.largest is not None
        return float(target_range(spec.task, spec.n_numbers, 1, spec.largest)[1]), 1.0
    power = _power_of(top)
    return power, power


def _power_of(top: float) -> float:
    """Returns a power of two of about that size."""
    return math.ldexp(1.0, max(-1000, math.frexp(top)[1] - 1))


def _columns_of(spec: DatasetSpec) -> Callable[[Numbers], NDArray[np.float64]]:
    """Returns a function that scales inputs and adds a column of ones."""
    low_I, high_I = np.array(spec.input_ranges("train"), np.float64).T
    half_I = (high_I - low_I) / 2
    if not spec.source.is_real:
        half_I = np.maximum(1.0, half_I)
    centre_I = (low_I + high_I) / 2
    return lambda inputs_NI: np.column_stack([(inputs_NI - centre_I) / half_I, np.ones(len(inputs_NI))])


def _has_many_inputs(spec: DatasetSpec) -> bool:
    return spec.formula is not None and spec.inputs > _MANY_INPUTS and spec.test_rows >= 4 * spec.inputs


def _weights(
    spec: DatasetSpec, test: Iterable[Block], columns: Callable[[Numbers], Any], scale: float, is_direct: bool
) -> NDArray[np.float64]:
    """Returns the weights of the scaled inputs and the constant."""
    gram = np.zeros((spec.inputs + 2, spec.inputs + 2))
    rows = np.empty(0)
    for inputs_NI, target_N in test:
        rows = np.column_stack([columns(inputs_NI), target_N / scale])
        if not is_direct:
            gram += rows.T @ rows
    together = rows if is_direct else gram[:-1]
    weights, *_ = np.linalg.lstsq(together[:, :-1], together[:, -1])
    return np.asarray(weights, np.float64)
