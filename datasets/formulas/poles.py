"""Poles that no number of float64 hits: a divisor that passes 0 between two numbers next to each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets import elementary
from sumsquares.datasets.formulas.operations import OPERATIONS
from sumsquares.datasets.formulas.points import Points, Trace
from sumsquares.datasets.formulas.program import Program

# Shapes: P points or pairs of points, K numbers of a point.
MOST_PAIRS = 64
HALVINGS = 64
"""Of the way between two points; then they are next to each other, or as good as 0."""
_VANISHES = 1e-6
"""What passes 0 is this much smaller at the end of the search than it was at its beginning; a jump is not."""
_CORNERS = 16
"""Points between two neighbours that are asked whether `where` guards the place."""


class Pole(NamedTuple):
    """A step that has no bound near a point."""

    step: int
    point_K: Points


class Crossing(NamedTuple):
    """What must not pass 0: a step's value, or its cosine."""

    step: int
    of: int
    is_angle: bool

    def values(self, trace: Trace) -> NDArray[np.float64]:
        """Returns its sign and size at each point, 0 where the formula doesn't use the step."""
        found = trace.values[self.of]
        return np.where(trace.used[self.step], elementary.cos(found) if self.is_angle else found, 0)


def crossings(program: Program) -> Iterator[Crossing]:
    """Yields what must not pass 0."""
    for index, step in enumerate(program.steps):
        operation = OPERATIONS.get(step.name)
        if operation is None or operation.domain is None or operation.domain.zero is None:
            continue
        if step.name == "**" and not _is_negative(program, step.args[1]):
            continue
        argument = step.args[operation.domain.zero]
        if step.name == "tan":
            yield Crossing(index, argument, True)
        else:
            yield from (Crossing(index, source, False) for source in _sources(program, argument))


def _is_negative(program: Program, exponent: int) -> bool:
    return bool(program.constants.get(exponent, np.asarray(0.0)) < 0)


def _sources(program: Program, index: int) -> Iterator[int]:
    """Yields the steps that are 0 where the given one is 0: the factors of a product, what a power is taken of."""
    waiting = [index]
    while waiting:
        name, args, _ = program.steps[index := waiting.pop()]
        if name in ("*", "prod"):
            waiting.extend(set(args))
        elif name in ("abs", "sqrt", "negative", "/") or (name == "**" and args[1] in program.constants):
            waiting.append(args[0])
        elif index not in program.constants:
            yield index


def find_pole(program: Program, trace: Trace, affords: Callable[[int], bool]) -> Pole | None:
    """Looks for poles between points of which one has a positive and one a negative divisor."""
    for crossing in crossings(program):
        values = crossing.values(trace)
        below, above = _pairs(values)
        if not len(below):
            continue
        size = np.maximum(-values[below], values[above])
        found = _narrowed(program, crossing, trace.points_PK[below], trace.points_PK[above], size, affords)
        if found is not None:
            return Pole(crossing.step, found)
    return None


def _pairs(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns points with a negative and with a positive value, next to each other in their order."""
    sign = np.sign(values)
    used = np.flatnonzero(np.isfinite(sign) & (sign != 0))
    first, second = used[:-1], used[1:]
    differ = np.flatnonzero(sign[first] != sign[second])[:MOST_PAIRS]
    first, second = first[differ], second[differ]
    is_below = sign[first] < 0
    return np.where(is_below, first, second), np.where(is_below, second, first)


def _narrowed(
    program: Program,
    crossing: Crossing,
    below_PK: Points,
    above_PK: Points,
    size_P: NDArray[np.float64],
    affords: Callable[[int], bool],
) -> Points | None:
    """Halves the way between the points of each pair, as long as what divides passes 0 between them."""
    for _ in range(HALVINGS):
        if not len(size_P) or not affords(len(size_P)):
            return None
        middle_PK = below_PK + (above_PK - below_PK) / 2
        value_P = crossing.values(Trace(program, middle_PK))
        below_PK = np.where(value_P[:, np.newaxis] < 0, middle_PK, below_PK)
        above_PK = np.where(value_P[:, np.newaxis] > 0, middle_PK, above_PK)
        alive = value_P != 0  # else a guard or an exact 0 is there: the former is no pole, the latter is told here
        if not alive.all():
            exact = Trace(program, middle_PK[~alive])
            if exact.is_bad.any():
                return np.asarray(middle_PK[~alive][exact.is_bad][0])
            below_PK, above_PK, size_P = below_PK[alive], above_PK[alive], size_P[alive]
    for low_K, high_K, size in zip(below_PK, above_PK, size_P, strict=True):
        if _is_pole(program, crossing, low_K, high_K, size):
            return np.asarray(low_K)
    return None


def _is_pole(program: Program, crossing: Crossing, below_K: Points, above_K: Points, size: float) -> bool:
    ends = crossing.values(Trace(program, np.array([below_K, above_K])))
    if not (np.abs(ends) < _VANISHES * size).all():
        return False
    choice = np.random.default_rng(0).integers(0, 2, (_CORNERS, len(below_K))) > 0
    corners = np.where(choice, below_K, above_K)
    corners[0] = np.where(np.sign(below_K) != np.sign(above_K), 0, below_K)
    return bool((Trace(program, corners).used[crossing.step]).all())
