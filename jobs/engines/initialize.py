"""Initial weights: of all models of a pack in one call, each a function of its seed and kind of initialisation alone.

Every kind scales the same random numbers, which are uniform in (-1, 1), so that trials that differ only in the kind or
in another hyperparameter start from the same direction. spread_knots draws no biases: it places them.

The lanes library draws them where it was built, else numpy does, to the same bits.

Suffixes: M models, P parameters of one model, I inputs, H units of the first hidden layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.draws import uniform
from sumsquares.jobs.engines.lanes.library import load
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.recipe import Recipe
from sumsquares.jobs.engines.state import PerModel, State

WEIGHTS, BIASES = 1, 2  # purposes of draws, as in lanes/draws.h
NATIVE_NUMBERS = 1 << 26
"""Parameters that one call of the library draws, or one model's: 0.1 s, without handling signals."""
NUMPY_NUMBERS = 1 << 18
"""Parameters that numpy draws at a time, or one model's: its intermediate results are then 20 MB, and fit a cache."""


def initial_state(program: Program, models: PerModel, arrays: int) -> State:
    """Returns the state before the first step; the optimizer has `arrays` numbers of state per parameter."""
    parameters = initialize(program, models.seeds, models.init, models.input_range, models.readout)
    # Zeros of np.zeros take no memory until they are written, unlike those of np.zeros_like.
    optimizer_state = tuple(np.zeros(parameters.shape, parameters.dtype) for _ in range(arrays))
    losses = np.zeros((len(parameters), len(curve_epochs(program.epochs))))
    return State(0, parameters, optimizer_state, np.zeros(len(parameters), np.int64), losses)


def initialize(
    program: Program,
    seeds: Sequence[int],
    kinds: Sequence[str],
    input_range: Sequence[tuple[float, float]] = (),
    readouts: Sequence[str] = (),
) -> NDArray[np.floating]:
    """Returns the initial parameters [M, P] of all models, in the program's dtype; arguments are those of PerModel."""
    recipe = Recipe.of(program, PerModel(seeds, kinds, (), (), readouts, input_range))
    parameters_MP = np.empty((len(recipe.seeds_M), program.parameters), program.dtype)
    native = load()
    numbers = NUMPY_NUMBERS if isinstance(native, str) else NATIVE_NUMBERS
    size = max(1, numbers // program.parameters)
    for first in range(0, len(parameters_MP), size):
        part = slice(first, first + size)
        if isinstance(native, str):
            parameters_MP[part] = _drawn(program, recipe.models(part))
        else:
            native.initialize(program, recipe.models(part), parameters_MP[part])
    return parameters_MP


def _drawn(program: Program, recipe: Recipe) -> NDArray[np.float64]:
    """Returns the initial parameters of these models by numpy: what lanes/initial.h computes."""
    flat_MP = np.empty((len(recipe.seeds_M), program.parameters))
    bounds_ML2 = recipe.bounds_KL2[recipe.kind_M]
    for index, layer in enumerate(program.layers):
        for place, (part, purpose) in enumerate(((layer.weights, WEIGHTS), (layer.bias, BIASES))):
            draws_MP = uniform(recipe.seeds_M, purpose + 16 * index, part.stop - part.start)
            np.multiply(draws_MP, bounds_ML2[:, index, place, None], out=flat_MP[:, part])
    spread_M = recipe.rise_M > 0
    if spread_M.any():
        flat_MP[spread_M] = _spread(program, flat_MP[spread_M], recipe, recipe.rise_M[spread_M])
    return flat_MP


def _spread(
    program: Program, flat_MP: NDArray[np.float64], recipe: Recipe, rise_M: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Returns the parameters with the first layer's knots spread over the inputs, and with a flatter second layer.

    A knot is where a unit's weighted sum is 0. That of each unit lies at its share of the way along its direction, from
    the smallest to the largest projection of the inputs. Directions are drawn as if all inputs had the same range: else
    nearly all units would look along the widest. With one input, all units face right.
    """
    first, second = program.layers[:2]
    weights_MIH = flat_MP[:, first.weights].reshape(-1, first.inputs, first.outputs) / recipe.share_I[:, None]
    if first.inputs == 1:
        weights_MIH = np.abs(weights_MIH)
    ends_2MIH = np.stack([weights_MIH * recipe.low_I[:, None], weights_MIH * recipe.high_I[:, None]])
    low_MH, high_MH = ends_2MIH.min(0).sum(1), ends_2MIH.max(0).sum(1)
    # Inputs that are constant have no range to spread over.
    rise_MH = rise_M[:, None] / np.where(high_MH > low_MH, high_MH - low_MH, 1.0)
    spread_MP = flat_MP.copy()
    spread_MP[:, first.weights] = (weights_MIH * rise_MH[:, None]).reshape(len(flat_MP), -1)
    spread_MP[:, first.bias] = -rise_MH * (low_MH + (high_MH - low_MH) * recipe.knot_H)
    spread_MP[:, second.weights] /= rise_M[:, None]
    return spread_MP
