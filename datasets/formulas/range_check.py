"""Checks before anything is generated that a formula has a finite value everywhere in its range, or says where not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sumsquares.datasets.formulas.boxes import Boxes, open_middles, step_bounds
from sumsquares.datasets.formulas.formula import Formula
from sumsquares.datasets.formulas.intervals import is_large_angle
from sumsquares.datasets.formulas.operations import FUNCTIONS
from sumsquares.datasets.formulas.points import Points, Trace
from sumsquares.datasets.formulas.poles import find_pole
from sumsquares.datasets.formulas.program import Program
from sumsquares.datasets.formulas.samples import all_integers, samples
from sumsquares.datasets.formulas.told import told, told_pole
from sumsquares.datasets.source import Range, combinations

# Shapes: P points, K numbers of a point.
MOST_COMBINATIONS = 1_000_000
"""Integers are all tried up to here."""
MOST_SAMPLES = 2048
_BUDGET = 5_000_000
_PER_STEP = 500
"""What one operation costs beside its values, in values."""
_SLOW = 10
"""What an elementary function costs, in sums."""
_SLOWEST = 300
"""What sin, cos or tan of a large angle costs more."""
_OF_ANGLES = ("sin", "cos", "tan")
_MOST_VALUES = 40_000_000
"""Of all steps, if all integers are tried."""
_SLOW_STEPS = frozenset(("**", "%", "//", *FUNCTIONS)) - {"abs", "min", "max", "sum", "mean", "prod", "where"}


def check_range(formula: Formula, count: int = 1) -> str | None:
    """Returns None, or where in the range of training the formula has no finite value, why, and what to write.

    Integers are all tried where they have few combinations. Otherwise the search is bounded: rows are checked as well.
    It takes at most a few tenths of a second for `count` formulas together, which share its bounds.
    """
    with np.errstate(all="ignore"):
        search = _Search(formula.expression.program, formula.parts("train")[0], formula.is_real, count)
        return search.message()


class _Search:
    def __init__(self, program: Program, ranges: tuple[Range, ...], is_real: bool, count: int) -> None:
        self.program = program
        self.ranges = ranges
        self.is_real = is_real
        self.budget = _BUDGET // count
        self.most_values = _MOST_VALUES // count
        self.whole = Boxes(*(np.array([ends]) for ends in zip(*ranges, strict=True)))
        self.weight = self._weight()

    def _weight(self) -> int:
        """What an evaluation costs per point."""
        bounds, _ = step_bounds(self.program, self.whole)
        angles = [bounds[step.args[0]] for step in self.program.steps if step.name in _OF_ANGLES]
        large = sum(bool(is_large_angle(angle).any()) for angle in angles)
        return large * _SLOWEST + sum(_SLOW if step.name in _SLOW_STEPS else 1 for step in self.program.steps)

    def affords(self, count: int) -> bool:
        """Takes from the budget what one evaluation of so many points costs; False if it is used up."""
        self.budget -= self.weight * (_PER_STEP + count)
        return self.budget > 0

    def message(self) -> str | None:
        for points_PK in self.points():
            trace = Trace(self.program, points_PK)
            if trace.is_bad.any():
                point = int(np.argmax(trace.is_bad))
                return told(trace, point, self.is_real)
            if self.is_real and (pole := find_pole(self.program, trace, self.affords)):
                return told_pole(self.program, pole)
        return None

    def points(self) -> Iterator[Points]:
        """Yields points to try: all integers, or some numbers and then middles of what isn't proved finite."""
        most = min(MOST_COMBINATIONS, self.most_values // self.weight)
        if not self.is_real and combinations(self.ranges) <= most:
            yield from all_integers(self.ranges)
            return
        count = self.budget // 10 // self.weight - _PER_STEP
        yield samples(self.ranges, min(max(count, 16), MOST_SAMPLES), self.is_real)
        yield from open_middles(self.program, self.whole, self.is_real, self.affords)
