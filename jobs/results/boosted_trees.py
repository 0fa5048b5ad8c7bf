"""scikit-learn's boosted trees with its default settings, where scikit-learn is installed. It is imported here only.

They are trained by one thread: on small tables several take longer, and on a busy machine up to 200 times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Shapes: N rows, I inputs.
Predict = Callable[[NDArray[Any]], NDArray[np.float64]]
_SEED = 0
"""Draws the rows by which scikit-learn decides to stop early, of more than 10,000."""


@cache
def sklearn_version() -> str | None:
    """Returns that of scikit-learn, which is not imported; None if it isn't installed."""
    try:
        return version("scikit-learn") if find_spec("sklearn") else None
    except PackageNotFoundError:
        return None


def fit(inputs_NI: NDArray[Any], target_N: NDArray[np.float64]) -> Predict:
    """Returns what predicts targets; they must be of about 1 in size, since their gradients are float32."""
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "openmp"):
        trees = HistGradientBoostingRegressor(random_state=_SEED).fit(inputs_NI, target_N)

    def predict(inputs_NI: NDArray[Any]) -> NDArray[np.float64]:
        with threadpool_limits(1, "openmp"):
            return np.asarray(trees.predict(inputs_NI), np.float64)

    return predict
