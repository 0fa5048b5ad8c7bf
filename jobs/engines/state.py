"""What differs between the models of a pack, and the state that training resumes from. Plain arrays, no torch.

Suffixes: M models, P parameters of one model, E points of a loss curve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.engines.program import Program


@dataclass(frozen=True)
class PerModel:
    """What differs between the M models of a pack."""

    seeds: Sequence[int]
    """Seeds of the initial weights."""
    init: Sequence[str]
    """Kinds of initial weights: glorot_uniform, he_uniform, pytorch or spread_knots."""
    lr: Sequence[float]
    """Learning rates of the first step."""
    weight_decay: Sequence[float]
    readout: Sequence[str] = ()
    """trained or solved; () is trained for all. The initial weights of spread_knots depend on it."""
    input_range: Sequence[tuple[float, float]] = ()
    """Smallest and largest normalised value of each input column, the same for all models; () is -1 to 1 for each."""


@dataclass(frozen=True)
class State:
    """Everything that training resumes from; after the last step, its result."""

    step: int
    """Optimizer steps done."""
    parameters: NDArray[np.floating]
    """[M, P]"""
    optimizer_state: tuple[NDArray[np.floating], ...]
    """The optimizer's arrays, each [M, P], such as velocity or moments."""
    finite_steps: NDArray[np.int64]
    """[M]: steps with a finite loss. If they are fewer than `step`, the model diverged after that many."""
    losses: NDArray[np.float64]
    """[M, E]: mean loss, in normalised units, over the rows of each epoch of `losses.curve_epochs`, as the optimizer
    saw them. The epoch under way has the part of its steps so far, later ones 0, and unknown ones NaN."""


def losses_so_far(program: Program, state: State) -> NDArray[np.float64]:
    """Returns a copy of the state's loss curves, to continue.

    Where it has none, as in a checkpoint of an earlier version, or those of another number of epochs, the epochs that
    have begun are unknown.
    """
    epochs_E = curve_epochs(program.epochs)
    if state.losses.shape[1] == len(epochs_E):
        return state.losses.copy()
    begun = -(-state.step // program.steps_per_epoch)
    return np.tile(np.where(epochs_E <= begun, np.nan, 0.0), (len(state.parameters), 1))


def state_dicts(program: Program, flat_MP: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Returns parameters [M, P] as stacked tensors with a Sequential's names: "0.weight" [M, O, I], "0.bias" [M, O]."""
    tensors: dict[str, NDArray[np.floating]] = {}
    for index, layer in enumerate(program.layers):
        weights = flat_MP[:, layer.weights].reshape(-1, layer.inputs, layer.outputs)
        tensors[f"{2 * index}.weight"] = np.ascontiguousarray(weights.transpose(0, 2, 1))
        tensors[f"{2 * index}.bias"] = np.ascontiguousarray(flat_MP[:, layer.bias])
    return tensors


def flat_parameters(program: Program, tensors: Mapping[str, NDArray[np.floating]]) -> NDArray[np.floating]:
    """Returns stacked tensors as parameters [M, P]: the inverse of `state_dicts`."""
    pieces = []
    for index in range(len(program.layers)):
        weights, bias = tensors[f"{2 * index}.weight"], tensors[f"{2 * index}.bias"]
        pieces += [weights.transpose(0, 2, 1).reshape(len(weights), -1), bias]
    return np.concatenate(pieces, axis=1)
