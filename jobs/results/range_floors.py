"""Floors on the whole range of a task, in closed form: exact for any range, and no rows are made.

Where they are lower bounds only, and what they are for, is in floors.py.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from fractions import Fraction

from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.task_moments import target_moments
from sumsquares.jobs.results.networks import Network

CURVED = ("square", "sum_of_squares")
"""Tasks whose target is a square plus a constant along each number; along those of the others it is straight."""


def floor_on_range(dataset: DatasetSpec, network: Network) -> float | None:
    """Returns the floor of a task on all inputs, or None if nothing but 0 is known: always of formulas and digits."""
    if dataset.largest is None or dataset.digits or network.output != "linear" or network.has_logs:
        return None
    if network.is_linear:
        return math.sqrt(linear_on_range(dataset))
    if dataset.largest == 1:  # a constant
        return 0.0
    if not network.is_piecewise:
        return None
    squares = _pieces_on_range(dataset, network)
    # With one input, what is straight can be answered by one unit, and few numbers by enough pieces.
    is_straight = dataset.inputs == 1 and dataset.task not in CURVED
    has_enough = dataset.largest**dataset.n_numbers <= 2 * network.pieces
    return math.sqrt(squares / dataset.largest) or (0.0 if is_straight or has_enough else None)


def _pieces_on_range(dataset: DatasetSpec, network: Network) -> Fraction:
    """Returns the least sum of squared errors along one number: a sum of squares is a square plus a constant there."""
    assert dataset.largest is not None
    if dataset.task not in CURVED:
        return Fraction(0)
    if network.is_relu_layer:
        return units_on_range(network.hidden[0], dataset.largest)
    return pieces_on_range(network.pieces, dataset.largest)


def linear_on_range(dataset: DatasetSpec) -> Fraction:
    """Returns the smallest mean squared error of a linear function on all inputs, exact.

    It is the target's variance without the part along each number, which are independent. Unused inputs have none.
    """
    count, largest = dataset.n_numbers, dataset.largest
    assert dataset.task is not None
    assert largest is not None
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
