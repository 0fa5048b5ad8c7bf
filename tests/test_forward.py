"""Predictions by torch: the bits of the pass that trains, however many models at a time, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_torch_engine import prepared, program

from sumsquares.jobs.engines import forward, torch_engine
from sumsquares.jobs.engines.activations import ACTIVATIONS, OUTPUTS
from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.network import Network

__all__ = ["prepared"]  # a fixture
SHAPES = [(1, ()), (3, ()), (1, (1,)), (2, (5,)), (4, (1, 3)), (20, (7, 20, 1)), (3, (16, 16))]


def parameters_of(shape, models=20):
    return initialize(shape, range(models), ["pytorch"] * models)


def rows_of(shape, count):
    return np.random.default_rng(count).normal(size=(count, shape.inputs)).astype(shape.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_predictions_have_the_bits_of_the_training_pass(activation, dtype, monkeypatch):
    """For every activation and shape, and as many models at a time as fit, or one."""
    for inputs, hidden in SHAPES:
        shape = program(inputs=inputs, hidden=hidden, activation=activation, dtype=dtype)
        parameters, x_NI = parameters_of(shape), rows_of(shape, 33)
        with torch.inference_mode():
            expected_MN = Network(shape, torch.tensor(parameters)).forward(torch.tensor(x_NI)).double().numpy()
        for limit in (1, 30_000, 1 << 30):
            monkeypatch.setattr(forward, "CPU_BYTES", limit)
            np.testing.assert_array_equal(torch_engine.predictor(shape, parameters)(x_NI), expected_MN, str(shape))


@pytest.mark.parametrize("output", OUTPUTS)
def test_each_output_is_that_of_its_sums(output):
    """It is the activation of what a linear output predicts."""
    linear, other = program(output="linear"), program(output=output)
    parameters, x_NI = parameters_of(linear), rows_of(linear, 9)
    expected_MN = torch.tensor(torch_engine.predictor(linear, parameters)(x_NI))
    OUTPUTS[output].forward(expected_MN, expected_MN)
    np.testing.assert_array_equal(torch_engine.predictor(other, parameters)(x_NI), expected_MN.numpy())


@pytest.mark.parametrize(("inputs", "hidden"), SHAPES)
def test_activations_take_bounded_memory(inputs, hidden, monkeypatch):
    """Those of the models at a time fit into the limit, unless it is one model; no model is left out."""
    monkeypatch.setattr(forward, "CPU_BYTES", 50_000)
    shape, taken = program(inputs=inputs, hidden=hidden, activation="gelu"), []
    new_empty = torch.Tensor.new_empty
    monkeypatch.setattr(torch.Tensor, "new_empty", lambda *arguments: taken.append(new_empty(*arguments)) or taken[-1])
    x_NI, seen = torch.tensor(rows_of(shape, 60)), []
    with torch.inference_mode():
        for part, z_MN in forward.predictions(shape, torch.tensor(parameters_of(shape, 50)), x_NI):
            assert z_MN.shape == (part.stop - part.start, 60)
            seen += range(part.start, part.stop)
    [memory] = taken
    assert memory.nbytes <= 50_000
    assert seen == list(range(50))


def test_no_models_and_no_rows_are_no_predictions():
    """Of shape [0, N] and [M, 0]."""
    shape = program()
    assert torch_engine.predictor(shape, parameters_of(shape)[:0])(rows_of(shape, 4)).shape == (0, 4)
    assert torch_engine.predictor(shape, parameters_of(shape))(rows_of(shape, 4)[:0]).shape == (20, 0)
