"""A trained model as a plain torch.nn.Sequential.

Suffixes: M models, P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sumsquares.jobs.engines.activations import ACTIVATIONS, OUTPUTS
from sumsquares.jobs.engines.program import Program


def sequential(program: Program, tensors: Mapping[str, NDArray[np.floating]]) -> nn.Sequential:
    """Returns the network of one model; `tensors` are its state dict, with the names of `state_dicts`."""
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
