"""A trained model as what everyone knows: a plain torch.nn.Sequential.

Suffixes: M models, P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sumsquares.jobs.engines.activations import LEAK
from sumsquares.jobs.engines.program import Program


class Square(nn.Module):
    """The square, element by element."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The square of x, any shape."""
        return x * x


MODULES: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "square": Square,
}
assert nn.LeakyReLU().negative_slope == LEAK


def sequential(program: Program, tensors: Mapping[str, NDArray[np.floating]]) -> nn.Sequential:
    """The network of one model; `tensors` are its state dict, as `state_dicts` names them."""
    modules: list[nn.Module] = []
    for layer in program.layers:
        modules += [
            nn.Linear(layer.inputs, layer.outputs, dtype=getattr(torch, program.dtype)),
            MODULES[program.activation](),
        ]
    network = nn.Sequential(*modules[:-1])
    network.load_state_dict({name: torch.tensor(values) for name, values in tensors.items()})
    return network
