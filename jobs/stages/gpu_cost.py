"""Expected times on a GPU, and how many models a pack has there: a cost model of an H200, which nothing here corrects.

Times of the cuda engine follow from the clocks that the layout of a kernel is estimated to take. The
constants are fitted to 75 programs that benchmarks/gpu_shapes.py measured on an H200. Times are within a factor of 1.35
of all of them, and within 1.2 of all but two: 300-16-16-1, and a layout of 20-16-16-1 that is no longer chosen.
"""

from __future__ import annotations

from functools import lru_cache

from sumsquares.jobs.engines.cuda.estimates import STATE, clocks_of_step
from sumsquares.jobs.engines.cuda.layout import KEPT, Layout, layout, tiling_of
from sumsquares.jobs.engines.cuda.shapes import LINEAR_FEW_INPUTS
from sumsquares.jobs.engines.program import Program

MULTIPROCESSORS = 132
"""Of an H200: each trains several models at the same time."""
CLOCK_SECONDS = 4.05e-12
"""Of a model, for each clock that a multiprocessor is expected to take for it: at 1.98 GHz, 3.83e-12 on all of them."""
DOUBLE = 1.3
"""How many times as long an H200 takes in float64, beside what twice the bytes take; other cards take longer still."""
DOUBLE_ACTIVATION = 5
"""How many times as many instructions an activation with an exponential function takes in float64."""
INSTRUCTIONS = {
    "identity": 0,
    "relu": 0,
    "leaky_relu": 1,
    "square": 10,
    "sigmoid": 26,
    "tanh": 28,
    "silu": 35,
    "elu": 39,
    "gelu": 70,
}
"""Of each activation, beside those of relu, for each unit of a row."""
STATE_BYTES_PER_SECOND = 4.8e12
"""Of optimizer state that is in global memory, read and written: the limit of 1-64-64-1 in batches of 10."""
CUDA_FLOPS = 30e12
"""Operations per second of a network that has no layout, so that a plan with it has times; no GPU trains it."""
LINEAR_SECONDS = {True: (2.3e-12, 1.16e-12), False: (62e-12, 1e-12)}
"""Of a row of a linear model, and of each of its inputs, which are few or not."""
STEP_SECONDS = 3.5e-6
"""Of a step, however few models there are: 132 models of 16 units take 3.7 us, 528 take 4.1 us."""
LEAST_MODELS, MOST_MODELS = 2_000, 10_000
"""Models of a pack of the cuda engine: from 2,000 on a model costs at most 1.1 times as much as one of 10,000."""
SHARES = 16
"""Packs that a shape has if there are enough trials: several workers and GPUs have work, and results of one pack are
written while another trains."""
PACK_SECONDS, PACK_BYTES = 40.0, 1 << 28
"""Packs of the cuda engine that take longer, or more memory for weights and optimizer state, have fewer models: each
worker has up to three times that memory while it saves a checkpoint, of this size."""
FEWEST_MODELS = 256
"""But not fewer than this, which keep all multiprocessors busy, unless the memory is too small."""
TORCH_FLOPS, TORCH_UNIT_SECONDS = 20e12, 28e-12
"""Operations per second of the torch engine, and what each unit and row of a model takes besides. With 10,000 models,
115 to 137 ns per model and step were measured for two layers of 16 units, and 372 to 433 ns for two of 64."""
TORCH_LAYER_SECONDS = 150e-6
"""Of a step of the torch engine: launching its operations on one layer."""
TORCH_DOUBLE = 4.0
"""How many times as long the torch engine takes in float64. Not measured."""
BESIDE_SECONDS = 50e-6
"""What a model takes beside its training: first weights, predictions and metrics, its row of results and its weights in
a file. It is some 20 us of two layers of 16 units and 120 us of two of 64, of which the GPU takes 5 and 15."""
OBSERVING_SPEED = 130.0
"""By how much a GPU observes trained models sooner than is expected of one core: 100 to 173 times were measured."""


def cuda_seconds(program: Program, models: int) -> float:
    """Expected time to train so many models on a GPU of their own with the cuda engine."""
    return program.steps * step_seconds(_model_seconds(program), models)


def step_seconds(model: float, models: int) -> float:
    """Expected time of a step, where one of many models takes so many seconds of it."""
    return max(STEP_SECONDS + MULTIPROCESSORS * model, models * model)


def torch_seconds(program: Program, models: int) -> float:
    """Expected time to train so many models on a GPU of their own with the torch engine."""
    units = program.batch_size * sum(program.hidden)
    scale = TORCH_DOUBLE if program.dtype == "float64" else 1.0
    model = program.flops / program.steps / TORCH_FLOPS + units * TORCH_UNIT_SECONDS
    return program.steps * max(TORCH_LAYER_SECONDS * len(program.layers), models * scale * model)


def cuda_pack_size(program: Program, trials: int) -> int:
    """The most models of a pack in the cuda engine, where so many trials have the program."""
    most = max(FEWEST_MODELS, int(PACK_SECONDS / (program.steps * _model_seconds(program))))
    wanted = max(LEAST_MODELS, trials // SHARES)
    return max(1, min(MOST_MODELS, wanted, most, PACK_BYTES // model_bytes(program)))


def model_bytes(program: Program) -> int:
    """Bytes of a GPU for one model: its weights, and two arrays of the optimizer's state."""
    return 3 * program.parameters * program.item_bytes


@lru_cache(maxsize=KEPT)
def _model_seconds(program: Program) -> float:
    """Expected time of a step of one of many models."""
    if program.hidden:
        found = layout(program)
        return seconds_by(program, found) if isinstance(found, Layout) else program.flops / program.steps / CUDA_FLOPS
    row, each = LINEAR_SECONDS[program.inputs <= LINEAR_FEW_INPUTS]
    return _scale(program) * min(program.batch_size, program.rows) * (row + each * program.inputs)


def seconds_by(program: Program, found: Layout) -> float:
    """Expected time of a step of one of many models with hidden layers, by a layout of its kernel."""
    tiling = tiling_of(program, found)
    instructions = INSTRUCTIONS[program.activation] * (DOUBLE_ACTIVATION if program.dtype == "float64" else 1)
    clocks = clocks_of_step(tiling, not found.MOM, found.MINB, instructions)
    state = 2 * STATE * tiling.updated * tiling.threads * program.item_bytes * found.MOM
    return max(_scale(program) * clocks * CLOCK_SECONDS, state / STATE_BYTES_PER_SECOND)


def _scale(program: Program) -> float:
    return DOUBLE if program.dtype == "float64" else 1.0
