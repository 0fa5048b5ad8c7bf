"""Loss curves: at which epochs the loss of a training is kept, and what the curves say. Plain arrays, no torch.

The loss of an epoch is the mean over its rows in normalised units, each as it was when its batch was trained. It is a
sum that training computes anyway.

Suffixes: M models, E points of a curve, S steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 50
"""Points of a curve at most: a tenth of the steps of 500 epochs, and 400 bytes of a model's state."""
_LEAST_POINTS = 3
"""Points from which a slope is computed: two always lie on a line."""

Floats = NDArray[np.floating]


def curve_epochs(epochs: int) -> NDArray[np.int64]:
    """Returns the epochs [E] whose loss is kept, counted from 1: evenly spaced in the logarithm, both ends included."""
    return np.unique(np.rint(np.geomspace(1, epochs, MOST_POINTS)).astype(np.int64))


def points(begin: int, end: int, epochs: int, steps_per_epoch: int) -> NDArray[np.int64]:
    """Returns for steps `begin` to before `end`, counted from 0, the point of the curve that each counts for, or -1."""
    epochs_E = curve_epochs(epochs)
    epoch_S = np.arange(begin, end) // steps_per_epoch + 1
    point_S = np.searchsorted(epochs_E, epoch_S)
    return np.where(epochs_E[point_S] == epoch_S, point_S, -1)


def slope(epochs_E: NDArray[np.int64], losses_ME: Floats) -> NDArray[np.float64]:
    """Returns d ln loss / d ln epoch over the last half of the epochs, by least squares.

    NaN for a model with a loss that isn't a positive number there, or if there are fewer than three points.
    """
    late_E = 2 * epochs_E >= epochs_E[-1]
    if np.count_nonzero(late_E) < _LEAST_POINTS:
        return np.full(len(losses_ME), np.nan)
    x_E = np.log(epochs_E[late_E])
    x_E -= x_E.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        y_ME = np.log(losses_ME[:, late_E].astype(np.float64))
        return _finite(((y_ME - y_ME.mean(1, keepdims=True)) * x_E).sum(1) / np.square(x_E).sum())


def rise(losses_ME: Floats) -> NDArray[np.float64]:
    """Returns ln(last loss / lowest loss of the curve); 0 where the last one is the lowest.

    NaN for a model whose last loss isn't a number, or whose lowest one is 0 and not the last.
    """
    last_M, lowest_M = losses_ME[:, -1].astype(np.float64), np.fmin.reduce(losses_ME, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _finite(np.where(last_M == lowest_M, 0 * last_M, np.log(last_M / lowest_M)))


@dataclass(frozen=True)
class Curve:
    """The loss curves of M models."""

    epochs: int
    """Of the whole training."""
    losses_ME: Floats

    @property
    def slope(self) -> NDArray[np.float64]:
        """See `slope`."""
        return slope(curve_epochs(self.epochs), self.losses_ME)

    @property
    def rise(self) -> NDArray[np.float64]:
        """See `rise`."""
        return rise(self.losses_ME)


def _finite(values_M: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values_M), values_M, np.nan)
