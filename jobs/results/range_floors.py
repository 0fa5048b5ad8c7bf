"""Floors on the whole range of a task, in closed form: exact for any range, and no rows are made.

Where they are lower bounds only, and what they are for, is in floors.py. Also what kinds of networks have one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

from sumsquares.datasets.normalize import target_moments
from sumsquares.datasets.spec import DatasetSpec

CURVED = ("square", "sum_of_squares")
"""Tasks whose target is a square plus a constant along each number; along those of the others it is straight."""


def is_linear(hidden: Sequence[int], activation: str) -> bool:
    """Whether a network is one linear function, however many layers it has."""
    return not hidden or activation == "identity"


def is_piecewise(hidden: Sequence[int], activation: str) -> bool:
    """Whether a network is made of linear pieces, but isn't linear."""
    return bool(hidden) and activation in ("relu", "leaky_relu")


def is_relu_layer(hidden: Sequence[int], activation: str) -> bool:
    """Whether a network has one hidden layer, of ReLU units: along any line it is one of a single input."""
    return activation == "relu" and len(hidden) == 1


def pieces(hidden: Sequence[int]) -> int:
    """Returns how many linear pieces a network may have along a line at most: each unit may cut each piece in two."""
    return math.prod(units + 1 for units in hidden)


def floor_on_range(dataset: DatasetSpec, hidden: tuple[int, ...], activation: str) -> float | None:
    """Returns the floor on all inputs, or None if nothing but 0 is known."""
    if is_linear(hidden, activation):
        return math.sqrt(linear_on_range(dataset))
    if dataset.largest == 1:  # a constant
        return 0.0
    if not is_piecewise(hidden, activation):
        return None
    squares = _pieces_on_range(dataset, hidden, activation)
    # With one input, what is straight can be answered by one unit, and few numbers by enough pieces.
    is_straight = dataset.inputs == 1 and dataset.task not in CURVED
    has_enough = dataset.largest**dataset.n_numbers <= 2 * pieces(hidden)
    return math.sqrt(squares / dataset.largest) or (0.0 if is_straight or has_enough else None)


def _pieces_on_range(dataset: DatasetSpec, hidden: tuple[int, ...], activation: str) -> Fraction:
    """Returns the least sum of squared errors along one number: a sum of squares is a square plus a constant there."""
    if dataset.task not in CURVED:
        return Fraction(0)
    if is_relu_layer(hidden, activation):
        return units_on_range(hidden[0], dataset.largest)
    return pieces_on_range(pieces(hidden), dataset.largest)


def linear_on_range(dataset: DatasetSpec) -> Fraction:
    """Returns the smallest mean squared error of a linear function on all inputs, exact.

    It is the target's variance without the part along each number, which are independent. Unused inputs have none.
    """
    count, largest = dataset.n_numbers, dataset.largest
    if dataset.task in CURVED:
        return Fraction(count * line_on_squares(largest), largest)
    mean, spread = Fraction(largest + 1, 2), Fraction(largest**2 - 1, 12)
    along = mean ** (count - 1) if dataset.task == "product" else 1  # the slope along each number
    return target_moments(dataset.task, count, largest)[1] - count * along**2 * spread


def line_on_squares(numbers: int) -> Fraction:
    """Returns the sum of squared errors of the best line on the squares of that many consecutive integers."""
    return Fraction(numbers * (numbers**2 - 1) * (numbers**2 - 4), 180)


def pieces_on_range(count: int, numbers: int) -> Fraction:
    """Returns the same for so many lines: it is smallest if all have as many numbers, or one more."""
    share, more = divmod(numbers, count)
    return more * line_on_squares(share + 1) + (count - more) * line_on_squares(share)


def units_on_range(units: int, largest: int) -> Fraction:
    """Returns the same on 1..largest for one layer of ReLU units: as many lines, after a flat piece.

    More numbers on the flat piece cost more with each, and gain less, so the best number of them is found by bisection.
    """

    def total(flat: int) -> Fraction:
        return _flat_on_squares(flat) + pieces_on_range(units, largest - flat)

    return total(bisect_left(range(largest), True, key=lambda flat: total(flat + 1) >= total(flat)))


def _flat_on_squares(numbers: int) -> Fraction:
    """Returns the sum of squared errors of the best constant on the squares of 1..numbers."""
    return Fraction(numbers * (numbers**2 - 1) * (2 * numbers + 1) * (8 * numbers + 11), 180)
