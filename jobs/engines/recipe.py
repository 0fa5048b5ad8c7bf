"""What the initial parameters of a pack follow from, beside random numbers: bounds of each kind, and where knots lie.

It draws nothing. `initialize` does on CPUs, and `cuda/weights.py` on GPUs, to the same bits.

Suffixes: M models, K kinds, L layers, I inputs, H units of the first hidden layer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.program import Layer, Program
from sumsquares.jobs.engines.state import PerModel

STEEP, GENTLE = 1024.0, 2.0
"""With spread_knots, how much a unit of the first layer rises across the range of the inputs: see `steepness`. They are
powers of two, so that it is the same whether weights are divided by them or multiplied by their inverses."""
STEPS_WITHOUT_SCALE = frozenset({"adam", "adamw", "rmsprop"})
"""Optimizers whose steps do not grow with the gradient: they leave steep knots in their places."""
_WITH_KNOTS = frozenset({"relu", "leaky_relu"})
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recipe:
    """What the models' initial parameters follow from. `of` makes one."""

    seeds_M: NDArray[np.uint64]
    kind_M: NDArray[np.int64]
    """Index of each model's kind."""
    bounds_KL2: Floats
    """Bounds of the weights and of the biases of each layer, by kind."""
    rise_M: Floats
    """How much a unit of the first layer rises across the range of the inputs; 0 where no knots are spread."""
    low_I: Floats
    """Smallest normalised value of each input column."""
    high_I: Floats
    """Largest normalised value."""
    share_I: Floats
    """Width of each range, as a share of the widest; 1 for constant columns."""
    knot_H: Floats
    """How far along its direction each unit's knot lies; empty without hidden layers."""

    @classmethod
    def of(cls, program: Program, models: PerModel) -> Recipe:
        """Returns the recipe of a pack's models."""
        used, kind_M = np.unique(np.asarray(models.init), return_inverse=True)
        bounds_KL2 = np.array([[_bounds(str(kind), layer) for layer in program.layers] for kind in used])
        readouts = models.readout or ["trained"] * len(models.seeds)
        rises = {solved: steepness(program, solved) if program.hidden else 0.0 for solved in (False, True)}
        rise_M = np.array(
            [
                rises[readout == "solved"] if kind == "spread_knots" else 0.0
                for kind, readout in zip(models.init, readouts, strict=True)
            ]
        )
        low_I, high_I = np.array(models.input_range or [(-1.0, 1.0)] * program.inputs, np.float64).T.copy()
        width_I = high_I - low_I
        share_I = np.where(width_I > 0, width_I / (width_I.max() or 1.0), 1.0)  # exactly 1 where the ranges are equal
        knot_H = knot_shares(program.hidden[0]) if program.hidden else np.empty(0)
        seeds_M = np.asarray(models.seeds, dtype=np.uint64)
        return cls(seeds_M, kind_M.astype(np.int64), bounds_KL2, rise_M, low_I, high_I, share_I, knot_H)

    def models(self, part: slice) -> Recipe:
        """Returns the recipe of a part of the models, as views of the same memory."""
        shared = (self.low_I, self.high_I, self.share_I, self.knot_H)
        return Recipe(self.seeds_M[part], self.kind_M[part], self.bounds_KL2, self.rise_M[part], *shared)


def _bounds(kind: str, layer: Layer) -> tuple[float, float]:
    """Bounds of a layer's weights and of its biases.

    glorot_uniform: sqrt(6 / (fan_in + fan_out)), biases 0 (Glorot and Bengio 2010; Keras's default).
    he_uniform: sqrt(6 / fan_in), biases 0 (He et al. 2015).
    pytorch: 1 / sqrt(fan_in) for both (torch.nn.Linear's default).
    spread_knots: as he_uniform, except for the first hidden layer and the weights after it.
    """
    if kind == "glorot_uniform":
        return math.sqrt(6 / (layer.inputs + layer.outputs)), 0.0
    if kind in ("he_uniform", "spread_knots"):
        return math.sqrt(6 / layer.inputs), 0.0
    assert kind == "pytorch", kind
    return 1 / math.sqrt(layer.inputs), 1 / math.sqrt(layer.inputs)


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


def knot_shares(units: int) -> Floats:
    """Returns how far along the range the knots of so many units lie: the best places for a parabola."""
    return np.asarray((np.arange(units) + 0.5) / (units + 0.5))
