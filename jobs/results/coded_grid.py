"""The values of a grid's axes as small numbers, for arithmetic on many variants at once.

Suffixes: V variants, A axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.spec.axes import AXES

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class CodedGrid:
    """The values of some variants as numbers, of the axes that vary."""

    values: dict[str, list[Any]]
    """By axis, ascending."""
    code_AV: list[Indices]
    """The place of each variant's value among them."""

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> CodedGrid:
        """Finds the axes in which these rows of the summary's table differ, and codes their values."""
        columns = {axis: [row[axis] for row in rows] for axis in AXES}
        values = {axis: sorted(found) for axis, column in columns.items() if len(found := set(column)) > 1}
        places = {axis: {value: place for place, value in enumerate(values[axis])} for axis in values}
        codes = [np.array([places[axis][value] for value in columns[axis]], np.intp) for axis in values]
        return cls(values, codes)

    @cached_property
    def axes(self) -> list[str]:
        """Names of the axes."""
        return list(self.values)

    @cached_property
    def sizes(self) -> list[int]:
        """Values of each axis."""
        return [len(values) for values in self.values.values()]

    def alike(self, a: int) -> Indices:
        """Returns for each variant the number of its group: those that differ in this axis alone."""
        others = [other for other in range(len(self.sizes)) if other != a]
        codes, sizes = [self.code_AV[other] for other in others], [self.sizes[other] for other in others]
        if not others:
            return np.zeros(len(self.code_AV[a]), np.intp)
        if math.prod(sizes) < 2**62:
            keys_V = np.ravel_multi_index(codes, sizes)
            return np.unique(keys_V, return_inverse=True)[1].astype(np.intp)
        return np.unique(np.stack(codes), axis=1, return_inverse=True)[1].reshape(-1).astype(np.intp)
