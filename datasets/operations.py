"""The operations that formulas consist of, each with its meaning on columns of float64. The one list of them.

They use only operations of numpy that IEEE 754 rounds exactly, and elementary.py, which is made of those: the same bits
on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets import elementary

Column = NDArray[np.float64]
"""One value per row, or a single one: a constant."""
CONSTANTS = {"pi": math.pi, "e": math.e}


class Operation(NamedTuple):
    """What a formula may do with one or more values."""

    evaluate: Callable[..., Column]
    most: int | None
    """Arguments that it takes; None for one or more."""
    integers: Literal["always", "kept", "never"]
    """Whether its values are integers: always, where all arguments are, or not in general."""


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


OPERATIONS: dict[str, Operation] = {
    "+": Operation(np.add, 2, "kept"),
    "-": Operation(np.subtract, 2, "kept"),
    "*": Operation(np.multiply, 2, "kept"),
    "/": Operation(np.divide, 2, "never"),
    "//": Operation(np.floor_divide, 2, "always"),
    "%": Operation(np.mod, 2, "kept"),
    "**": Operation(elementary.power, 2, "never"),  # but for constant exponents: program.py
    "negative": Operation(np.negative, 1, "kept"),
    "<": Operation(lambda a, b: _number(a < b), 2, "always"),
    "<=": Operation(lambda a, b: _number(a <= b), 2, "always"),
    ">": Operation(lambda a, b: _number(a > b), 2, "always"),
    ">=": Operation(lambda a, b: _number(a >= b), 2, "always"),
    "==": Operation(lambda a, b: _number(a == b), 2, "always"),
    "!=": Operation(lambda a, b: _number(a != b), 2, "always"),
    "not": Operation(lambda a: _number(a == 0), 1, "always"),
    "and": Operation(np.multiply, 2, "always"),
    "or": Operation(_larger, 2, "always"),
    "chain": Operation(_folded(np.multiply), None, "always"),  # a < b < c
    "where": Operation(lambda condition, a, b: np.where(condition != 0, a, b), 3, "kept"),
    "abs": Operation(np.abs, 1, "kept"),
    "sign": Operation(lambda a: np.where(a == 0, 0.0, np.where(a != a, a, np.copysign(1.0, a))), 1, "always"),
    "floor": Operation(np.floor, 1, "always"),
    "ceil": Operation(np.ceil, 1, "always"),
    "round": Operation(np.rint, 1, "always"),
    "sqrt": Operation(np.sqrt, 1, "never"),
    "exp": Operation(elementary.exp, 1, "never"),
    "log": Operation(elementary.log, 1, "never"),
    "log2": Operation(elementary.log2, 1, "never"),
    "log10": Operation(elementary.log10, 1, "never"),
    "sin": Operation(elementary.sin, 1, "never"),
    "cos": Operation(elementary.cos, 1, "never"),
    "tan": Operation(elementary.tan, 1, "never"),
    "tanh": Operation(elementary.tanh, 1, "never"),
    "sinh": Operation(elementary.sinh, 1, "never"),
    "cosh": Operation(elementary.cosh, 1, "never"),
    "atan": Operation(elementary.atan, 1, "never"),
    "sigmoid": Operation(elementary.sigmoid, 1, "never"),
    "min": Operation(_folded(_smaller), None, "kept"),
    "max": Operation(_folded(_larger), None, "kept"),
    "sum": Operation(_sum, None, "kept"),
    "mean": Operation(_mean, None, "never"),
    "prod": Operation(_folded(np.multiply), None, "kept"),
}
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
CONDITIONS = frozenset({*COMPARISONS, "not", "and", "or", "chain"})
"""Operations whose value is 1.0 or 0.0 and may be asked for with `and`, `or`, `not` and `where`."""
FUNCTIONS = tuple(
    name for name in OPERATIONS if name[0].isalpha() and name not in ("not", "and", "or", "chain", "negative")
)
OF_ALL_INPUTS = ("min", "max", "sum", "mean", "prod")
"""Functions of which a bare x as the only argument means all inputs."""
