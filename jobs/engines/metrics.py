"""How far predictions are from the targets, in the target's own units: sums in float64 first, one division last.

Suffixes: M models, N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EVALUATION_ROWS = 1024
"""Rows of one forward pass: a constant, since a row's last bits may depend on how many rows go with it."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Sums over the rows of a split, per model [M]; a model whose predictions are not finite has sums that are not."""

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
    total_squares: float
    """Sum of squared differences of the targets from their mean."""

    @property
    def rmse(self) -> Floats:
        """Root mean squared error."""
        return np.sqrt(self.squares_M / self.count)

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
) -> Errors:
    """Errors of all models on pieces of rows: normalised inputs [N, I] with raw targets [N].

    `predict` gives normalised predictions [M, N] of at most `EVALUATION_ROWS` rows, `restore` brings them back to
    the target's units.
    """
    count, centre, sum_centred, sum_squares = 0, None, 0.0, 0.0
    squares = rounded = largest = np.zeros(1)
    exact = np.zeros(1, np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        for x_NI, target_N in rows:
            expected_N = target_N.astype(np.float64)
            centre = expected_N.mean() if centre is None else centre
            count += len(expected_N)
            sum_centred += (expected_N - centre).sum()
            sum_squares += np.square(expected_N - centre).sum()
            for start in range(0, len(expected_N), EVALUATION_ROWS):
                part = slice(start, start + EVALUATION_ROWS)
                answer_MN = restore(predict(x_NI[part]))
                error_MN = answer_MN - expected_N[part]
                rounded_MN = np.rint(answer_MN) - expected_N[part]
                squares = squares + np.square(error_MN).sum(1)
                rounded = rounded + np.square(rounded_MN).sum(1)
                largest = np.maximum(largest, np.abs(error_MN).max(1))
                exact = exact + (rounded_MN == 0).sum(1)
    assert count, "a split has at least one row"
    total = float(sum_squares - sum_centred**2 / count)
    return Errors(
        count, squares_M=squares, rounded_squares_M=rounded, largest_M=largest, exact_M=exact, total_squares=total
    )
