"""The RMSE that stands for a variant: the median of its seeds, or of several splits, the mean over all trials.

Splits differ in how hard their test rows are, and what tables of one's own are published with is the mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def has_splits(row: Mapping[str, Any]) -> bool:
    """Whether a row of the summary's table is over several splits."""
    return (row.get("n_splits") or 1) > 1


def middle_column(row: Mapping[str, Any]) -> str:
    """Returns the column of the RMSE by which a variant is compared with others."""
    return "rmse_mean" if has_splits(row) else "rmse_median"


def middle(row: Mapping[str, Any]) -> float | None:
    """Returns the RMSE by which a variant is compared with others; None without a result."""
    value: float | None = row[middle_column(row)]
    return value


def middle_or_infinite(row: Mapping[str, Any]) -> float:
    """Returns the same, infinite without a result."""
    value = middle(row)
    return math.inf if value is None else value
