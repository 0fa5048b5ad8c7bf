"""Errors of predictions in the target's units: sums over the rows in float64, and metrics that follow from them.

Suffixes: M models, N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EVALUATION_ROWS = 1024
"""Rows of one forward pass. It is constant, since a row's last bits may depend on the number of rows."""
_BLOCK = 16
"""Models whose predictions are compared at a time: their 128 KB stay in the cache, which was 3 times faster."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Sums over the rows of a split, per model [M]. They are not finite for a model whose predictions are not."""

    count: int
    """Rows."""
    squares_M: Floats
    """Sum of squared errors."""
    rounded_squares_M: Floats
    """Sum of squared errors of the predictions rounded to integers, as the question measured."""
    largest_M: Floats
    """Largest absolute error."""
    exact_M: NDArray[np.int64]
    """Rows whose rounded prediction is the target."""
    absolute_M: Floats
    """Sum of absolute errors."""
    chosen_squares_M: Floats
    """Sum of squared errors over the chosen rows alone."""
    chosen: int
    """Number of chosen rows."""
    total_squares: float
    """Sum of squared differences of the targets from their mean."""

    @property
    def rmse(self) -> Floats:
        """Root mean squared error."""
        return np.sqrt(self.squares_M / self.count)

    @property
    def rmse_chosen(self) -> Floats:
        """Root mean squared error over the chosen rows; NaN if there are none."""
        return np.sqrt(self.chosen_squares_M / self.chosen) if self.chosen else np.full_like(self.squares_M, np.nan)

    @property
    def mae(self) -> Floats:
        """Mean absolute error."""
        return self.absolute_M / self.count

    @property
    def rmse_rounded(self) -> Floats:
        """Root mean squared error of the rounded predictions."""
        return np.sqrt(self.rounded_squares_M / self.count)

    @property
    def r2(self) -> Floats:
        """Share of the targets' variance that is explained; NaN where they do not vary."""
        return 1 - self.squares_M / self.total_squares if self.total_squares else np.full_like(self.squares_M, np.nan)

    @property
    def exact_fraction(self) -> Floats:
        """Share of rows whose rounded prediction is the target."""
        return self.exact_M / self.count


def measure(
    predict: Callable[[NDArray[np.floating]], Floats],
    rows: Iterable[tuple[NDArray[np.floating], NDArray[np.int64]]],
    restore: Callable[[Floats], Floats],
    chosen_N: NDArray[np.bool_] | None = None,
) -> Errors:
    """Measures all models on rows in chunks: normalised inputs [N, I] with raw targets [N].

    `predict` returns normalised predictions [M, N] for at most `EVALUATION_ROWS` rows, and `restore` converts them to
    the target's units. `chosen_N` marks, among the first rows, those that are also measured separately.
    """
    chosen_N = np.zeros(0, bool) if chosen_N is None else chosen_N
    count, centre, sum_centred, sum_squares = 0, None, 0.0, 0.0
    sums: _Sums | None = None
    with np.errstate(over="ignore", invalid="ignore"):
        for x_NI, target_N in rows:
            expected_N = target_N.astype(np.float64)
            # The targets' variance is summed around a value near their mean, so that it doesn't cancel out.
            centre = expected_N.mean() if centre is None else centre
            before, count = count, count + len(expected_N)
            sum_centred += (expected_N - centre).sum()
            sum_squares += np.square(expected_N - centre).sum()
            # The parts have a constant size, whatever the size of the chunks.
            for start in range(0, len(expected_N), EVALUATION_ROWS):
                part = slice(start, start + EVALUATION_ROWS)
                here_N = np.flatnonzero(chosen_N[before + start : min(before + start + EVALUATION_ROWS, count)])
                added = _sums(predict(x_NI[part]), expected_N[part], restore, here_N)
                sums = added if sums is None else sums.plus(added)
    assert sums is not None, "a split has at least one row"
    chosen = int(np.count_nonzero(chosen_N[:count]))
    return Errors(count, *sums, chosen, total_squares=float(sum_squares - sum_centred**2 / count))


class _Sums(NamedTuple):
    """Sums over some rows, as in `Errors`."""

    squares_M: Floats
    rounded_squares_M: Floats
    largest_M: Floats
    exact_M: NDArray[np.int64]
    absolute_M: Floats
    chosen_squares_M: Floats

    def plus(self, other: _Sums) -> _Sums:
        """Returns the sums over the rows of both."""
        return _Sums(
            self.squares_M + other.squares_M,
            self.rounded_squares_M + other.rounded_squares_M,
            np.maximum(self.largest_M, other.largest_M),
            self.exact_M + other.exact_M,
            self.absolute_M + other.absolute_M,
            self.chosen_squares_M + other.chosen_squares_M,
        )


def _sums(
    predicted_MN: Floats, expected_N: Floats, restore: Callable[[Floats], Floats], chosen: NDArray[np.intp]
) -> _Sums:
    """Sums over these rows; `chosen` are the indices of those that are also summed separately."""
    models, rows = predicted_MN.shape
    squares_M, rounded_M, largest_M, absolute_M, chosen_M = np.empty((5, models))
    sums = _Sums(squares_M, rounded_M, largest_M, np.empty(models, np.int64), absolute_M, chosen_M)
    for first in range(0, models, _BLOCK):
        block = slice(first, first + _BLOCK)
        # One memory layout, whatever `predict` returned: in another one the order, and so the bits, of a sum differ.
        answer_MN = np.ascontiguousarray(restore(predicted_MN[block]))
        error_MN = answer_MN - expected_N
        rounded_MN = np.rint(answer_MN) - expected_N
        square_MN = np.square(error_MN)
        sums.squares_M[block] = square_MN.sum(1)
        sums.chosen_squares_M[block] = square_MN.take(chosen, axis=1).sum(1)
        sums.rounded_squares_M[block] = np.square(rounded_MN).sum(1)
        sums.largest_M[block] = np.abs(error_MN, out=error_MN).max(1)
        sums.absolute_M[block] = error_MN.sum(1)
        sums.exact_M[block] = rows - np.count_nonzero(rounded_MN, axis=1)
    return sums
