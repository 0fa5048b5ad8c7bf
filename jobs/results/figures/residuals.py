"""Expected and predicted values of some test rows. Suffixes: those of data.py; I inputs."""

from __future__ import annotations

import numpy as np

from sumsquares.datasets.rows import Block
from sumsquares.jobs.results.figures.curves import finite
from sumsquares.jobs.results.figures.data import Residuals
from sumsquares.jobs.results.figures.networks import Asked


def residuals_of(asked: Asked, rows: Block) -> Residuals:
    """Returns the residuals of a network on test rows of the split that it was trained on."""
    inputs_RI, target_R = rows
    predicted_R = finite(asked.kept.network.answers(inputs_RI))
    return Residuals(asked.chosen, target_R.astype(np.float64), predicted_R, asked.dataset.rows_in("test"))
