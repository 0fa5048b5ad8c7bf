"""Samples: expected and predicted numbers of a trial, in the form in which the question printed them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.rows import Block
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.described import range_words
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

ROWS = 10
"""Lines of the question's table."""
MOST_INPUTS = 16
"""Values of a table's row that are kept."""
_MOST_DIGITS = 1e15
Number = int | float
Answer = Callable[[Numbers], NDArray[np.float64]]
"""From raw inputs [N, I] to answers [N] in the target's own units."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the table."""

    numbers: tuple[Number, ...]
    """The numbers that the target depends on; of a table the values of its first MOST_INPUTS input columns."""
    expected: Number | None
    """None where a formula has no finite value."""
    predicted: Number
    """Of integer targets rounded, as the question did; of a table never."""

    @property
    def error(self) -> Number | None:
        """Expected minus predicted, the sign that the question uses; None without an expected number."""
        return None if self.expected is None else self.expected - self.predicted

    def __str__(self) -> str:
        """As the question printed it."""
        return sample_words(self.expected, self.predicted, self.error)


def sample_words(expected: Number | None, predicted: Number, error: Number | None) -> str:
    """A sample as the question printed it; real numbers have six significant digits, errors three."""
    if expected is None or error is None:
        return f"Expected=no value, Predicted={short(predicted)}"
    return f"Expected={short(expected)}, Predicted={short(predicted)} (err={short(error, 3)})"


def short(value: Number, digits: int = 6) -> str:
    """An integer as it is, a real number with so many significant digits."""
    return str(value) if isinstance(value, int) else f"{value + 0.0:.{digits}g}"


def samples(trial: Trial, answer: Answer, rows: Block) -> list[Sample]:
    """Returns rows of the trial's dataset as its model answers them.

    Raises as `ask` does.
    """
    inputs_NI, target_N = rows
    if not isinstance(trial.variant.dataset, TableSplit):
        return _asked(trial, trial.variant.dataset, answer, inputs_NI)
    predicted_N = _finite_answers(trial, answer, inputs_NI, inputs_NI)
    lines = zip(inputs_NI[:, :MOST_INPUTS].tolist(), target_N.tolist(), predicted_N.tolist(), strict=True)
    return [Sample(tuple(map(_whole, values)), expected, predicted) for values, expected, predicted in lines]


def _whole(value: float) -> Number:
    """Returns an integer as one."""
    return int(value) if value.is_integer() and abs(value) < _MOST_DIGITS else value


def ask(store: Store, pack_id: str, trial: Trial, inputs_NI: Numbers) -> list[Sample]:
    """Returns the predictions of a trial on generated rows for raw inputs [N, I], unused columns included.

    Raises:
        UsageError: an answer is not finite, as can happen far outside the training range.

    """
    dataset = trial.variant.dataset
    assert not isinstance(dataset, TableSplit), "what a table's rows expect is in its rows"
    return _asked(trial, dataset, partial(answers, store, pack_id, trial), inputs_NI)


def _asked(trial: Trial, dataset: DatasetSpec, answer: Answer, inputs_NI: Numbers) -> list[Sample]:
    numbers_NK = dataset.numbers_of(inputs_NI)
    predicted_N = _finite_answers(trial, answer, inputs_NI, numbers_NK, _nearer(dataset))
    expected_N, is_integer = dataset.source.target(numbers_NK), dataset.has_integer_target
    return [
        Sample(tuple(numbers), _number(expected, is_integer), round(predicted) if is_integer else predicted)
        for numbers, expected, predicted in zip(
            numbers_NK.tolist(), expected_N.tolist(), predicted_N.tolist(), strict=True
        )
    ]


def _finite_answers(
    trial: Trial,
    answer: Answer,
    inputs_NI: Numbers,
    numbers_NK: Numbers,
    nearer: str = "rows like those of its training",
) -> NDArray[np.float64]:
    predicted_N = answer(inputs_NI)
    if not np.isfinite(predicted_N).all():
        numbers = numbers_NK[~np.isfinite(predicted_N)][0].tolist()
        raise UsageError(f"trial {trial.id} has no finite answer for {numbers}; ask about {nearer}")
    return predicted_N


def _nearer(dataset: DatasetSpec) -> str:
    """What to ask instead."""
    return f"{range_words(dataset)}, its range" if dataset.largest is None else f"numbers up to {dataset.largest}"


def _number(expected: Number, is_integer: bool) -> Number | None:
    """Returns an expected number, None if there is none."""
    if not math.isfinite(expected):
        return None
    return int(expected) if is_integer else expected
