"""The curves of a dataset as they are drawn: networks' answers and errors, and the axes that hold them.

The axes follow the target and the training range, so that a wild answer beyond it doesn't flatten all others; what
leaves them is cut off and counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.results.figures.data import Curves, Floats
from sumsquares.jobs.show.charts.scales import Linear, Scale, SymLog, finite

_BEYOND = 3.0  # times the span of the target in training, by which the axis may exceed it on each side
_FAR = 100.0  # times the largest error in training, up to which errors beyond it are drawn
_PAD = 0.06


@dataclass(frozen=True, slots=True)
class Line:
    """One network's answers."""

    words: str
    answers_P: Floats
    error_P: Floats | None
    """Answer minus target; None where the rule isn't known."""

    @classmethod
    def of(cls, words: str, answers_P: Floats, target_P: Floats | None) -> Line:
        """The line, with its errors."""
        with np.errstate(invalid="ignore", over="ignore"):
            return cls(words, answers_P, None if target_P is None else answers_P - target_P)


@dataclass(frozen=True, slots=True)
class Drawn:
    """All of one dataset."""

    curves: Curves
    lines: Sequence[Line]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which inputs are in the training range."""
        inputs_P = self.curves.inputs_P
        inside_P: NDArray[np.bool_] = (inputs_P >= self.curves.low) & (inputs_P <= self.curves.high)
        return inside_P

    @property
    def errors(self) -> list[Floats]:
        """Of each line."""
        return [line.error_P for line in self.lines if line.error_P is not None]

    @property
    def answer_axis(self) -> Linear:
        """It holds the target in the training range, and what is beyond within a few spans of that."""
        inside_P, further = self.inside, self._of_target(None)
        known = self._of_target(inside_P)
        if not known or max(known) == min(known):
            known = known + [value for line in self.lines for value in finite(line.answers_P[inside_P])]
        if not known:
            return Linear.of([])
        room = _BEYOND * (max(known) - min(known))
        ends = [max(min(known) - room, min(max(known) + room, value)) for value in further]
        return Linear.of([*known, *ends], _PAD)

    @property
    def error_axis(self) -> SymLog:
        """It holds the errors in the training range, and larger ones up to a hundred times these."""
        sizes = [np.abs(np.array(finite(error_P[self.inside]))) for error_P in self.errors]
        smallest = min((float(np.median(size)) for size in sizes if size.any()), default=math.nan)
        limit = _FAR * max((float(size.max()) for size in sizes if len(size)), default=0.0) or math.inf
        known = [max(-limit, min(limit, error)) for error_P in self.errors for error in finite(error_P)]
        return SymLog.of(known, smallest)

    def _of_target(self, where_P: NDArray[np.bool_] | None) -> list[float]:
        """The target's values at some of the inputs; of a table those of its rows."""
        if self.curves.target_P is None:
            return [] if self.curves.rows is None else finite(self.curves.rows[1])
        return finite(self.curves.target_P if where_P is None else self.curves.target_P[where_P])


def leaves(scale: Scale, values: Iterable[float]) -> bool:
    """Whether any of the numbers lies outside the axis."""
    return any(not -1e-9 <= scale.at(value) <= 1 + 1e-9 for value in finite(values))
