"""The linear function with a constant that fits rows best, one block after the other.

Two passes: the first finds columns that are orthogonal on these rows, the second solves for them. Normal equations of
the columns themselves would lose half of the digits; a QR of the rows, of 10 columns, takes 20 times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.rows import Block

# Shapes: N rows of a block, I input columns, C = I + 1 columns with the constant, R of them independent.
Reals = NDArray[np.float64]


class Scale(NamedTuple):
    """What columns are shifted and divided by, so that neither their unit nor their size matters."""

    centre_I: Reals
    half_I: Reals
    centre: float
    half: float

    @classmethod
    def of(cls, inputs_NI: NDArray[Any], target_N: NDArray[Any]) -> Scale:
        """Returns the middle and half the range of these rows; others may lie outside."""
        columns_NC = np.column_stack([inputs_NI, target_N]).astype(np.float64)
        low_C, high_C = columns_NC.min(axis=0) / 2, columns_NC.max(axis=0) / 2
        centre_C, half_C = low_C + high_C, high_C - low_C
        half_C = np.where(half_C > 0, half_C, np.where(centre_C == 0, 1.0, np.abs(centre_C)))
        return cls(centre_C[:-1], half_C[:-1], float(centre_C[-1]), float(half_C[-1]))

    def columns(self, inputs_NI: NDArray[Any]) -> Reals:
        """Returns the scaled inputs and a column of ones."""
        return np.column_stack([(inputs_NI - self.centre_I) / self.half_I, np.ones(len(inputs_NI))])

    def target(self, target_N: NDArray[Any]) -> Reals:
        """Returns the scaled targets."""
        return np.asarray((target_N - self.centre) / self.half, np.float64)


class Linear(NamedTuple):
    """The mean of the targets, and the linear function; both give scaled targets."""

    scale: Scale
    mean: float
    weights_C: Reals
    """Of columns that follow from others, the one choice that does not rest on rounding errors."""
    rows: int
    """How many it was fitted to."""


def fit(rows: Callable[[], Iterable[Block]]) -> Linear:
    """Returns what fits the rows best; `rows` gives the same blocks each time."""
    scale, count, total, gram_CC = None, 0, 0.0, np.zeros(())
    for inputs_NI, target_N in rows():
        scale = scale or Scale.of(inputs_NI, target_N)
        gram_CC = gram_CC + _gram(scale.columns(inputs_NI))
        count, total = count + len(target_N), total + float(scale.target(target_N).sum())
    assert scale is not None, "a dataset has rows"

    basis_CR = _basis(gram_CC)
    gram_RR, product_R = np.zeros(()), np.zeros(())
    for inputs_NI, target_N in rows():
        columns_NR = scale.columns(inputs_NI) @ basis_CR
        gram_RR, product_R = gram_RR + _gram(columns_NR), product_R + scale.target(target_N) @ columns_NR
    return Linear(scale, total / count, basis_CR @ np.linalg.solve(gram_RR, product_R), count)


def _gram(columns_NC: Reals) -> Reals:
    return np.asarray(columns_NC.T @ columns_NC)


def _basis(gram_CC: Reals) -> Reals:
    """Returns combinations of the columns that are orthogonal and of length 1 on the rows, but for rounding errors."""
    length_C = np.sqrt(np.diag(gram_CC))
    length_C = np.where(length_C > 0, length_C, 1.0)
    values_C, vectors_CC = np.linalg.eigh(gram_CC / np.outer(length_C, length_C))
    kept_C = values_C > 16 * len(values_C) * np.finfo(float).eps * values_C[-1]
    return np.asarray(vectors_CC[:, kept_C] / np.sqrt(values_C[kept_C]) / length_C[:, None])
