"""Checks chosen trials on every combination of the integers of a range, where there are few enough of them.

Test rows are a sample; only this check allows "exact everywhere". Which trials are checked follows from a budget in
operations and not from the clock, so that the same results give the same summary.

Suffixes: N rows, K numbers, I inputs.
"""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.results.predict import errors_over
from sumsquares.jobs.spec.program import predicting_program
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

log = logging.getLogger(__name__)
MOST = 1_000_000
"""The most combinations that are checked."""
BUDGET = 1.6e11
"""Operations of all checks together: at most about 2 s of one core with AVX-512."""
MOST_PACKS = 128
"""The most packs that are read: some 0.3 s, and 10 s from an object store."""
BLOCK_ROWS = 1 << 16
"""Combinations in memory at a time: 4 MB for 16 numbers, and twice that normalised."""
_UNIT, _ANSWER, _ROW, _PACK = 64, 1_600, 8_000, 2e8
"""Costs as operations at 80 GFLOP/s, measured on one core: 0.8 ns for a unit's activation, 20 ns for comparing an
answer, 100 ns for a row of any number of models, and 2.5 ms for reading a pack."""


def _log(_pack: str, error: Exception) -> None:
    log.info("%s: not checked on every number", error)


def combinations(dataset: Dataset) -> int | None:
    """Returns the number of combinations of the numbers, or None if they can't all be checked.

    They are real, their targets aren't integers, they are more than MOST, or there are unused inputs, on which answers
    may depend as well. A table has no range.
    """
    if isinstance(dataset, TableSplit) or not dataset.has_integer_target or dataset.is_real or dataset.unused:
        return None
    count = math.prod(_counts(dataset))
    return count if count <= MOST else None


def _counts(dataset: DatasetSpec) -> tuple[int, ...]:
    """Returns how many values each number has."""
    (ranges,) = dataset.source.parts("train")
    return tuple(each.integers for each in ranges)


def check_everywhere(
    store: Store,
    best: Sequence[tuple[Trial, str]],
    on_lost: Callable[[str, Exception], object] = _log,
    budget: float = BUDGET,
) -> dict[str, float]:
    """Returns the share of all combinations for which the rounded answer is right, by trial id.

    It is 1.0 only if every answer is. `best` has trials and the ids of their packs, the most important ones first.
    Missing are those that can't be checked, that no longer fit into the budget, or whose weights are damaged or gone,
    which is reported elsewhere.
    """
    found: dict[str, float] = {}
    for pack, trials in _affordable(best, budget).items():
        try:
            errors = errors_over(store, pack, trials, _everything(_generated(trials[0])))
        except (DataError, FileNotFoundError) as error:
            on_lost(pack, error)
        else:
            shares = errors.exact_fraction.tolist()
            found |= {trial.id: share for trial, share in zip(trials, shares, strict=True)}
    return found


def _affordable(best: Sequence[tuple[Trial, str]], budget: float) -> dict[str, list[Trial]]:
    """Returns the trials to check by pack: each that fits into what those before it have left of the budget.

    Those in other packs than the first MOST_PACKS are left out.
    """
    packs: dict[str, list[Trial]] = defaultdict(list)
    for trial, pack in best:
        count = combinations(trial.variant.dataset)
        if count is None or (pack not in packs and len(packs) == MOST_PACKS):
            continue
        cost = count * _operations(trial) + (0 if pack in packs else _PACK + count * _ROW)
        if cost <= budget:
            budget -= cost
            packs[pack].append(trial)
    return packs


def _generated(trial: Trial) -> DatasetSpec:
    dataset = trial.variant.dataset
    assert not isinstance(dataset, TableSplit), dataset
    return dataset


def _operations(trial: Trial) -> float:
    """The cost of one answer, in operations of float32."""
    program = predicting_program(trial.variant)
    return (2 * program.parameters + _UNIT * sum(program.hidden)) * program.item_bytes / 4 + _ANSWER


def _everything(dataset: DatasetSpec) -> Iterator[tuple[Numbers, NDArray[Any]]]:
    """Yields the inputs of all combinations [N, I] with their targets [N], a block at a time.

    The last number changes fastest.
    """
    count, shape = combinations(dataset), _counts(dataset)
    assert count is not None, dataset
    (ranges,) = dataset.source.parts("train")
    for start in range(0, count, BLOCK_ROWS):
        place_N = np.arange(start, min(start + BLOCK_ROWS, count))
        numbers_NK = np.empty((len(place_N), len(shape)), np.int64, order="F")
        for column, index_N in enumerate(np.unravel_index(place_N, shape)):
            np.add(index_N, int(ranges[column].low), out=numbers_NK[:, column])
        yield dataset.inputs_of(numbers_NK), dataset.source.target(numbers_NK)
