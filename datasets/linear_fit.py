"""The linear function that fits a dataset's test rows best, by least squares. No network is involved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.moments import Moments
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
    is_integer = spec.source.has_integer_target
    rmse, is_exact = _errors(made(), lambda inputs_NI: columns(inputs_NI) @ weights * scale, unit, is_integer, top)
    return LinearFit(low, high, 0.0 if rmse <= rounding(spec.inputs, top) else rmse, is_exact)


def fit_table(made: Callable[[], Iterable[Block]], moments: Moments, is_integer: bool) -> LinearFit:
    """Fits a linear function to the test rows of a table, which may be collinear, by least squares.

    Blocks are folded into one triangle of the QR decomposition, which keeps the digits that normal equations lose.
    """
    low, high = bounds(made())
    top = max(abs(low), abs(high))
    unit = math.ldexp(1.0, max(-1000, math.frexp(top)[1] - 1))
    columns = _scaled(moments)
    triangle = np.empty((0, len(moments.input_min) + 2))
    for inputs_NI, target_N in made():
        rows = np.column_stack([columns(inputs_NI), target_N / unit])
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, rows]), mode="r"))
    weights, *_ = np.linalg.lstsq(triangle[:, :-1], triangle[:, -1])
    rmse, is_exact = _errors(made(), lambda inputs_NI: columns(inputs_NI) @ weights * unit, unit, is_integer, top)
    return LinearFit(low, high, 0.0 if rmse <= rounding(triangle.shape[1] - 2, top) else rmse, is_exact)


def _errors(
    rows: Iterable[Block], predict: Callable[[Numbers], NDArray[np.float64]], unit: float, is_integer: bool, top: float
) -> tuple[float, bool]:
    """Returns the RMSE of predictions, and whether all are right after rounding."""
    squares, count, is_exact = 0.0, 0, is_integer and top <= EXACT_TARGET
    for inputs_NI, target_N in rows:
        predicted_N = predict(inputs_NI)
        squares += float(np.square((predicted_N - target_N) / unit).sum())
        count += len(target_N)
        is_exact = is_exact and bool((np.rint(predicted_N) == target_N).all())
    return float(np.sqrt(squares / count)) * unit, is_exact


def _scaled(moments: Moments) -> Callable[[Numbers], NDArray[np.float64]]:
    """Returns a function that scales the inputs of a table by their range in training, and adds a column of ones."""
    low_I, high_I = np.array(moments.input_min), np.array(moments.input_max)
    centre_I, half_I = low_I / 2 + high_I / 2, high_I / 2 - low_I / 2
    half_I[half_I == 0] = 1.0
    return lambda inputs_NI: np.column_stack([(inputs_NI - centre_I) / half_I, np.ones(len(inputs_NI))])


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
    power = math.ldexp(1.0, max(-1000, math.frexp(top)[1] - 1))
    return power, power


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
