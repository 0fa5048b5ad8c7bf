"""How many trials a job spec asks for, counted from the lengths of its lists: nothing is expanded here."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from sumsquares.jobs.machine.memory import available_memory
from sumsquares.jobs.spec.axes import AXES, Grid

TRIAL_BYTES = 500
"""Of memory for a trial that is expanded, planned and summarised: measured 130 (all seeds) to 460 (all variants)."""
MAX_TRIALS = 1_000_000
"""A larger spec is refused unless the caller allows it: expanding 1,000,000 trials takes 11 s and 460 MB."""


@dataclass(frozen=True, slots=True)
class GridSize:
    """The trials of one grid, were no two of its variants equal."""

    index: int
    """Its place in the spec, from 0."""
    factors: tuple[tuple[str, int], ...]
    """Distinct values of dataset, of each axis, and of seeds; axes of one value are left out."""

    @property
    def trials(self) -> int:
        """Product of the factors."""
        return prod(count for _, count in self.factors)

    def __str__(self) -> str:
        product = " x ".join(f"{count:_} {name}" for name, count in self.factors) or "1"
        return f"grid[{self.index}]: {product} = {self.trials:_}"


@dataclass(frozen=True, slots=True)
class SizeReport:
    """Upper bounds: equal variants, within a grid or of several, are counted as often as they are written."""

    grids: tuple[GridSize, ...]

    @property
    def trials(self) -> int:
        """Sum over the grids."""
        return sum(grid.trials for grid in self.grids)

    def problem(self, max_trials: int) -> str | None:
        """Say, if that is too many, the count, the largest grids' factors, and the option where it would help."""
        there = available_memory()
        possible = there // TRIAL_BYTES
        if self.trials <= min(max_trials, possible):
            return None
        largest = sorted(self.grids, key=lambda grid: -grid.trials)[:3]
        factors = "; ".join(str(grid) for grid in largest)
        remedy = f"shorten its lists, or allow it with --max-trials {self.trials}"
        why = f"more than the limit of {max_trials:_}"
        if self.trials > possible:
            remedy = f"shorten its lists; --max-trials allows what fits into memory, {possible:_} trials"
            needed = self.trials * TRIAL_BYTES
            why = f"which take {needed / 1e9:,.1f} GB of memory, and {there / 1e9:,.1f} GB are free"
        return f"grid: {self.trials:_} trials, {why} ({factors}); {remedy}"


def size_of(grids: Iterable[tuple[int, Grid]]) -> SizeReport:
    """Count the trials of grids, each given with its place in the spec."""
    return SizeReport(tuple(GridSize(index, _factors(grid)) for index, grid in grids))


def _factors(grid: Grid) -> tuple[tuple[str, int], ...]:
    counts = [(name, len(set(getattr(grid, name)))) for name in ("dataset", *AXES)]
    return tuple((name, count) for name, count in [*counts, ("seeds", len(grid.seed_values))] if count > 1)
