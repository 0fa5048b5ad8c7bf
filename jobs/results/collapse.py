"""A network without activation as the one linear function that it is, in the units of the raw numbers.

Suffixes: I inputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.normalize import Normalization
from sumsquares.jobs.spec.variants import Trial


@dataclass(frozen=True, slots=True)
class Linear:
    """The answer of a trial: the sum of its inputs, each times its coefficient, and of the constant."""

    trial_id: str
    coefficients: dict[str, float]
    """By the name of the input column: number_1 and so on, then unused_1; or that of a table's."""
    constant: float


def collapse(
    trial: Trial, tensors: Mapping[str, NDArray[np.floating]], place: int, scale: Normalization
) -> Linear | None:
    """Returns the linear function of a trial without hidden activation, computed in float64.

    It is None if the answer isn't linear in the raw numbers: with another output than linear, or with logarithms.
    `tensors` are the stacked weights of its pack, as `read_weights` returns them, and `place` is the trial's in them.
    """
    variant = trial.variant
    assert variant.activation == "identity", variant.activation
    if variant.output != "linear" or scale.log_inputs or scale.log_target:
        return None
    weights_I, bias = _multiplied({name: stacked[place] for name, stacked in tensors.items()}, len(variant.hidden) + 1)
    # answer = shift + scale * (sum of w * (x - input_shift) / input_scale + b)
    slopes_I = weights_I * (scale.target_scale / np.array(scale.input_scale))
    constant = float(scale.restore(np.array(bias))) - float(slopes_I @ np.array(scale.input_shift))
    return Linear(trial.id, dict(zip(variant.dataset.columns, slopes_I.tolist(), strict=False)), constant)


def _multiplied(tensors: dict[str, NDArray[np.floating]], layers: int) -> tuple[NDArray[np.float64], float]:
    """Returns the weights [I] and the bias of one layer that does what these do, one after the other."""
    weights_OI, bias_O = tensors["0.weight"].astype(np.float64), tensors["0.bias"].astype(np.float64)
    for index in range(1, layers):
        above = tensors[f"{2 * index}.weight"].astype(np.float64)
        weights_OI, bias_O = above @ weights_OI, above @ bias_O + tensors[f"{2 * index}.bias"]
    return weights_OI[0], float(bias_O[0])
