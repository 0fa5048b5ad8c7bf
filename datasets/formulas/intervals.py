"""Interval arithmetic on columns: from bounds of the arguments, bounds of every value that float64 computes.

Rounding is monotone, so that + - * / need no widening; elementary functions are widened by more than their errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Shapes: one value per box of inputs.
Column = NDArray[np.float64]
Condition = NDArray[np.bool_]
_ERROR = 1e-14
"""Relative, and for sin, cos and tan absolute: more than the error of any elementary function."""
_LARGEST_ANGLE = 1e6
"""Beyond it the period of an angle isn't told apart."""


class Bounds(NamedTuple):
    """A lower and an upper bound for each box."""

    low: Column
    high: Column

    @property
    def has_zero(self) -> Condition:
        """Whether 0 lies between them."""
        return np.logical_not((self.low > 0) | (self.high < 0))

    @property
    def is_point(self) -> Condition:
        """Whether there is only one value."""
        return np.equal(self.low, self.high)


def _widened(low: Column, high: Column, absolute: float = 0.0) -> Bounds:
    return Bounds(low - np.abs(low) * _ERROR - absolute, high + np.abs(high) * _ERROR + absolute)


def _within(bounds: Bounds, low: float, high: float) -> Bounds:
    return Bounds(np.maximum(bounds.low, low), np.minimum(bounds.high, high))


def _corners(combine: Callable[[Column, Column], Column], a: Bounds, b: Bounds) -> Bounds:
    values = [combine(x, y) for x in a for y in b]
    return Bounds(np.minimum.reduce(values), np.maximum.reduce(values))


def _where(condition: Condition, a: Bounds, b: Bounds) -> Bounds:
    return Bounds(np.where(condition, a.low, b.low), np.where(condition, a.high, b.high))


_ANYTHING = Bounds(np.asarray(-math.inf), np.asarray(math.inf))
_NOTHING = Bounds(np.asarray(math.nan), np.asarray(math.nan))
"""Where a value may be NaN."""


def added(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a + b."""
    return Bounds(a.low + b.low, a.high + b.high)


def subtracted(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a - b."""
    return Bounds(a.low - b.high, a.high - b.low)


def multiplied(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a * b; of a square, if both are the same object."""
    if a is b:
        size = absolute(a)
        return Bounds(size.low * size.low, size.high * size.high)
    return _corners(np.multiply, a, b)


def divided(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a / b."""
    return _where(b.has_zero, _ANYTHING, _corners(np.divide, a, b))


def floor_divided(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a // b."""
    quotient = divided(a, b)
    return Bounds(np.floor(quotient.low) - 1, np.floor(quotient.high) + 1)


def remainder(a: Bounds, b: Bounds) -> Bounds:
    """Bounds of a % b, which has the sign of b. Infinite numbers have none: NaN."""
    unchanged = (a.low >= 0) & (a.high < b.low)
    found = _where(unchanged, a, Bounds(np.minimum(b.low, 0), np.maximum(b.high, 0)))
    return _where(np.isfinite(a.high - a.low), found, _NOTHING)


def power(compute: Callable[[Column, Column], Column]) -> Callable[[Bounds, Bounds], Bounds]:
    """Returns what computes the bounds of a**b."""

    def bounds(a: Bounds, b: Bounds) -> Bounds:
        is_positive = a.low > 0
        is_root = (a.low >= 0) & (b.low >= 0)
        general = _where(is_positive | is_root, _widened(*_corners(compute, a, b)), _ANYTHING)
        if b.low.ndim or float(b.low) != float(b.high) or not float(b.low).is_integer():
            return general
        return _integer_power(compute, a, b.low)

    return bounds


def _integer_power(compute: Callable[[Column, Column], Column], a: Bounds, exponent: Column) -> Bounds:
    """Bounds of a**n for a constant integer n: monotone on either side of 0."""
    base = absolute(a) if exponent % 2 == 0 else a
    ends = compute(base.low, exponent), compute(base.high, exponent)
    found = _widened(np.minimum(*ends), np.maximum(*ends))
    return found if exponent >= 0 else _where(a.has_zero, _ANYTHING, found)


def negated(a: Bounds) -> Bounds:
    """Bounds of -a."""
    return Bounds(-a.high, -a.low)


def absolute(a: Bounds) -> Bounds:
    """Bounds of abs(a)."""
    return Bounds(np.where(a.has_zero, 0, np.minimum(np.abs(a.low), np.abs(a.high))), np.maximum(-a.low, a.high))


def increasing(
    compute: Callable[[Column], Column], least: float = -math.inf, most: float = math.inf, is_exact: bool = False
) -> Callable[[Bounds], Bounds]:
    """Returns what computes the bounds of an increasing function whose values lie in least..most."""

    def bounds(a: Bounds) -> Bounds:
        ends = Bounds(compute(a.low), compute(a.high))
        return ends if is_exact else _within(_widened(*ends), least, most)

    return bounds


def on_positive(compute: Callable[[Column], Column]) -> Callable[[Bounds], Bounds]:
    """Returns what computes the bounds of log or sqrt, where it is defined."""
    computed = increasing(compute)
    return lambda a: computed(Bounds(np.maximum(a.low, 0), np.maximum(a.high, 0)))


def even(compute: Callable[[Column], Column], least: float) -> Callable[[Bounds], Bounds]:
    """Returns what computes the bounds of an even function that grows with abs(a)."""
    computed = increasing(compute, least)
    return lambda a: computed(absolute(a))


def periodic(compute: Callable[[Column], Column], peak: float) -> Callable[[Bounds], Bounds]:
    """Returns what computes the bounds of sin or cos, which is 1 at `peak`. Infinite angles have none: NaN."""

    def bounds(a: Bounds) -> Bounds:
        near = _of_small_angles(compute, a)
        low = np.where(_reaches(a, peak + math.pi), -1.0, near.low)
        high = np.where(_reaches(a, peak), 1.0, near.high)
        return _where(np.isfinite(a.high - a.low), _within(Bounds(low, high), -1.0, 1.0), _NOTHING)

    return bounds


def is_large_angle(a: Bounds) -> Condition:
    """Whether angles aren't told apart, and take 30 times as long to compute."""
    return np.logical_not(np.maximum(np.abs(a.low), np.abs(a.high)) <= _LARGEST_ANGLE)


def _of_small_angles(compute: Callable[[Column], Column], a: Bounds) -> Bounds:
    ends = [compute(np.where(is_large_angle(a), 0.0, end)) for end in a]
    return _widened(np.minimum(*ends), np.maximum(*ends), _ERROR)


def _reaches(a: Bounds, angle: float, period: float = 2 * math.pi) -> Condition:
    """Whether an angle, up to whole periods, may lie within."""
    slack = 1e-9
    first = np.ceil((a.low - angle - slack) / period)
    return np.logical_or(is_large_angle(a), first * period + angle <= a.high + slack)


def has_pole(a: Bounds) -> Condition:
    """Whether tan may have a pole. No number of float64 is one itself."""
    return np.logical_not(a.is_point) & _reaches(a, math.pi / 2, math.pi)


def tangent(compute: Callable[[Column], Column]) -> Callable[[Bounds], Bounds]:
    """Returns what computes the bounds of tan."""

    def bounds(a: Bounds) -> Bounds:
        return _where(_reaches(a, math.pi / 2, math.pi), _ANYTHING, _of_small_angles(compute, a))

    return bounds


def compared(
    surely: Callable[[Bounds, Bounds], Condition], maybe: Callable[[Bounds, Bounds], Condition]
) -> Callable[[Bounds, Bounds], Bounds]:
    """Returns what computes the bounds of a comparison: 1 where it surely holds, 0 where it can't."""
    return lambda a, b: Bounds(np.asarray(surely(a, b), np.float64), np.asarray(maybe(a, b), np.float64))


def chosen(condition: Bounds, a: Bounds, b: Bounds) -> Bounds:
    """Bounds of where(condition, a, b)."""
    either = Bounds(np.minimum(a.low, b.low), np.maximum(a.high, b.high))
    return _where(condition.low == 1, a, _where(condition.high == 0, b, either))


def folded(combine: Callable[[Bounds, Bounds], Bounds]) -> Callable[..., Bounds]:
    """Returns what combines any number of bounds from the left."""

    def bounds(first: Bounds, *others: Bounds) -> Bounds:
        for other in others:
            first = combine(first, other)
        return first

    return bounds


def each(combine: Callable[[Column, Column], Column]) -> Callable[[Bounds, Bounds], Bounds]:
    """Returns what computes the bounds of a function that grows with both arguments."""
    return lambda a, b: Bounds(combine(a.low, b.low), combine(a.high, b.high))


def mean(*values: Bounds) -> Bounds:
    """Bounds of the mean."""
    total = folded(added)(*values)
    return Bounds(total.low / len(values), total.high / len(values))


def overlap(a: Bounds, b: Bounds) -> Condition:
    """Whether both may be equal."""
    return np.logical_and(a.low <= b.high, b.low <= a.high)


def same_point(a: Bounds, b: Bounds) -> Condition:
    """Whether both are equal for sure."""
    return overlap(a, b) & a.is_point & b.is_point
