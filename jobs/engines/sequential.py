"""A trained model as a torch.nn.Module: the network alone as a Sequential, or with its scaling around it.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sumsquares.datasets.normalize import Normalization
from sumsquares.jobs.engines.activations import ACTIVATIONS, OUTPUTS
from sumsquares.jobs.engines.program import Program


def sequential(program: Program, tensors: Mapping[str, NDArray[np.floating]]) -> nn.Sequential:
    """Returns the network of one model; `tensors` are its state dict, with the names of `state_dicts`.

    It takes normalised inputs [N, I] and returns normalised outputs [N, 1].
    """
    modules: list[nn.Module] = []
    for layer in program.layers:
        modules += [
            nn.Linear(layer.inputs, layer.outputs, dtype=getattr(torch, program.dtype)),
            ACTIVATIONS[program.activation].module(),
        ]
    modules[-1:] = [OUTPUTS[program.output].module()] if program.output != "linear" else []
    network = nn.Sequential(*modules)
    network.load_state_dict({name: torch.tensor(values) for name, values in tensors.items()})
    return network


class ScaledNetwork(nn.Module):
    """A trained network with its scaling inside: raw inputs [N, I] in, answers [N] in the target's own units out.

    The scales are buffers in float64, so that `state_dict`, `to` and `double` take them along; the parameters are the
    network's weights alone, and training can continue. A row with an input that needs a logarithm and has none gets
    NaN.
    """

    def __init__(self, network: nn.Sequential, scale: Normalization) -> None:
        super().__init__()
        self.network = network
        """From normalised inputs [N, I] to normalised outputs [N, 1]."""
        self.log_inputs, self.log_target = scale.log_inputs, scale.log_target
        for name in ("input_shift", "input_scale", "target_shift", "target_scale"):
            self.register_buffer(name, torch.tensor(getattr(scale, name), dtype=torch.float64))

    def forward(self, x_NI: Tensor) -> Tensor:
        """The answers [N] to raw inputs [N, I]."""
        weight = cast(nn.Linear, self.network[0]).weight
        y_N = self.network(self.normalized(x_NI).to(weight.dtype))[:, 0]
        return self.restored(y_N)

    def normalized(self, x_NI: Tensor) -> Tensor:
        """What the network sees of raw inputs [N, I], in the type of the scales."""
        raw_NI = x_NI.to(self.input_shift.dtype)
        if self.log_inputs:
            raw_NI = torch.log(torch.where(raw_NI > 0, raw_NI, math.nan))
        return (raw_NI - self.input_shift) / self.input_scale

    def restored(self, y_N: Tensor) -> Tensor:
        """The network's outputs in the target's own units, of any shape."""
        restored_N = y_N.to(self.target_scale.dtype) * self.target_scale + self.target_shift
        return torch.exp(restored_N) if self.log_target else restored_N

    def extra_repr(self) -> str:
        """What the scaling does, beside the network."""
        logs = [name for name, is_log in (("inputs", self.log_inputs), ("target", self.log_target)) if is_log]
        return f"scales inputs and target, logarithm of {' and '.join(logs)}" if logs else "scales inputs and target"

    input_shift: Tensor
    input_scale: Tensor
    target_shift: Tensor
    target_scale: Tensor
