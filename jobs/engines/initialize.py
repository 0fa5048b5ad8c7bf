"""Initial weights: of all models of a pack in one call, each a function of its seed and kind of initialisation alone.

Every kind is uniform in (-bound, bound) and scales the same random numbers, so that trials that differ only in the kind
or in another hyperparameter start from the same direction.
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


def _bounds(kind: str, layer: Layer) -> tuple[float, float]:
    """Bounds of a layer's weights and of its biases.

    glorot_uniform: sqrt(6 / (fan_in + fan_out)), biases 0 (Glorot and Bengio 2010; Keras's default).
    he_uniform: sqrt(6 / fan_in), biases 0 (He et al. 2015).
    pytorch: 1 / sqrt(fan_in) for both (torch.nn.Linear's default).
    """
    if kind == "glorot_uniform":
        return math.sqrt(6 / (layer.inputs + layer.outputs)), 0.0
    if kind == "he_uniform":
        return math.sqrt(6 / layer.inputs), 0.0
    assert kind == "pytorch", kind
    return 1 / math.sqrt(layer.inputs), 1 / math.sqrt(layer.inputs)


def initial_state(program: Program, models: PerModel, arrays: int) -> State:
    """Returns the state before the first step; the optimizer has `arrays` numbers of state per parameter."""
    parameters = initialize(program, models.seeds, models.init)
    optimizer_state = tuple(np.zeros_like(parameters) for _ in range(arrays))
    losses = np.zeros((len(parameters), len(curve_epochs(program.epochs))))
    return State(0, parameters, optimizer_state, np.zeros(len(parameters), np.int64), losses)


def initialize(program: Program, seeds: Sequence[int], kinds: Sequence[str]) -> NDArray[np.floating]:
    """Returns the initial parameters [M, P] of all models, in the program's dtype."""
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
    return flat_MP.astype(program.dtype)
