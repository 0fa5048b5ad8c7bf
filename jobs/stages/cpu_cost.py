"""Expected times on one core of a CPU: a cost model of each engine, which `cost.py` corrects by a measurement."""

from __future__ import annotations

from sumsquares.jobs.engines.program import Program

WITHOUT_EXP = frozenset({"identity", "relu", "leaky_relu", "square"})
"""Activations without an exponential function."""
FEW_INPUTS = 2
"""Inputs up to which the lanes engine computes the first layer without products (lanes/program.h)."""
TORCH_FLOPS = 60e9
"""Floating-point operations per second of the core that the torch engine's times were measured on."""
LANES_HERTZ = 2.7e9
"""Cycles per second of the core that the lanes engine's times were measured on."""


def lanes_seconds(program: Program, models: int) -> float:
    """Expected time of a pack in the lanes engine on one core with AVX-512.

    It is within a factor of 1.5 of measurements of up to 256 units. Shuffling takes 15 ns per row and
    epoch, for all models together.
    """
    lanes, group, alone = lanes_cycles(program)
    whole, rest = divmod(models, lanes)
    cycles = whole * min(group, lanes * alone) + min(group, rest * alone)
    return program.steps * cycles / LANES_HERTZ + program.epochs * (1e-6 + 15e-9 * program.rows)


def lanes_cycles(program: Program) -> tuple[int, float, float]:
    """Lanes of a vector, and cycles of a step: of as many models with one in each lane, and of one alone.

    These are the costs by which the kernel chooses the layout with AVX-512 (lanes/program.h says what they are). Here
    an exponential function adds 20 cycles for each unit or vector of units, which the kernel leaves out of its choice.
    """
    lanes, update, sums = (8, 38, 2) if program.dtype == "float64" else (16, 24, 0)
    activation = 0 if program.activation in WITHOUT_EXP else 20
    group = alone = 400.0
    if not program.hidden:
        group += program.batch_size * (10 + 8 * program.inputs)
        return lanes, group, group
    alone += program.batch_size * sums
    for index, layer in enumerate(program.layers[:-1]):
        share = 1 if index else 2 / 3 if layer.inputs > FEW_INPUTS else 0
        product, updates = layer.inputs * share, update * (layer.inputs + 1)
        group += layer.outputs * (program.batch_size * (1.72 * product + 8 + activation) + updates)
        alone += -(-layer.outputs // lanes) * (program.batch_size * (1.5 * product + 4.4 + activation) + updates)
    return lanes, group, alone


def torch_seconds(program: Program, models: int) -> float:
    """Expected time of a pack in the torch engine.

    A step takes 100 us per layer, and for each model its operations at 60 GFLOP/s and 2.2 ns per row and hidden unit of
    memory traffic. That is within a factor of 1.5 of measurements of 1-16-16-1 and 1-64-64-1, in packs of 1 to 64
    models on a 2.6 GHz core.
    """
    model = program.flops / program.steps / TORCH_FLOPS + 2.2e-9 * program.batch_size * sum(program.hidden)
    return program.steps * (1e-4 * len(program.layers) + models * model)
