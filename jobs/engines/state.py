"""What differs between the models of a pack, and the state that training continues from. Plain arrays, no torch.

Suffixes: M models, P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.program import Program


@dataclass(frozen=True)
class PerModel:
    """What differs between the M models of a pack."""

    seeds: Sequence[int]
    """Of the initial weights."""
    init: Sequence[str]
    """glorot_uniform, he_uniform or pytorch."""
    lr: Sequence[float]
    """Learning rates of the first step."""
    weight_decay: Sequence[float]


@dataclass(frozen=True)
class State:
    """All that training continues from, and its result after the last step."""

    step: int
    """Optimizer steps made."""
    parameters: NDArray[np.floating]
    """[M, P]"""
    optimizer_state: tuple[NDArray[np.floating], ...]
    """What the optimizer remembers from step to step, each [M, P]."""
    finite_steps: NDArray[np.int64]
    """[M]: steps with a finite loss. Fewer than `step` means that the model diverged after so many."""


def state_dicts(program: Program, flat_MP: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Parameters [M, P] as stacked tensors, named as in a Sequential: "0.weight" [M, out, in], "0.bias" [M, out]."""
    tensors: dict[str, NDArray[np.floating]] = {}
    for index, layer in enumerate(program.layers):
        weights = flat_MP[:, layer.weights].reshape(-1, layer.inputs, layer.outputs)
        tensors[f"{2 * index}.weight"] = np.ascontiguousarray(weights.transpose(0, 2, 1))
        tensors[f"{2 * index}.bias"] = np.ascontiguousarray(flat_MP[:, layer.bias])
    return tensors


def flat_parameters(program: Program, tensors: Mapping[str, NDArray[np.floating]]) -> NDArray[np.floating]:
    """The inverse of `state_dicts`: stacked tensors as parameters [M, P]."""
    pieces = []
    for index in range(len(program.layers)):
        weights, bias = tensors[f"{2 * index}.weight"], tensors[f"{2 * index}.bias"]
        pieces += [weights.transpose(0, 2, 1).reshape(len(weights), -1), bias]
    return np.concatenate(pieces, axis=1)
