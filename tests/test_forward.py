"""One model's answers in plain numpy against torch's own modules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.engines.activations import ACTIVATIONS as MODULES
from sumsquares.jobs.engines.forward import ACTIVATIONS, forward
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.sequential import sequential


def network_of(activation, hidden, dtype, seed):
    """Random tensors of a state dict, and the torch.nn.Sequential of them."""
    draw = np.random.default_rng(seed)
    program = Program(3, hidden, activation, "adam", "constant", 10, 1, 10, dtype, 0)
    tensors = {}
    for index, layer in enumerate(program.layers):
        tensors[f"{2 * index}.weight"] = draw.normal(size=(layer.outputs, layer.inputs)).astype(dtype)
        tensors[f"{2 * index}.bias"] = draw.normal(size=layer.outputs).astype(dtype)
    return tensors, sequential(program, tensors)


@pytest.mark.parametrize("activation", MODULES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-4), ("float64", 1e-11)])
@given(hidden=st.lists(st.integers(1, 9), max_size=3).map(tuple), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_the_answers_are_those_of_a_sequential(activation, dtype, tolerance, hidden, seed):
    """Of every activation and depth, up to the rounding of the type."""
    tensors, network = network_of(activation, hidden, dtype, seed)
    x_NI = np.random.default_rng(seed).normal(size=(20, 3)).astype(dtype)
    with torch.inference_mode():
        expected_N = network(torch.from_numpy(x_NI)).squeeze(1).numpy()
    found_N = forward(activation, tensors, x_NI)
    assert found_N.dtype == dtype
    assert np.abs(found_N - expected_N).max() <= tolerance * max(1.0, np.abs(expected_N).max())


def test_every_activation_has_its_numpy():
    """None is left out, none is there for nothing."""
    assert ACTIVATIONS.keys() == MODULES.keys()
