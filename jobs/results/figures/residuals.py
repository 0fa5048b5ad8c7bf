"""Expected and predicted values of some test rows. Suffixes: those of data.py; I inputs."""

from __future__ import annotations

import numpy as np

from sumsquares.jobs.results.figures.curves import finite
from sumsquares.jobs.results.figures.data import Residuals
from sumsquares.jobs.results.figures.networks import Asked
from sumsquares.jobs.results.figures.some_rows import some_rows
from sumsquares.jobs.storage.store import Store


def residuals_of(store: Store, asked: Asked) -> Residuals:
    """Returns the residuals of a network on test rows of the split that it was trained on.

    Raises as `block_of` does.
    """
    dataset = asked.kept.trial.variant.dataset
    inputs_RI, target_R = some_rows(store, dataset)
    predicted_R = finite(asked.kept.network.answers(inputs_RI))
    return Residuals(asked.chosen, target_R.astype(np.float64), predicted_R, dataset.rows_in("test"))
