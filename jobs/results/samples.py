"""Samples: expected and predicted numbers of a trial, in the form in which the question printed them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.rows import block
from sumsquares.datasets.tasks import target
from sumsquares.jobs.exits import UsageError
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

ROWS = 10


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the table."""

    numbers: tuple[int, ...]
    """The numbers that the target depends on."""
    expected: int
    predicted: int
    """Rounded, as the question did."""

    @property
    def error(self) -> int:
        """Expected minus predicted, the sign that the question uses."""
        return self.expected - self.predicted

    def __str__(self) -> str:
        """As the question printed it."""
        return f"Expected={self.expected}, Predicted={self.predicted} (err={self.error})"


def samples(store: Store, pack_id: str, trial: Trial) -> list[Sample]:
    """The first rows of the test split."""
    inputs_NI, _ = block(trial.variant.dataset, "test", 0)
    return ask(store, pack_id, trial, inputs_NI[:ROWS])


def ask(store: Store, pack_id: str, trial: Trial, inputs_NI: NDArray[np.signedinteger]) -> list[Sample]:
    """Returns the trial's predictions for raw inputs [N, I], unused columns included.

    Raises:
        UsageError: an answer is not finite, as can happen far outside the training range.

    """
    dataset = trial.variant.dataset
    numbers_NK = inputs_NI[:, : dataset.n_numbers]
    expected_N = target(dataset.task, numbers_NK)
    predicted_N = np.rint(answers(store, pack_id, trial, inputs_NI))
    if not np.isfinite(predicted_N).all():
        numbers = numbers_NK[~np.isfinite(predicted_N)][0].tolist()
        raise UsageError(f"trial {trial.id} overflows for {numbers}; ask about numbers up to {dataset.largest}")
    rows = zip(numbers_NK.tolist(), expected_N.tolist(), predicted_N.tolist(), strict=True)
    return [Sample(tuple(numbers), expected, int(predicted)) for numbers, expected, predicted in rows]
