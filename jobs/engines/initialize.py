"""Initial weights: of all models of a pack in one call, each a function of its seed and kind of initialisation alone.

Every kind scales the same random numbers, which are uniform in (-1, 1), so that trials that differ only in the kind or
in another hyperparameter start from the same direction. spread_knots draws no biases: it places them.

Suffixes: M models, P parameters of one model, I inputs, H units of the first hidden layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.draws import uniform
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.engines.program import Layer, Program
from sumsquares.jobs.engines.state import PerModel, State

WEIGHTS, BIASES = 1, 2  # purposes of draws
STEEP, GENTLE = 1024.0, 2.0
"""With spread_knots, how much a unit of the first layer rises across the range of the inputs: see `steepness`."""
_WITH_KNOTS = frozenset({"relu", "leaky_relu"})
STEPS_WITHOUT_SCALE = frozenset({"adam", "adamw", "rmsprop"})
"""Optimizers whose steps do not grow with the gradient: they leave steep knots in their places."""
Ranges = Sequence[tuple[float, float]]


def _bounds(kind: str, layer: Layer) -> tuple[float, float]:
    """Bounds of a layer's weights and of its biases.

    glorot_uniform: sqrt(6 / (fan_in + fan_out)), biases 0 (Glorot and Bengio 2010; Keras's default).
    he_uniform: sqrt(6 / fan_in), biases 0 (He et al. 2015).
    pytorch: 1 / sqrt(fan_in) for both (torch.nn.Linear's default).
    spread_knots: as he_uniform, except for the first hidden layer and the weights after it (`_spread`).
    """
    if kind == "glorot_uniform":
        return math.sqrt(6 / (layer.inputs + layer.outputs)), 0.0
    if kind in ("he_uniform", "spread_knots"):
        return math.sqrt(6 / layer.inputs), 0.0
    assert kind == "pytorch", kind
    return 1 / math.sqrt(layer.inputs), 1 / math.sqrt(layer.inputs)


def initial_state(program: Program, models: PerModel, arrays: int) -> State:
    """Returns the state before the first step; the optimizer has `arrays` numbers of state per parameter."""
    parameters = initialize(program, models.seeds, models.init, models.input_range, models.readout)
    optimizer_state = tuple(np.zeros_like(parameters) for _ in range(arrays))
    losses = np.zeros((len(parameters), len(curve_epochs(program.epochs))))
    return State(0, parameters, optimizer_state, np.zeros(len(parameters), np.int64), losses)


def initialize(
    program: Program,
    seeds: Sequence[int],
    kinds: Sequence[str],
    input_range: Ranges = (),
    readouts: Sequence[str] = (),
) -> NDArray[np.floating]:
    """Returns the initial parameters [M, P] of all models, in the program's dtype; arguments are those of PerModel."""
    seeds_M = np.asarray(seeds, dtype=np.uint64)
    used, kind_M = np.unique(np.asarray(kinds), return_inverse=True)
    flat_MP = np.empty((len(seeds), program.parameters))
    for index, layer in enumerate(program.layers):
        bounds = np.array([_bounds(str(kind), layer) for kind in used])[kind_M]
        for part, purpose, bound_M in (
            (layer.weights, WEIGHTS, bounds[:, :1]),
            (layer.bias, BIASES, bounds[:, 1:]),
        ):
            draws = uniform(seeds_M, purpose + 16 * index, part.stop - part.start)
            flat_MP[:, part] = draws * bound_M
    spread_M = np.asarray(kinds) == "spread_knots"
    solved_M = np.asarray(readouts or ["trained"] * len(seeds)) == "solved"
    for is_solved in (False, True):
        these_M = spread_M & (solved_M == is_solved)
        if program.hidden and these_M.any():
            rise, ranges = steepness(program, is_solved), input_range or [(-1.0, 1.0)] * program.inputs
            flat_MP[these_M] = _spread(program, flat_MP[these_M], ranges, rise)
    return flat_MP.astype(program.dtype)


def steepness(program: Program, is_solved: bool) -> float:
    """Returns by how much spread_knots lets a unit of the first layer rise across the range of the inputs.

    Steep units with small weights after them keep their knots: a step changes a large weight by a small share. With one
    input, Adam at a learning rate of 0.001, 500 epochs on 1,000 squares and the readout solved, 64 units end at 1.006
    times the floor with 1024, 1.05 with 256, 2.0 with 64 and 10 with 16. Gentle ones are for all else: a readout that
    is only trained ends at an RMSE of 26,450 after steep units, and at 512 after gentle ones; with several inputs
    training improves the directions (products of two numbers: 17 instead of 26), a second layer of 64 units gets worse
    from 64 on, gradient descent is unstable from 4 on at a rate of 0.1, and steep smooth units saturate.
    """
    keeps_knots = program.inputs == len(program.hidden) == 1 and program.activation in _WITH_KNOTS
    return STEEP if is_solved and keeps_knots and program.optimizer in STEPS_WITHOUT_SCALE else GENTLE


def knot_shares(units: int) -> NDArray[np.floating]:
    """Returns how far along the range the knots of so many units lie: the best places for a parabola."""
    return (np.arange(units) + 0.5) / (units + 0.5)


def _spread(program: Program, flat_MP: NDArray[np.float64], input_range: Ranges, rise: float) -> NDArray[np.float64]:
    """Returns the parameters with the first layer's knots spread over the inputs, and with a flatter second layer.

    A knot is where a unit's weighted sum is 0. That of each unit lies at its share of the way along its direction, from
    the smallest to the largest projection of the inputs. Directions are drawn as if all inputs had the same range: else
    nearly all units would look along the widest. With one input, all units face right.
    """
    first, second = program.layers[:2]
    low_I, high_I = np.array(input_range).T
    width_I = high_I - low_I
    share_I = np.where(width_I > 0, width_I / (width_I.max() or 1.0), 1.0)  # exactly 1 where the ranges are equal
    weights_MIH = flat_MP[:, first.weights].reshape(-1, first.inputs, first.outputs) / share_I[:, None]
    if first.inputs == 1:
        weights_MIH = np.abs(weights_MIH)
    ends_2MIH = np.stack([weights_MIH * low_I[:, None], weights_MIH * high_I[:, None]])
    low_MH, high_MH = ends_2MIH.min(0).sum(1), ends_2MIH.max(0).sum(1)
    # Inputs that are constant have no range to spread over.
    rise_MH = rise / np.where(high_MH > low_MH, high_MH - low_MH, 1.0)
    share_H = knot_shares(first.outputs)
    spread_MP = flat_MP.copy()
    spread_MP[:, first.weights] = (weights_MIH * rise_MH[:, None]).reshape(len(flat_MP), -1)
    spread_MP[:, first.bias] = -rise_MH * (low_MH + (high_MH - low_MH) * share_H)
    spread_MP[:, second.weights] /= rise
    return spread_MP
