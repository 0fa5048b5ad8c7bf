"""Statistics of many small groups of numbers at once, such as the RMSEs of each variant's seeds.

Pure numpy, without loops over groups. Results do not depend on the order of the numbers.
Shapes: `V` values, `G` groups. A statistic is NaN where a group has too few numbers for it, or where it overflows.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.results.student_t import student_t975

Reals = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Grouped:
    """The finite ones of some numbers, sorted within their groups. Its statistics have the shape [G]."""

    values_V: Reals
    group_V: Indices
    groups: int

    @classmethod
    def of(cls, values_V: Reals, group_V: Indices, groups: int) -> "Grouped":
        """Sorts numbers into groups 0..groups-1, leaving out those that are not finite."""
        finite = np.isfinite(values_V)
        values_V, group_V = values_V[finite], group_V[finite]
        order = np.lexsort((values_V, group_V))
        return cls(values_V[order], group_V[order], groups)

    @cached_property
    def count(self) -> NDArray[np.int64]:
        """Numbers in each group."""
        return np.bincount(self.group_V, minlength=self.groups).astype(np.int64)

    @cached_property
    def mean(self) -> Reals:
        """Arithmetic means."""
        return self._divide(self._sum(self.values_V), self.count)

    @cached_property
    def std(self) -> Reals:
        """Standard deviations with n - 1 in the denominator; NaN for fewer than two numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            squares_V = (self.values_V - self.mean[self.group_V]) ** 2
        return np.sqrt(self._divide(self._sum(squares_V), self.count - 1))

    @cached_property
    def median(self) -> Reals:
        """Medians; of an even number of numbers the mean of the middle two."""
        return self._nth((self.count - 1) // 2) / 2 + self._nth(self.count // 2) / 2

    @cached_property
    def min(self) -> Reals:
        """Smallest numbers."""
        return self._nth(np.zeros_like(self.count))

    @cached_property
    def max(self) -> Reals:
        """Largest numbers."""
        return self._nth(self.count - 1)

    @cached_property
    def ci95_half(self) -> Reals:
        """Half the width of the 95 % confidence interval of the mean, Student's t; NaN for fewer than two."""
        return student_t975(self.count - 1) * self._divide(self.std, np.sqrt(self.count))

    def _sum(self, numbers_V: Reals) -> Reals:
        return np.bincount(self.group_V, weights=numbers_V, minlength=self.groups).astype(np.float64)

    def _nth(self, n_G: NDArray[np.int64]) -> Reals:
        starts_G = np.cumsum(self.count) - self.count
        padded_V = np.append(self.values_V, np.nan)
        return padded_V[np.where(self.count > 0, starts_G + n_G, len(self.values_V))]

    def _divide(self, sum_G: Reals, count_G: NDArray[np.int64] | Reals) -> Reals:
        quotient_G = np.full(self.groups, np.nan)
        np.divide(sum_G, count_G, out=quotient_G, where=count_G > 0)
        return quotient_G
