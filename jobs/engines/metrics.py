"""Errors of predictions in the target's units: sums over the rows in float64, and metrics that follow from them.

Suffixes: M models, N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

EVALUATION_ROWS = 1024
"""Rows of one forward pass. It is constant, since a row's last bits may depend on the number of rows."""
_BLOCK = 32
"""Models whose predictions are compared at a time: their 256 KB stay in the cache, which was 3 times faster."""

_HALF = 0.5
"""Between the answers no and yes, 0 and 1."""

Floats = NDArray[np.float64]
Summing = Callable[[NDArray[np.floating], Floats, NDArray[np.intp]], "Sums"]
"""From normalised inputs [N, I], targets [N] and the indices of chosen rows to the sums over these rows."""


@dataclass(frozen=True)
class Errors:
    """Sums over the rows of a split, per model [M]. They are not finite for a model whose predictions are not."""

    count: int
    """Rows; of 0 rows every mean is NaN."""
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
    right_side_M: NDArray[np.int64]
    """Rows whose prediction is on the same side of 1/2 as the target; 1/2 counts as above."""

    @property
    def rmse(self) -> Floats:
        """Root mean squared error."""
        return np.sqrt(self._mean(self.squares_M))

    @property
    def rmse_chosen(self) -> Floats:
        """Root mean squared error over the chosen rows; NaN if there are none."""
        return np.sqrt(self.chosen_squares_M / self.chosen) if self.chosen else np.full_like(self.squares_M, np.nan)

    @property
    def mae(self) -> Floats:
        """Mean absolute error."""
        return self._mean(self.absolute_M)

    @property
    def rmse_rounded(self) -> Floats:
        """Root mean squared error of the rounded predictions."""
        return np.sqrt(self._mean(self.rounded_squares_M))

    @property
    def r2(self) -> Floats:
        """Share of the targets' variance that is explained; NaN where they do not vary."""
        return 1 - self.squares_M / self.total_squares if self.total_squares else np.full_like(self.squares_M, np.nan)

    @property
    def exact_fraction(self) -> Floats:
        """Share of rows whose rounded prediction is the target."""
        return self._mean(self.exact_M)

    @property
    def accuracy(self) -> Floats:
        """Share of rows on the right side of 1/2."""
        return self._mean(self.right_side_M)

    def _mean(self, sum_M: NDArray[Any]) -> Floats:
        return sum_M / self.count if self.count else np.full(len(sum_M), np.nan)


def measure(
    predict: Callable[[NDArray[np.floating]], Floats],
    rows: Iterable[tuple[NDArray[np.floating], NDArray[Any]]],
    restore: Callable[[Floats], Floats],
    chosen_N: NDArray[np.bool_] | None = None,
    sums: Summing | None = None,
) -> Errors:
    """Measures all models on rows in chunks: normalised inputs [N, I] with raw targets [N].

    `predict` returns normalised predictions [M, N] for at most `EVALUATION_ROWS` rows, and `restore` converts them to
    the target's units. `chosen_N` marks, among the first rows, those that are also measured separately. Rows whose
    target isn't finite, as beyond the range of a formula, are left out. `sums` is what replaces `predict` and `restore`
    where predictions are summed up elsewhere.
    """
    spread, chosen, begin = _Spread(), 0, 0
    total: Sums | None = None
    with np.errstate(over="ignore", invalid="ignore"):
        for x_NI, target_N in rows:
            expected_N = target_N.astype(np.float64)
            is_known_N, is_chosen_N = np.isfinite(expected_N), np.zeros(len(expected_N), bool)
            if chosen_N is not None:
                marked_N = chosen_N[begin : begin + len(expected_N)]
                is_chosen_N[: len(marked_N)] = marked_N & is_known_N[: len(marked_N)]
            spread.add(expected_N[is_known_N])
            chosen += int(np.count_nonzero(is_chosen_N))
            begin += len(expected_N)
            # The parts have a constant size, whatever the size of the chunks.
            for start in range(0, len(expected_N), EVALUATION_ROWS):
                part = slice(start, start + EVALUATION_ROWS)
                known = np.flatnonzero(is_known_N[part])
                x_part_NI, answer_N, among = x_NI[part], expected_N[part], np.flatnonzero(is_chosen_N[part][known])
                if sums is not None:
                    added = sums(x_part_NI[known], answer_N[known], among)
                else:
                    predicted_MN = predict(x_part_NI)
                    if len(known) < len(answer_N):
                        predicted_MN, answer_N = predicted_MN[:, known], answer_N[known]
                    added = _sums(predicted_MN, answer_N, restore, among)
                total = added if total is None else total.plus(added)
    assert total is not None, "a split has at least one row"
    return Errors(spread.count, **total._asdict(), chosen=chosen, total_squares=spread.squares)


class _Spread:
    """The sum of squared differences of numbers from their mean, which come in chunks.

    It is taken around a value near the mean, so that it doesn't cancel out.
    """

    def __init__(self) -> None:
        self.count, self._centre, self._centred, self._squares = 0, 0.0, 0.0, 0.0

    def add(self, numbers_N: Floats) -> None:
        """Adds a chunk."""
        if self.count == 0 and len(numbers_N):
            self._centre = numbers_N.mean()
        self.count += len(numbers_N)
        self._centred += (numbers_N - self._centre).sum()
        self._squares += np.square(numbers_N - self._centre).sum()

    @property
    def squares(self) -> float:
        """The sum; 0 for no numbers."""
        with np.errstate(over="ignore", invalid="ignore"):  # beyond the range a formula may have any finite value
            return float(self._squares - self._centred**2 / max(self.count, 1))


class Sums(NamedTuple):
    """Sums over some rows, as in `Errors`."""

    squares_M: Floats
    rounded_squares_M: Floats
    largest_M: Floats
    exact_M: NDArray[np.int64]
    absolute_M: Floats
    chosen_squares_M: Floats
    right_side_M: NDArray[np.int64]

    def plus(self, other: Sums) -> Sums:
        """Returns the sums over the rows of both."""
        return Sums(
            self.squares_M + other.squares_M,
            self.rounded_squares_M + other.rounded_squares_M,
            np.maximum(self.largest_M, other.largest_M),
            self.exact_M + other.exact_M,
            self.absolute_M + other.absolute_M,
            self.chosen_squares_M + other.chosen_squares_M,
            self.right_side_M + other.right_side_M,
        )


def _sums(
    predicted_MN: Floats, expected_N: Floats, restore: Callable[[Floats], Floats], chosen: NDArray[np.intp]
) -> Sums:
    """Sums over these rows; `chosen` are the indices of those that are also summed separately."""
    models, rows = predicted_MN.shape
    squares_M, rounded_M, largest_M, absolute_M, chosen_M = np.empty((5, models))
    exact_M, right_M = np.empty((2, models), np.int64)
    sums = Sums(squares_M, rounded_M, largest_M, exact_M, absolute_M, chosen_M, right_M)
    is_above_N = expected_N >= _HALF
    # Arrays that all blocks share: new ones would not be in the cache. Rows of bytes are whole words, for `_count`.
    error_BN, square_BN = np.empty((2, min(models, _BLOCK), rows))
    is_right_BW = np.zeros((len(error_BN), -(-rows // 8) * 8), bool)
    for first in range(0, models, _BLOCK):
        block = slice(first, first + _BLOCK)
        # One memory layout, whatever `predict` returned: in another one the order, and so the bits, of a sum differ.
        answer_MN = np.ascontiguousarray(restore(predicted_MN[block]))
        error_MN, square_MN, is_right_MW = (each[: len(answer_MN)] for each in (error_BN, square_BN, is_right_BW))
        is_right_MN = is_right_MW[:, :rows]
        np.greater_equal(answer_MN, _HALF, out=is_right_MN)
        np.equal(is_right_MN, is_above_N, out=is_right_MN)
        sums.right_side_M[block] = _count(is_right_MW)
        np.subtract(answer_MN, expected_N, out=error_MN)
        np.square(error_MN, out=square_MN).sum(1, out=sums.squares_M[block])
        square_MN.take(chosen, axis=1).sum(1, out=sums.chosen_squares_M[block])
        np.abs(error_MN, out=error_MN).max(1, initial=0.0, out=sums.largest_M[block])
        error_MN.sum(1, out=sums.absolute_M[block])
        np.rint(answer_MN, out=error_MN)
        np.equal(error_MN, expected_N, out=is_right_MN)
        sums.exact_M[block] = _count(is_right_MW)
        error_MN -= expected_N
        np.square(error_MN, out=square_MN).sum(1, out=sums.rounded_squares_M[block])
    return sums


def _count(is_true_MW: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Counts what is true in each row of whole words: count_nonzero along an axis takes several times as long."""
    counts_M: NDArray[np.uint64] = np.bitwise_count(is_true_MW.view(np.uint64)).sum(1)
    return counts_M
