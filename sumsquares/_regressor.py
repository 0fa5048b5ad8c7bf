"""A sweep by scikit-learn's protocol."""

from __future__ import annotations


class SweepRegressor:
    """To be written."""
