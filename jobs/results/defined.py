"""Where a logarithm is not defined nothing is answered, instead of a number that looks right.

Suffixes: M models, N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.normalize import Normalization
from sumsquares.jobs.engines.metrics import Floats

Predict = Callable[[NDArray[np.floating]], Floats]
"""From normalised inputs [N, I] to normalised predictions [M, N]."""
Normalized = tuple[NDArray[np.floating], NDArray[Any]]
"""Normalised inputs [N, I] and raw targets [N]."""


def defined(predict: Predict, scale: Normalization) -> Predict:
    """Returns `predict` with NaN for rows that have an input without a logarithm: a ReLU would make a number of it."""
    if not scale.log_inputs:
        return predict

    def predict_defined(x_NI: NDArray[np.floating]) -> Floats:
        return np.where(np.isnan(x_NI).any(axis=1), np.nan, predict(x_NI))

    return predict_defined
