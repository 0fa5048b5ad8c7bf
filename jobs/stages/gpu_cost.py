"""Expected times on a GPU, and how many models a pack has there: a cost model of an H200, which nothing here corrects.

Measured with batches of 32 and 100 rows of one input, in float32, with relu and Adam (docs/engines.md); everything else
is an assumption by a count of operations.
"""

from __future__ import annotations

from itertools import pairwise

from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.stages.cpu_cost import WITHOUT_EXP

MULTIPROCESSORS = 132
"""Of an H200: each trains several models at the same time."""
CUDA_FLOPS = 42e12
"""Floating-point operations per second of the cuda engine on all multiprocessors, widths padded to `PADDED`. With the
constants below, times are within a factor of 1.35 of those measured for ten shapes."""
PADDED = 16
"""Units of a layer are computed in multiples of this number, roughly."""
MODEL_SECONDS, UPDATE_SECONDS = 1e-9, 0.8e-12
"""Of a step of the cuda engine: for each model, and for each of its parameters."""
EXP_FLOPS = 20
"""What an exponential function takes for each unit and row, in operations. Not measured."""
DOUBLE = 4.0
"""How many times as long float64 takes. Not measured; on cards that are no data center's it takes longer still."""
STEP_SECONDS = 3.5e-6
"""Of a step, however few models there are: up to 500 models of 16 units take 4.2 to 4.5 us."""
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
137 ns per model and step were measured for two layers of 16 units, and 372 ns for two of 64."""
TORCH_LAYER_SECONDS = 150e-6
"""Of a step of the torch engine: launching its operations on one layer."""
BESIDE_SECONDS = 50e-6
"""What a model takes beside its training: first weights, predictions and metrics, its row of results and its weights in
a file. The aim of the work on it; not measured on a GPU."""
OBSERVING_SPEED = 50.0
"""How many times sooner than one core a GPU observes models after their training. Not measured."""


def cuda_seconds(program: Program, models: int) -> float:
    """Expected time to train so many models on a GPU of their own with the cuda engine."""
    model = _model_seconds(program)
    return program.steps * max(STEP_SECONDS + MULTIPROCESSORS * model, models * model)


def torch_seconds(program: Program, models: int) -> float:
    """Expected time to train so many models on a GPU of their own with the torch engine."""
    units = program.batch_size * sum(program.hidden)
    model = program.flops / program.steps / TORCH_FLOPS + units * TORCH_UNIT_SECONDS
    return program.steps * max(TORCH_LAYER_SECONDS * len(program.layers), models * _scale(program) * model)


def cuda_pack_size(program: Program, trials: int) -> int:
    """The most models of a pack in the cuda engine, where so many trials have the program."""
    most = max(FEWEST_MODELS, int(PACK_SECONDS / (program.steps * _model_seconds(program))))
    wanted = max(LEAST_MODELS, trials // SHARES)
    return max(1, min(MOST_MODELS, wanted, most, PACK_BYTES // model_bytes(program)))


def model_bytes(program: Program) -> int:
    """Bytes of a GPU for one model: its weights, and two arrays of the optimizer's state."""
    return 3 * program.parameters * program.item_bytes


def _model_seconds(program: Program) -> float:
    """Expected time of a step of one of many models."""
    widths = [-(-width // PADDED) * PADDED for width in program.hidden]
    first, last = (widths[0], widths[-1]) if widths else (1, 0)
    weights = 4 * program.inputs * first + 6 * sum(below * width for below, width in pairwise(widths)) + 6 * last
    activations = 0 if program.activation in WITHOUT_EXP else EXP_FLOPS * sum(program.hidden)
    flops = program.batch_size * (weights + activations)
    return MODEL_SECONDS + _scale(program) * (flops / CUDA_FLOPS + program.parameters * UPDATE_SECONDS)


def _scale(program: Program) -> float:
    return DOUBLE if program.dtype == "float64" else 1.0
