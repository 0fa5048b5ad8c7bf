"""Initial weights of a pack, drawn in the memory of a GPU: to the bits of `initialize`, and none of them is uploaded.

What is uploaded follows from the pack's recipe: 20 bytes per model, and some per input and unit of the first layer.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sumsquares.jobs.engines.cuda import compiler
from sumsquares.jobs.engines.cuda.driver import Array, Device, Module
from sumsquares.jobs.engines.cuda.source import source
from sumsquares.jobs.engines.program import Layer, Program
from sumsquares.jobs.engines.recipe import Recipe
from sumsquares.jobs.engines.state import PerModel

FILES = ("../lanes/draws.h", "weights.cuh")
THREADS = (32, 8)
"""Threads of a block: along the numbers of a layer, and along the models."""
GRID = (1024, 1 << 15)
"""The most blocks of a launch in each direction; their threads then take several numbers or models each."""
PAIRWISE = 8
"""Numbers from which on numpy adds those that lie side by side in another order."""


def initial_parameters(device: Device, program: Program, models: PerModel) -> Array:
    """Returns the initial parameters [M, P] of all models, in the program's dtype, in the memory of the device.

    Raises:
        CompileError: the kernels can't be compiled, with the reason.
        CudaError: the device failed, or has not enough memory.

    """
    return _Drawing(device, program, Recipe.of(program, models)).parameters()


class _Drawing:
    """The recipe of a pack on the device."""

    def __init__(self, device: Device, program: Program, recipe: Recipe) -> None:
        self._device, self._program, self._recipe = device, program, recipe
        self._has_knots = bool((recipe.rise_M > 0).any())
        self._module = _module(device, program.dtype, self._has_knots)
        # Bounds of one part after those of another: [parts][kinds].
        self._bounds = device.put(recipe.bounds_KL2.transpose(1, 2, 0))
        self._models = (
            np.int64(len(recipe.seeds_M)),
            np.int64(program.parameters),
            device.put(recipe.seeds_M),
            device.put(recipe.kind_M.astype(np.int32)),
            device.put(recipe.rise_M),
        )

    def parameters(self) -> Array:
        """Draws them. It returns before that is done."""
        parameters = self._device.empty((len(self._recipe.seeds_M), self._program.parameters), self._program.dtype)
        for index, layer in enumerate(self._program.layers):
            for place, part in enumerate((layer.weights, layer.bias)):
                self._draw(parameters, index, place, part)
        if self._has_knots:
            self._spread(parameters, self._program.layers[0])
        return parameters

    def _draw(self, parameters: Array, index: int, place: int, part: slice) -> None:
        count = part.stop - part.start
        numbers = (np.int64(part.start), np.int64(count), parameters)
        bounds = self._bounds[index : index + 1]  # of the weights, then of the biases
        self._launch("initialize", -(-count // 4), bounds, place * len(self._recipe.bounds_KL2), index, place, *numbers)

    def _spread(self, parameters: Array, first: Layer) -> None:
        recipe = self._recipe
        ranges = [self._device.put(each) for each in (recipe.low_I, recipe.high_I, recipe.share_I, recipe.knot_H)]
        name = "initialize_lone_knots" if first.outputs == 1 and first.inputs >= PAIRWISE else "initialize_knots"
        numbers = (*ranges, np.int64(first.inputs), np.int64(first.outputs), parameters)
        self._launch(name, first.outputs, self._bounds[:1], *numbers)

    def _launch(self, name: str, across: int, *arguments: object) -> None:
        """Starts a kernel with so many threads for each model."""
        work = (across, len(self._recipe.seeds_M))
        blocks = [min(most, -(-size // count)) for size, count, most in zip(work, THREADS, GRID, strict=True)]
        self._module.function(name).launch(tuple(blocks), THREADS, 0, *self._models, *arguments)


def text(dtype: str, has_knots: bool) -> str:
    """Returns the source of the kernels: each dtype has its own, which all programs share."""
    macros = {
        "T": "double" if dtype == "float64" else "float",
        "IS_DOUBLE": int(dtype == "float64"),
        "HAS_KNOTS": int(has_knots),
        "DRAWS_INLINE": "__device__ __forceinline__",
        "DRAWS_LOOP": '_Pragma("unroll 1")',
    }
    return source(macros, FILES)


@lru_cache(maxsize=4)
def _module(device: Device, dtype: str, has_knots: bool) -> Module:
    return device.load(compiler.compiled(text(dtype, has_knots), device.architecture).image)
