"""What ReLU units with spread knots can do on a formula of one number: least squares, as no closed form is known."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sumsquares.datasets import elementary
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.engines.recipe import knot_shares

# Shapes: N rows, H units.
_ROWS = 2_000
"""Test rows that are fitted."""
_MOST_UNITS = 256


@lru_cache(maxsize=1024)
def spread_rmse(spec: DatasetSpec, units: int, is_log: bool) -> float | None:
    """Returns the RMSE of the best last layer on so many units whose knots lie where `spread_knots` puts them.

    It is that on the first test rows, which are fitted themselves; None with several inputs or very many units.
    """
    if spec.inputs > 1 or units > _MOST_UNITS:
        return None
    inputs_NI, target_N = (part[:_ROWS] for part in block(spec, "test", 0))
    ends = np.array(spec.input_ranges("train")[0], np.float64)
    x_N = inputs_NI[:, 0].astype(np.float64)
    if is_log:
        x_N, ends = elementary.log(x_N), elementary.log(ends)
    low, high = ends.tolist()
    knots_H = low + (high - low) * knot_shares(units)
    columns = np.column_stack([np.ones(len(x_N)), np.maximum(0.0, x_N[:, np.newaxis] - knots_H) / (high - low)])
    weights, *_ = np.linalg.lstsq(columns, target_N.astype(np.float64))
    return float(np.sqrt(np.square(columns @ weights - target_N).mean()))
