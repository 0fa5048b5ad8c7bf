"""The number of trials of a job spec, computed from the lengths of its lists without expanding them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

from sumsquares.jobs.machine.memory import available_memory
from sumsquares.jobs.spec.axes import AXES, Grid

TRIAL_BYTES = 500
"""Memory per trial that is expanded, planned and summarised; measured: 130 (only seeds) to 460 (only variants)."""
MAX_TRIALS = 1_000_000
"""The limit unless the caller raises it: expanding 1,000,000 trials takes 11 s and 460 MB."""


@dataclass(frozen=True, slots=True)
class GridSize:
    """The number of trials of one grid, if no two of its variants were equal."""

    index: int
    """Index of the grid in the spec."""
    factors: tuple[tuple[str, int], ...]
    """Numbers of distinct datasets or splits, values of each axis, and seeds, without those that are 1."""

    @property
    def trials(self) -> int:
        """Product of the factors."""
        return prod(count for _, count in self.factors)

    def __str__(self) -> str:
        product = " x ".join(f"{count:_} {name}" for name, count in self.factors) or "1"
        return f"grid[{self.index}]: {product} = {self.trials:_}"


@dataclass(frozen=True, slots=True)
class SizeReport:
    """Upper bounds of the numbers of trials: equal variants, in one grid or in several, are counted each time."""

    grids: tuple[GridSize, ...]

    @property
    def trials(self) -> int:
        """Sum over the grids."""
        return sum(grid.trials for grid in self.grids)

    def problem(self, max_trials: int) -> str | None:
        """Returns a message if there are too many trials: the count, the factors of the largest grids, and a remedy."""
        available = available_memory()
        possible = available // TRIAL_BYTES
        if self.trials <= min(max_trials, possible):
            return None

        # --max-trials is offered only as far as the trials fit into memory.
        largest = sorted(self.grids, key=lambda grid: -grid.trials)[:3]
        factors = "; ".join(str(grid) for grid in largest)
        remedy = f"shorten its lists, or allow it with --max-trials {self.trials}"
        why = f"more than the limit of {max_trials:_}"
        if self.trials > possible:
            remedy = f"shorten its lists; --max-trials allows what fits into memory, {possible:_} trials"
            needed = self.trials * TRIAL_BYTES
            why = f"which take {needed / 1e9:,.1f} GB of memory, and {available / 1e9:,.1f} GB are free"
        return f"grid: {self.trials:_} trials, {why} ({factors}); {remedy}"


def size_of(grids: Iterable[tuple[int, Grid]], splits: Mapping[str, int]) -> SizeReport:
    """Counts the trials of grids, each given with its index, from the splits of each dataset by name."""
    return SizeReport(tuple(GridSize(index, _factors(grid, splits)) for index, grid in grids))


def _factors(grid: Grid, splits: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    datasets = set(grid.dataset or splits)
    trained = sum(splits.get(name, 1) for name in datasets)
    counts = {"dataset" if trained == len(datasets) else "splits": trained}
    counts |= {name: len(set(getattr(grid, name))) for name in AXES} | {"seeds": len(grid.seed_values)}
    return tuple((name, count) for name, count in counts.items() if count > 1)


def parameters_of(inputs: int, hidden: Sequence[int]) -> int:
    """Returns the number of weights and biases of all layers, including the output layer of one unit."""
    return sum((below + 1) * above for below, above in pairwise((inputs, *hidden, 1)))
