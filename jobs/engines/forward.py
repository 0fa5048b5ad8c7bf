"""What one trained model answers, in plain numpy: for a few rows, where importing torch takes longer than all else.

Suffixes: N rows, I inputs, H units of a layer, O outputs of a layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def _sigmoid(z: Floats) -> Floats:
    return (1 + np.tanh(z / 2)) / 2


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, z * z.dtype.type(0.01)),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "gelu": lambda z: z * ((1 + _erf(z * math.sqrt(0.5))) / 2).astype(z.dtype),
    "silu": lambda z: z * _sigmoid(z),
    "square": np.square,
}
"""The same as in `activations.py`, which trains; a test compares them with torch's own."""


def forward(activation: str, tensors: Mapping[str, Floats], x_NI: Floats) -> Floats:
    """The outputs [N] of a model for normalised inputs; `tensors` are its state dict, as `state_dicts` names them."""
    layers = sorted({int(name.partition(".")[0]) for name in tensors})
    a_NH = x_NI
    with np.errstate(all="ignore"):  # far beyond what was learnt an answer may overflow: whoever asks has to look
        for layer in layers:
            z_NO = a_NH @ tensors[f"{layer}.weight"].T + tensors[f"{layer}.bias"]
            a_NH = ACTIVATIONS[activation](z_NO) if layer != layers[-1] else z_NO
    return a_NH[:, 0]
