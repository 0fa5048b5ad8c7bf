"""Means and variances of a task's numbers and target over all combinations of its numbers: exact, in closed form."""

from __future__ import annotations

from fractions import Fraction

from sumsquares.datasets.tasks import Task


def target_moments(task: Task, n_numbers: int, largest: int) -> tuple[Fraction, Fraction]:
    """Returns mean and variance of the target over independent numbers uniform on 1..largest, exact."""
    power = {"sum": 1, "product": 1, "square": 2, "sum_of_squares": 2}[task]
    mean, second = _power_mean(power, largest), _power_mean(2 * power, largest)
    if task == "product":
        return mean**n_numbers, second**n_numbers - mean ** (2 * n_numbers)
    return n_numbers * mean, n_numbers * (second - mean**2)


def number_moments(largest: int) -> tuple[Fraction, Fraction]:
    """Returns mean and variance of a number uniform on 1..largest."""
    return _power_mean(1, largest), Fraction(largest**2 - 1, 12)


def digit_moments(place: int, largest: int) -> tuple[Fraction, Fraction]:
    """Returns mean and variance of the binary digit of that place, of a number uniform on 1..largest."""
    whole, rest = divmod(largest + 1, 2 << place)
    mean = Fraction((whole << place) + max(0, rest - (1 << place)), largest)
    return mean, mean * (1 - mean)


def _power_mean(power: int, largest: int) -> Fraction:
    """Returns the mean of x**power over x = 1..largest (Faulhaber's formulas)."""
    n = largest
    if power == 1:
        return Fraction(n + 1, 2)
    if power == 2:
        return Fraction((n + 1) * (2 * n + 1), 6)
    assert power == 4
    return Fraction((n + 1) * (2 * n + 1) * (3 * n * n + 3 * n - 1), 30)
