"""Formulas: a text is parsed to a small tree of known operations, which is evaluated on whole columns in float64.

It is never evaluated as Python. What operations there are is listed in operations.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.formulas.characters import FormulaError as FormulaError
from sumsquares.datasets.formulas.parser import parse_tape
from sumsquares.datasets.formulas.program import Program
from sumsquares.datasets.formulas.tape import input_names, written
from sumsquares.datasets.formulas.words import MOST_CHARACTERS
from sumsquares.datasets.source import Numbers, Range, Split

PIECE = 8192
"""Rows that are evaluated at once, so that the columns of all steps stay in the cache."""
_PIECE_NUMBERS = 2**20
"""Numbers of these rows: fewer rows of very many inputs."""


@dataclass(frozen=True)
class Expression:
    """A parsed formula."""

    text: str
    """The canonical text: equal trees have equal texts, and it parses to the same tree."""
    n_numbers: int
    """Inputs: 1 for x, n for x1 to xn."""
    program: Program = field(repr=False, compare=False)
    """Its steps, ready to be evaluated."""

    def of(self, numbers_NK: Numbers) -> NDArray[np.float64]:
        """Evaluates the formula on each row; without warnings, NaN or infinite where it has no finite value."""
        target_N = np.empty(len(numbers_NK))
        with np.errstate(all="ignore"):
            rows = min(PIECE, _PIECE_NUMBERS // self.n_numbers)
            for start in range(0, len(numbers_NK), rows):
                piece_NK = numbers_NK[start : start + rows]
                columns = [piece_NK[:, k].astype(np.float64, copy=False) for k in range(self.n_numbers)]
                target_N[start : start + rows] = self.program.value(columns)
        return target_N

    def is_integer(self, inputs_are: bool) -> bool:
        """Whether every value is an integer, given whether the inputs are; decided from the operations alone."""
        return self.program.is_integer(inputs_are)


@lru_cache(maxsize=16_384)  # more than most specs have: each formula is asked for a dozen times
def parse(text: str, n_numbers: int | None = None) -> Expression:
    """Parses a formula of x, or of x1 to xn. `n_numbers` is what the spec says, if it says it.

    Raises:
        FormulaError: it has no meaning, or is too large.

    """
    tape, root, n_inputs = parse_tape(text, n_numbers)
    canonical = written(tape.steps, root)
    if len(canonical) > MOST_CHARACTERS:
        raise FormulaError(
            f"in canonical form it has {len(canonical)} characters, the most is {MOST_CHARACTERS}; write a shorter one"
        )
    return Expression(canonical, n_inputs, Program(tape.steps, root))


@dataclass(frozen=True)
class Formula:
    """A formula of numbers in given ranges: a `Source`."""

    expression: Expression
    low_K: tuple[float, ...]
    high_K: tuple[float, ...]
    is_real: bool
    has_digits: bool = False
    """Whether the inputs are digits of the number, so that it must not be negative."""

    @property
    def names(self) -> tuple[str, ...]:
        """x, or x1 and so on."""
        return tuple(input_names(self.expression.n_numbers))

    @property
    def target_type(self) -> np.dtype[Any]:
        """Always float64."""
        return np.dtype(np.float64)

    @cached_property
    def has_integer_target(self) -> bool:
        """Whether every target is an integer, by the operations of the formula."""
        return self.expression.is_integer(not self.is_real)

    def parts(self, split: Split) -> tuple[tuple[Range, ...], ...]:
        """Returns the ranges of the numbers. Beyond them are two parts, below and above, each as wide as the range.

        Digits have no sign: then both lie above.
        """
        inside = tuple(map(Range, self.low_K, self.high_K))
        if split != "extrapolation":
            return (inside,)
        # Integers low..high are high - low + 1 numbers.
        step = 0 if self.is_real else 1
        below = tuple(Range(low - (high - low) - step, low - step) for low, high in inside)
        above = tuple(Range(high + step, high + (high - low) + step) for low, high in inside)
        return (above,) if self.has_digits else (below, above)

    def target(self, numbers_NK: Numbers) -> NDArray[np.float64]:
        """Returns the target of each row, without noise; NaN where the formula has no finite value."""
        target_N = self.expression.of(numbers_NK)
        is_finite = np.isfinite(target_N)
        return target_N if is_finite.all() else np.where(is_finite, target_N, np.nan)
