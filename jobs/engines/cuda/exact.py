"""Predictions in float64 on a GPU, to the bits of the lanes kernel: those of networks with a solved readout.

The kernels are in features.cuh and answers.cuh; readout.py uses the same module. Networks whose layers are too wide for
shared memory are left to others.

Suffixes: M models, N rows, I inputs, P parameters of one model.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sumsquares.jobs.engines.cuda import compiler
from sumsquares.jobs.engines.cuda.driver import Device, Module
from sumsquares.jobs.engines.cuda.evaluation import Predictor, grid, most_rows
from sumsquares.jobs.engines.cuda.memory import Array
from sumsquares.jobs.engines.cuda.source import source
from sumsquares.jobs.engines.program import Program

_FUNCTIONS = ("platform.cuh", "../lanes/polynomials.h", "functions.cuh", "activations.cuh")
FILES = (*_FUNCTIONS, "features.cuh", "answers.cuh", "observe.cuh", "solve.cuh")
TILE_ROWS, STRIDE = 32, 33
"""Rows that a block has at a time, and their distance in shared memory, as in features.cuh."""
MOST_THREADS = 128
"""Of a block, likewise."""
PARAMETER_BYTES = 1 << 29
"""Memory on the device for the parameters of the models that predict at a time."""


def module(device: Device, program: Program) -> Module:
    """Returns the kernels, of which there is one set for all shapes."""
    return _module(device, program.activation if program.hidden else "identity", program.output)


@lru_cache(maxsize=32)
def _module(device: Device, activation: str, output: str) -> Module:
    return device.load(compiler.compiled(text(activation, output), device.architecture).image)


def text(activation: str, output: str) -> str:
    """Returns the source of the kernels."""
    return source({"T": "double", "ACTIVATION": activation, "OUTPUT": output}, FILES)


def shape(program: Program) -> NDArray[np.int32]:
    """Returns the numbers of a `Shape` in features.cuh."""
    hidden = program.hidden
    numbers = (len(hidden), sum(hidden), max(hidden, default=0), program.parameters, program.inputs)
    return np.array((*numbers, *hidden), np.int32)


def values_bytes(program: Program) -> int:
    """Shared memory for the values of two layers, or of the only one."""
    return 8 * STRIDE * min(len(program.hidden), 2) * max(program.hidden, default=0)


def threads(program: Program, least: int = 1) -> int:
    """Threads of a block: whole warps, more of them where layers are wide."""
    wanted = max(least, min(MOST_THREADS, max(program.hidden, default=0)))
    return -(-wanted // 32) * 32


def predictor(device: Device, program: Program, parameters_MP: NDArray[np.floating]) -> Predictor | None:
    """Returns the predictor of models in float64; None for layers that are too wide."""
    if values_bytes(program) > device.shared_per_block:
        return None
    answer, numbers = module(device, program).function("answer"), device.put(shape(program))
    models, block = len(parameters_MP), max(1, PARAMETER_BYTES // (8 * program.parameters))

    def put(first: int) -> Array:
        return device.put(np.ascontiguousarray(parameters_MP[first : first + block], np.float64))

    # Parameters that fit stay on the device; else each block is sent for each call.
    kept = put(0) if models <= block else None

    def predict(x_NI: NDArray[np.floating]) -> Array:
        rows, predicted = len(x_NI), device.empty((models, len(x_NI)), "float64")
        x = device.put(np.ascontiguousarray(x_NI.T, np.float64))
        for first in range(0, models, block):
            parameters = put(first) if kept is None else kept
            arguments = (numbers, x, rows, parameters, predicted[first : first + block])
            answer.launch(grid(len(parameters), rows), threads(program), values_bytes(program), *arguments)
        return predicted

    return Predictor(device, models, predict, most_rows(models, program.inputs, 8))
