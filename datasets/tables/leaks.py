"""Whether an input is the target in disguise: equal to it, or a linear function of it, in every row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Shapes: N rows of a block.
_TOLERANCE = 1e-5
"""Of the median distance of targets from their median: a currency that is rounded to cents is still the same price."""
LEAST_ROWS = 8
"""Fewer rows lie on a line too easily."""

Floats = NDArray[np.float64]


class Leak:
    """Compares one input with the target, a block at a time."""

    def __init__(self) -> None:
        self.is_equal = self.is_linear = True
        self.rows = 0
        """In which the input has a value."""
        self._before: list[tuple[float, float, float]] = []
        """Of blocks in which the input has one value: it, and the smallest and largest target."""
        self._line: tuple[float, float, float] | None = None
        """Slope, offset and tolerance."""

    def add(self, input_N: Floats, target_N: Floats) -> None:
        """Adds rows in which the input has a value."""
        if not len(input_N):
            return
        self.rows += len(input_N)
        self.is_equal = self.is_equal and bool((input_N == target_N).all())
        if self.is_linear and self._line is None:
            self._begin(input_N, target_N)
        if self.is_linear and self._line is not None:
            slope, offset, tolerance = self._line
            with np.errstate(all="ignore"):
                self.is_linear = bool((np.abs(target_N - (slope * input_N + offset)) <= tolerance).all())

    def _begin(self, input_N: Floats, target_N: Floats) -> None:
        """Draws the line through the rows with the smallest and the largest input, if they differ."""
        low, high = int(input_N.argmin()), int(input_N.argmax())
        self._before.append((float(input_N[low]), float(target_N.min()), float(target_N.max())))
        with np.errstate(all="ignore"):
            width = float(input_N[high] - input_N[low])
            slope = float(target_N[high] - target_N[low]) / width if width else 0.0
            offset = float(target_N[low] - slope * input_N[low])
        if not width:
            return
        spread = float(np.median(np.abs(target_N - np.median(target_N)))) or float(np.ptp(target_N))
        tolerance = _TOLERANCE * spread
        self._line = (slope, offset, tolerance)
        self.is_linear = slope != 0 and all(
            abs(target - (slope * value + offset)) <= tolerance
            for value, *targets in self._before[:-1]
            for target in targets
        )

    @property
    def is_known(self) -> bool:
        """Whether the input has had two values: else there is no line."""
        return self._line is not None
