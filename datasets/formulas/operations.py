"""The operations that formulas consist of: values of columns, bounds, and where they are defined. The one list of them.

They use only operations of numpy that IEEE 754 rounds exactly, and those of `datasets/elementary.py`, which consist of
such operations: the same bits on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets import elementary
from sumsquares.datasets.formulas import intervals
from sumsquares.datasets.formulas.intervals import Bounds

Column = NDArray[np.float64]
"""One value per row, or a single one: a constant."""
CONSTANTS = {"pi": math.pi, "e": math.e}


class Domain(NamedTuple):
    """Where an operation has a value."""

    holds: Callable[..., NDArray[np.bool_]]
    """Whether it has one for every value within bounds of its arguments."""
    fault: str
    """What it does elsewhere, as in: 1 / x divides by 0."""
    guard: str
    """The condition under which it has a value, of the texts of its arguments."""
    real_guard: str
    """A condition under which its values have a bound, where numbers are real."""
    zero: int | None
    """The argument that must not pass 0 where numbers are real, or whose cosine must not."""


class Operation(NamedTuple):
    """What a formula may do with one or more values."""

    evaluate: Callable[..., Column]
    bounds: Callable[..., Bounds]
    """Bounds of its values, from those of its arguments."""
    most: int | None
    """Arguments that it takes; None for one or more."""
    integers: Literal["always", "kept", "never"]
    """Whether its values are integers: always, where all arguments are, or not in general."""
    domain: Domain | None = None
    """None if it has a value everywhere."""


def _number(condition: NDArray[np.bool_]) -> Column:
    return condition.astype(np.float64)


def _folded(combine: Callable[[Column, Column], Column]) -> Callable[..., Column]:
    def fold(first: Column, *others: Column) -> Column:
        for other in others:
            first = combine(first, other)
        return first

    return fold


# Not np.minimum and np.maximum: of 0.0 and -0.0 they return one or the other, as the processor does. NaN stays NaN.
def _smaller(a: Column, b: Column) -> Column:
    return np.where((a <= b) | (a != a), a, b)


def _larger(a: Column, b: Column) -> Column:
    return np.where((a >= b) | (a != a), a, b)


_sum = _folded(np.add)


def _mean(*values: Column) -> Column:
    return _sum(*values) / len(values)


def _chosen(condition: Column, a: Column, b: Column) -> Column:
    chosen: Column = np.where(condition != 0, a, b)
    return chosen


def _sign(a: Column) -> Column:
    sign: Column = np.where((a == 0) | (a != a), a + 0.0, np.copysign(1.0, a))
    return sign


def _has_power(a: Bounds, b: Bounds) -> NDArray[np.bool_]:
    is_integer = b.is_point & (b.low == np.floor(b.low))
    has: NDArray[np.bool_] = (a.low > 0) | ((a.low >= 0) & (b.low >= 0)) | (is_integer & ((b.low >= 0) | ~a.has_zero))
    return has


_DIVISOR = Domain(lambda _, b: ~b.has_zero, "divides by 0", "{1} != 0", "abs({1}) > 0.01", 1)
_POWER = Domain(
    _has_power, "raises 0 to a negative power, or a negative number to a fractional one", "{0} > 0", "{0} > 0.01", 0
)
_LOGARITHM = Domain(lambda a: a.low > 0, "is the logarithm of 0 or of a negative number", "{0} > 0", "{0} > 0.01", 0)
_ROOT = Domain(lambda a: a.low >= 0, "is the square root of a negative number", "{0} >= 0", "{0} >= 0", None)
_TANGENT = Domain(lambda a: ~intervals.has_pole(a), "has a pole", "abs(cos({0})) > 0.01", "abs(cos({0})) > 0.01", 0)
_of_product = intervals.folded(intervals.each(np.multiply))  # of zeros and ones


def _function(evaluate: Callable[[Column], Column], least: float = -math.inf, most: float = math.inf) -> Operation:
    """An increasing function."""
    return Operation(evaluate, intervals.increasing(evaluate, least, most), 1, "never")


def _step(evaluate: Callable[[Column], Column]) -> Operation:
    """A function that grows in steps of integers."""
    return Operation(evaluate, intervals.increasing(evaluate, is_exact=True), 1, "always")


def _logarithm(evaluate: Callable[[Column], Column]) -> Operation:
    return Operation(evaluate, intervals.on_positive(evaluate), 1, "never", _LOGARITHM)


def _comparison(evaluate: Callable[[Column, Column], NDArray[np.bool_]], surely: Any, maybe: Any) -> Operation:
    return Operation(lambda a, b: _number(evaluate(a, b)), intervals.compared(surely, maybe), 2, "always")


OPERATIONS: dict[str, Operation] = {
    "+": Operation(np.add, intervals.added, 2, "kept"),
    "-": Operation(np.subtract, intervals.subtracted, 2, "kept"),
    "*": Operation(np.multiply, intervals.multiplied, 2, "kept"),
    "/": Operation(np.divide, intervals.divided, 2, "never", _DIVISOR),
    "//": Operation(np.floor_divide, intervals.floor_divided, 2, "always", _DIVISOR),
    "%": Operation(np.mod, intervals.remainder, 2, "kept", _DIVISOR),
    "**": Operation(elementary.power, intervals.power(elementary.power), 2, "never", _POWER),  # but see program.py
    "negative": Operation(np.negative, intervals.negated, 1, "kept"),
    "<": _comparison(np.less, lambda a, b: a.high < b.low, lambda a, b: a.low < b.high),
    "<=": _comparison(np.less_equal, lambda a, b: a.high <= b.low, lambda a, b: a.low <= b.high),
    ">": _comparison(np.greater, lambda a, b: a.low > b.high, lambda a, b: a.high > b.low),
    ">=": _comparison(np.greater_equal, lambda a, b: a.low >= b.high, lambda a, b: a.high >= b.low),
    "==": _comparison(np.equal, intervals.same_point, intervals.overlap),
    "!=": _comparison(np.not_equal, lambda a, b: ~intervals.overlap(a, b), lambda a, b: ~intervals.same_point(a, b)),
    "not": Operation(lambda a: _number(a == 0), lambda a: Bounds(1 - a.high, 1 - a.low), 1, "always"),
    "and": Operation(np.multiply, _of_product, 2, "always"),
    "or": Operation(_larger, intervals.each(np.maximum), 2, "always"),
    "chain": Operation(_folded(np.multiply), _of_product, None, "always"),  # a < b < c
    "where": Operation(_chosen, intervals.chosen, 3, "kept"),
    "abs": Operation(np.abs, intervals.absolute, 1, "kept"),
    "sign": _step(_sign),
    "floor": _step(np.floor),
    "ceil": _step(np.ceil),
    "round": _step(np.rint),
    "sqrt": Operation(np.sqrt, intervals.on_positive(np.sqrt), 1, "never", _ROOT),
    "exp": _function(elementary.exp, 0),
    "log": _logarithm(elementary.log),
    "log2": _logarithm(elementary.log2),
    "log10": _logarithm(elementary.log10),
    "sin": Operation(elementary.sin, intervals.periodic(elementary.sin, math.pi / 2), 1, "never"),
    "cos": Operation(elementary.cos, intervals.periodic(elementary.cos, 0), 1, "never"),
    "tan": Operation(elementary.tan, intervals.tangent(elementary.tan), 1, "never", _TANGENT),
    "tanh": _function(elementary.tanh, -1, 1),
    "sinh": _function(elementary.sinh),
    "cosh": Operation(elementary.cosh, intervals.even(elementary.cosh, 1), 1, "never"),
    "atan": _function(elementary.atan),
    "sigmoid": _function(elementary.sigmoid, 0, 1),
    "min": Operation(_folded(_smaller), intervals.folded(intervals.each(np.minimum)), None, "kept"),
    "max": Operation(_folded(_larger), intervals.folded(intervals.each(np.maximum)), None, "kept"),
    "sum": Operation(_sum, intervals.folded(intervals.added), None, "kept"),
    "mean": Operation(_mean, intervals.mean, None, "never"),
    "prod": Operation(_folded(np.multiply), intervals.folded(intervals.multiplied), None, "kept"),
}
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
CONDITIONS = frozenset({*COMPARISONS, "not", "and", "or", "chain"})
"""Operations whose value is 1.0 or 0.0 and may be asked for with `and`, `or`, `not` and `where`."""
FUNCTIONS = tuple(
    name for name in OPERATIONS if name[0].isalpha() and name not in ("not", "and", "or", "chain", "negative")
)
OF_ALL_INPUTS = ("min", "max", "sum", "mean", "prod")
"""Functions of which a bare x as the only argument means all inputs."""
