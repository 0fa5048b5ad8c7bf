"""Facts of a dataset: measured on its rows once, so that they needn't be inferred from trained networks.

How many test rows also occur in training, whether the target varies at all, how far a linear model can get, and of a
formula or a table the moments of its training rows. It makes the rows from the spec, block by block, or gets those of a
table, and stores nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.linear_fit import EXACT_TARGET as EXACT_TARGET
from sumsquares.datasets.linear_fit import TableFit, bounds, linear_fit
from sumsquares.datasets.moments import Meter, Moments
from sumsquares.datasets.noise import noise
from sumsquares.datasets.rows import BLOCK_ROWS, Block, blocks
from sumsquares.datasets.seen import MEASURED_ROWS as MEASURED_ROWS
from sumsquares.datasets.seen import seen_among, seen_rows
from sumsquares.datasets.shards import SHARD_ROWS
from sumsquares.datasets.source import Numbers, combinations
from sumsquares.datasets.spec import DatasetSpec

# Shapes: N rows.
_HALF = 0.5
"""RMSE above which a prediction of an integer is wrong after rounding."""
_MEASURED_NUMBERS = 1 << 24
"""Of the inputs of a table's test rows that are looked up in training at most: 128 MB."""
NOISE_ROWS = SHARD_ROWS
"""Training rows, from the first on, whose noise is measured at most: those that a trial's rmse_train is measured on."""


@dataclass(frozen=True)
class Facts:
    """What is known of a dataset's rows."""

    seen_N: NDArray[np.bool_]
    """For each of the first MEASURED_ROWS test rows, whether a training row has the same inputs, unused ones too."""
    unseen_numbers: int
    """How many of them have numbers that are in no training row, whatever the unused inputs."""
    distinct: int
    """Distinct numbers (or combinations of numbers) among those test rows."""
    covers_range: bool
    """Whether the range has no others: a check on the test rows is then a check of the whole range. Never so for real
    numbers."""
    constant: bool
    """Whether all targets of training and test rows are the same number."""
    largest_target: float
    """Largest absolute target of the test rows: an integer for a task. Of a table, which may have few of them, that of
    its training rows too."""
    linear_rmse: float
    """RMSE of the linear function that fits the test rows best, by least squares: none gets below it there. 0 where it
    is within the rounding errors of float64."""
    linear_exact: bool
    """Whether targets are integers and that function is right on every test row after rounding."""
    moments: Moments | None = None
    """Of the training rows of a formula or a table; a task's normalisation needs none."""
    noise_rmse: float = 0.0
    """Root mean square of the noise in the first NOISE_ROWS training targets; 0 without noise."""
    test_target_mean: float | None = None
    """Of a table's test rows: the mean of the targets; None for generated rows."""
    test_target_std: float | None = None
    """Of a table's test rows: the standard deviation of the targets."""

    @property
    def unseen(self) -> int:
        """Of the measured test rows, those whose inputs occur in no training row."""
        return int(np.count_nonzero(~self.seen_N))


def measure_facts(spec: DatasetSpec) -> Facts:
    """Measures a dataset. Of a formula it makes all training rows, of a task until every test row is found."""
    meter, train = Meter(), blocks(spec, "train")
    if spec.formula is not None:
        train = meter.watch(train)
    seen_N, distinct = seen_rows(spec, spec.n_numbers + spec.unused, train)
    numbers_seen_N = seen_N
    if spec.unused:
        numbers_seen_N, distinct = seen_rows(spec, spec.n_numbers, blocks(spec, "train"))
    fit = linear_fit(spec)
    return Facts(
        seen_N=seen_N,
        unseen_numbers=int(np.count_nonzero(~numbers_seen_N)),
        distinct=distinct,
        covers_range=not spec.source.is_real and distinct == combinations(spec.source.parts("train")[0]),
        constant=fit.low == fit.high and _is_constant(blocks(spec, "train"), fit.low),
        largest_target=max(abs(fit.low), abs(fit.high)),
        linear_rmse=fit.rmse,
        linear_exact=fit.is_exact,
        moments=_of_all(meter, train) if spec.formula is not None else None,
        noise_rmse=noise_rmse(spec) if spec.noise else 0.0,
    )


def measure_table(is_integer: bool, rows: Callable[[Literal["train", "test"]], Iterator[Block]]) -> Facts:
    """Measures a split of a table; `rows` returns the blocks of its training or test rows, without nulls.

    They are read once each, and the test rows again where the linear function may be right on all of them.
    """
    meter, of_test, fit = Meter(), Meter(), TableFit()
    some: list[Numbers] = []
    for index, (inputs_NI, target_N) in enumerate(of_test.watch(rows("test"))):
        fit.add(inputs_NI, target_N)
        if index == len(some) and sum(map(np.size, some)) < _MEASURED_NUMBERS:
            some.append(inputs_NI)
    train = meter.watch(rows("train"))
    seen_N, distinct = seen_among(np.concatenate(some)[:MEASURED_ROWS], (inputs_NI for inputs_NI, _ in train))
    moments, test = _of_all(meter, train), of_test.moments()
    top = max(abs(test.target_min), abs(test.target_max))
    linear_rmse = fit.rmse(top)
    may_be_exact = is_integer and top <= EXACT_TARGET and linear_rmse <= _HALF
    return Facts(
        seen_N=seen_N,
        unseen_numbers=int(np.count_nonzero(~seen_N)),
        distinct=distinct,
        covers_range=False,
        constant=moments.target_min == moments.target_max == test.target_min == test.target_max,
        largest_target=max(top, abs(moments.target_min), abs(moments.target_max)),
        linear_rmse=linear_rmse,
        linear_exact=may_be_exact and fit.is_exact(rows("test")),
        moments=moments,
        test_target_mean=test.target_mean,
        test_target_std=test.target_std,
    )


def _of_all(meter: Meter, rest: Iterator[Block]) -> Moments:
    """Returns the moments of the rows that the meter has seen and of the rest."""
    for _ in rest:
        pass
    return meter.moments()


def largest_target(spec: DatasetSpec) -> float:
    """Returns the largest absolute target of the test rows."""
    return max(map(abs, bounds(blocks(spec, "test"))))


def noise_rmse(spec: DatasetSpec) -> float:
    """Returns the root mean square of the noise in the first NOISE_ROWS training targets."""
    count = min(spec.rows, NOISE_ROWS)
    squares = 0.0
    for index, first in enumerate(range(0, count, BLOCK_ROWS)):
        squares += float(np.square(noise(spec.seed, index, min(BLOCK_ROWS, count - first), spec.noise)).sum())
    return math.sqrt(squares / count)


def _is_constant(rows: Iterable[Block], value: float) -> bool:
    return all(bool((target_N == value).all()) for _, target_N in rows)
