"""Scales: where a number lies along an axis, as a fraction of its length, and the ticks of the axis.

Every scale takes any numbers: those that are not finite, or that it has no place for, are at NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from sumsquares.jobs.show.charts.numbers import MINUS, axis_text, power_of_ten

TICKS = 5
"""About so many on an axis."""
_LARGEST = 1e300  # larger numbers are drawn as this one, so that differences are finite
_SMALLEST = 1e-290  # smaller numbers are drawn as 0, so that differences aren't
_ZERO = 0.1  # where the logarithmic part begins if there is a place for zero before it

_PAD = 0.04  # of a logarithmic axis, on each side of what it holds
_DECADES = 1.0  # of a logarithmic axis at least: fewer have too few round numbers
_CLEAR = 0.09  # of the axis, between 0 and the next tick


class Scale(Protocol):
    """What an axis needs to know."""

    def at(self, value: float) -> float:
        """Returns where a number lies: 0 is the beginning, 1 the end, and numbers beyond them lie outside."""
        ...

    def ticks(self) -> list[tuple[float, str]]:
        """Returns (place, label) of each tick, in ascending order."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Equal steps."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float], pad: float = 0.0) -> Linear:
        """The scale that holds these numbers, longer by a share at each end; 0 to 1 of none."""
        known = finite(values) or [0.0, 1.0]
        low, high = min(known), max(known)
        if high - low <= 1e-9 * max(abs(low), abs(high)):
            half = abs(low) / 2 or 0.5
            return cls(low - half, high + half)
        return cls(low - pad * (high - low), high + pad * (high - low))

    def at(self, value: float) -> float:
        """Returns its fraction."""
        return (_bounded(value) - self.low) / (self.high - self.low)

    def ticks(self) -> list[tuple[float, str]]:
        """Returns multiples of 1, 2 or 5 times a power of ten."""
        step = nice((self.high - self.low) / TICKS)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [place * step for place in range(first, last + 1)]
        labels = axis_text(values, step)
        return [(self.at(value), label) for value, label in zip(values, labels, strict=True)]


@dataclass(frozen=True, slots=True)
class Log:
    """Equal factors, of positive numbers; 0 has no logarithm, and a place of its own before them."""

    low: float
    """Logarithm to the base 10 of where it begins."""
    high: float
    has_zero: bool = False

    @classmethod
    def of(cls, values: Iterable[float]) -> Log:
        """The scale that holds these numbers, none of them at its very end."""
        known = [value for value in finite(values) if value >= 0]
        logs = [math.log10(value) for value in known if value > 0] or [0.0]
        room = max(_PAD * (max(logs) - min(logs)), (_DECADES - max(logs) + min(logs)) / 2)
        return cls(min(logs) - room, max(logs) + room, 0 in known)

    def at(self, value: float) -> float:
        """Returns its fraction."""
        known = _bounded(value)
        if known == 0:
            return 0.0 if self.has_zero else math.nan
        return self._place(math.log10(known)) if known > 0 else math.nan

    def ticks(self) -> list[tuple[float, str]]:
        """Returns powers of ten, and of few decades also twice and five times these."""
        first, last = math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9)
        step = max(1, math.ceil((last - first) / TICKS))
        powers = [(power, 1) for power in range(first, last + 1, step)]
        if last - first < 2:
            powers = [(power, times) for power in range(first - 1, last + 1) for times in (1, 2, 5)]
        marks = [(self._place(power + math.log10(times)), power_of_ten(power, times)) for power, times in powers]
        zero = [(0.0, "0")] if self.has_zero else []
        return zero + [mark for mark in marks if -1e-9 <= mark[0] <= 1 + 1e-9]

    @property
    def edge(self) -> float:
        """The number at which the logarithmic part begins."""
        return math.pow(10, self.low)

    def _place(self, log: float) -> float:
        left = _ZERO if self.has_zero else 0.0
        return left + (1 - left) * (log - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class SymLog:
    """Equal factors on both sides of 0, and about equal steps near it: for errors of either sign."""

    unit: int
    """Power of ten below which it is about linear."""
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float], smallest: float) -> SymLog:
        """The scale that holds these numbers; it is linear up to about `smallest`, but has six decades at most."""
        known = [*finite(values), 0.0]
        low, high = min(known), max(known)
        top = max(abs(low), abs(high))
        if top < _SMALLEST:
            return cls(0, -1.0, 1.0)
        least = min(max(smallest if math.isfinite(smallest) else 0.0, top / 1e6), top / 10)
        return cls(math.floor(math.log10(least)), low, high)

    def at(self, value: float) -> float:
        """Returns its fraction."""
        low, high = self._log(self.low), self._log(self.high)
        return (self._log(value) - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Returns 0, and powers of ten of either sign."""
        top = max(abs(self.low), abs(self.high))
        powers = range(self.unit, math.floor(math.log10(top) + 1e-9) + 1)
        sides = (self.low < 0) + (self.high > 0)
        chosen = list(powers)[:: -max(1, math.ceil(len(powers) * sides / TICKS))]
        marks = [(0.0, "0")]
        marks += [(sign * 10.0**power, power_of_ten(power)) for power in chosen for sign in (-1, 1)]
        inside = [mark for mark in marks if self.low <= mark[0] <= self.high and self._is_clear(mark[0])]
        return [(self.at(value), f"{MINUS if value < 0 else ''}{label}") for value, label in sorted(inside)]

    def _is_clear(self, value: float) -> bool:
        """Whether the label of a tick doesn't touch that of 0."""
        return value == 0 or abs(self.at(value) - self.at(0)) > _CLEAR

    def _log(self, value: float) -> float:
        return math.copysign(math.log10(1 + abs(_bounded(value)) / 10.0**self.unit), value)


def finite(values: Iterable[float]) -> list[float]:
    """Returns the finite ones of the numbers, those beyond 1e300 as that, and those below 1e-290 as 0."""
    return [_bounded(float(value)) for value in values if math.isfinite(value)]


def nice(value: float) -> float:
    """Returns the next larger of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= value * (1 - 1e-9))


def _bounded(value: float) -> float:
    if not math.isfinite(value):
        return math.nan
    return max(-_LARGEST, min(_LARGEST, value)) if abs(value) > _SMALLEST else 0.0
