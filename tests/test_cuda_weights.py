"""First weights drawn by the cuda engine's kernels, on an emulated GPU: the bits of those drawn on CPUs."""

from __future__ import annotations

import re

import numpy as np
import pytest
from first_weights import packs, same_bits

from sumsquares.jobs.engines.cuda import compiler, weights
from sumsquares.jobs.engines.cuda.memory import Array
from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.state import PerModel


def on_cpu(program, models):
    """Draws the first weights of a pack; ranges at their limits may overflow."""
    with np.errstate(all="ignore"):
        return initialize(program, models.seeds, models.init, models.input_range, models.readout)


@pytest.mark.parametrize("inputs", [1, 9, 300])
def test_the_device_draws_the_bits_of_cpus(inputs, gpu):
    """Of every kind and both types, with knots that are spread over ranges of all sorts, and denormal weights."""
    for program, models in packs(inputs=(inputs,), hidden=((), (1,), (5,), (16, 16), (1, 7))):
        found = weights.initial_parameters(gpu, program, models).get()
        assert same_bits(found, on_cpu(program, models)), (program, models.input_range[:1])


@pytest.mark.parametrize("grid", [(1, 1), (2, 1), (1, 3)])
def test_the_number_of_blocks_changes_no_bit(grid, gpu, monkeypatch):
    """Where a thread has several numbers or models to draw, none is left out."""
    monkeypatch.setattr(weights, "GRID", grid)
    for program, models in packs(inputs=(2,), hidden=((40, 30), (1, 7))):
        found = weights.initial_parameters(gpu, program, models).get()
        assert same_bits(found, on_cpu(program, models)), program


def test_no_weights_are_uploaded(gpu, monkeypatch):
    """What goes to the device is 20 bytes per model and some per input and unit, whatever the number of weights."""
    program, sizes = Program(3, (50, 40), "relu", "adam", "constant", 10, 1, 100, "float32", 0), []
    put = Array.set
    monkeypatch.setattr(Array, "set", lambda array, values: sizes.append(values.nbytes) or put(array, values))
    models = PerModel(range(100), ["spread_knots", "pytorch"] * 50, (), ())
    parameters = weights.initial_parameters(gpu, program, models)
    assert parameters.nbytes == 4 * 100 * program.parameters > 900_000
    assert sum(sizes) == 20 * 100 + 8 * (2 * 2 * 3 + 3 * 3 + 50)


@pytest.mark.kernel
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100", "sm_120"])
def test_the_kernels_compile_for_each_generation(architecture, dtype, monkeypatch, tmp_path):
    """Without spills, and only lone knots use local memory: the device reserves it for all threads that it can run."""
    if reason := compiler.reason(architecture):
        pytest.skip(reason)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    log = compiler.compiled(weights.text(dtype, has_knots=True), architecture).log
    frames = re.findall(r"properties for (\w+)\n\S+[ .]+(\d+) bytes stack frame, (\d+) bytes spill stores", log)
    assert {name: int(spilled) for name, _, spilled in frames if int(spilled)} == {}
    assert {name for name, frame, _ in frames if int(frame)} <= {"initialize_lone_knots"}
    assert {name for name, _, _ in frames} >= {"initialize", "initialize_knots", "initialize_lone_knots"}
