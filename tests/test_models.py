"""Trained networks with their scaling: as plain data, as a torch module and as ONNX, against each other and by hand."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from api_world import world as world

from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.rows import block
from sumsquares.jobs.engines import onnx_graph
from sumsquares.jobs.engines.activations import ACTIVATIONS, LEAK, OUTPUTS
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.state import state_dicts
from sumsquares.jobs.results.models import TrainedNetwork
from sumsquares.jobs.results.predict import answers
from sumsquares.jobs.results.stored import read_trials
from sumsquares.jobs.spec.variants import trials

SHAPES = [(), (7,), (9, 3)]
LOGS = [*itertools.product([False, True], repeat=2)]
ROWS = 1_001
TOLERANCE = {"float32": 3e-5, "float64": 1e-12}
EMPTY_NI = np.empty((0, 3))


def network_of(hidden=(7,), activation="tanh", output="linear", dtype="float64", scale=None, seed=0):
    """A network with random weights, whose inputs have scales of their own."""
    program = Program(
        inputs=3,
        hidden=hidden,
        activation=activation,
        optimizer="adam",
        schedule="constant",
        batch_size=1,
        epochs=1,
        rows=1,
        dtype=dtype,
        shuffle_seed=0,
        output=output,
    )
    flat_1P = np.random.default_rng(seed).normal(size=(1, program.parameters)).astype(dtype)
    tensors = {name: stacked[0] for name, stacked in state_dicts(program, flat_1P).items()}
    return TrainedNetwork(program, tensors, scale or scale_of())


def scale_of(log_inputs=False, log_target=False):
    """A scale by hand."""
    return Normalization((1.0, -2.0, 3e3), (4.0, 0.5, 6e3), -10.0, 3.0, log_inputs, log_target)


def rows_of(scale, seed=1):
    """Raw inputs, of which the network sees numbers around 0; some have no logarithm."""
    x_NI = np.random.default_rng(seed).normal(size=(ROWS, 3))
    raw_NI = x_NI * scale.input_scale + scale.input_shift
    return np.exp(x_NI) * np.sign(raw_NI) if scale.log_inputs else raw_NI


def by_module(network, raw_NI, kind=torch.float64):
    """The answers of the torch module."""
    with torch.no_grad():
        return network.module().to(kind)(torch.from_numpy(raw_NI)).numpy()


def by_onnx(network, raw_NI, folder):
    """The answers of onnxruntime."""
    model = onnx_graph.onnx_model(network.program, network.tensors, network.scale, {"trial_id": "a"})
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert [(each.name, each.type) for each in session.get_inputs()] == [(onnx_graph.INPUT, "tensor(double)")]
    (found_N,) = session.run([onnx_graph.OUTPUT], {onnx_graph.INPUT: raw_NI})
    return found_N


def assert_close(found_N, expected_N, share):
    """Equal but for a share of the largest; the same ones are not finite."""
    assert found_N.dtype == np.float64
    assert found_N.shape == expected_N.shape
    is_finite_N = np.isfinite(expected_N)
    np.testing.assert_array_equal(found_N[~is_finite_N], expected_N[~is_finite_N])
    largest = np.abs(expected_N[is_finite_N]).max(initial=1.0)
    assert np.abs(found_N[is_finite_N] - expected_N[is_finite_N]).max(initial=0.0) <= share * largest


@pytest.mark.parametrize(("log_inputs", "log_target"), LOGS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_module_answers_as_predictions_do(activation, output, dtype, log_inputs, log_target):
    """Whatever the network and its scales, up to the rounding of its type; NaN where an input has no logarithm."""
    scale = scale_of(log_inputs, log_target)
    for hidden in SHAPES:
        network = network_of(hidden, activation, output, dtype, scale)
        raw_NI = rows_of(scale)[:50]
        expected_N = network.answers(raw_NI)
        with torch.no_grad():
            found_N = network.module()(torch.from_numpy(raw_NI)).numpy()
        is_none_N = (raw_NI <= 0).any(axis=1) if log_inputs else np.zeros(50, bool)
        assert np.isnan(expected_N[is_none_N]).all()
        logs = (np.log(values_N) if log_target else values_N for values_N in (found_N, expected_N))
        assert_close(*logs, TOLERANCE[dtype])


@pytest.mark.parametrize(("log_inputs", "log_target"), LOGS)
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnxruntime_answers_as_the_module_in_float64(tmp_path, activation, output, log_inputs, log_target):
    """Whatever the network and its scales, to the last digits, also of weights in float32, and for no rows."""
    scale = scale_of(log_inputs, log_target)
    for hidden, dtype in zip(SHAPES, ["float64", "float32", "float64"], strict=True):
        network = network_of(hidden, activation, output, dtype, scale)
        raw_NI = rows_of(scale)
        found_N, expected_N = by_onnx(network, raw_NI, tmp_path), by_module(network, raw_NI)
        assert np.isnan(found_N).any() == log_inputs
        logs = (np.log(values_N) if log_target else values_N for values_N in (found_N, expected_N))
        assert_close(*logs, 1e-13 if activation != "square" else 1e-12)
        assert by_onnx(network, EMPTY_NI, tmp_path).shape == (0,)


def test_the_composed_activations_are_right_everywhere():
    """Against plain Python, from far below zero to far above, where exponentials overflow."""
    exact = {
        "leaky_relu": lambda z: z if z > 0 else LEAK * z,
        "elu": lambda z: z if z > 0 else math.expm1(z),
        "silu": lambda z: z / (1 + math.exp(-z)) if z > -700 else 0.0,
        "gelu": lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2,
    }
    z_N = np.concatenate([np.linspace(-12, 12, 4_001), [-1e4, -800.0, -40.0, -1e-300, 0.0, 1e-300, 40.0, 800.0, 1e4]])
    assert set(exact) < set(onnx_graph.ACTIVATIONS)
    for name, function in exact.items():
        program = network_of((1,), name).program
        tensors = {"0.weight": np.array([[1.0, 0, 0]]), "0.bias": np.zeros(1), "2.weight": np.ones((1, 1))}
        plain = Normalization((0.0,) * 3, (1.0,) * 3, 0.0, 1.0)
        network = TrainedNetwork(program, {**tensors, "2.bias": np.zeros(1)}, plain)
        found_N = by_onnx(network, np.stack([z_N, 0 * z_N, 0 * z_N], axis=1), None)
        error_N = np.abs(found_N - [function(z) for z in z_N.tolist()])
        assert (error_N <= 1e-15 * np.maximum(1, np.abs(z_N))).all(), name


def test_what_is_no_number_stays_none(tmp_path):
    """In the module and in onnxruntime, through each activation."""
    for activation in ACTIVATIONS:
        network = network_of((7, 7), activation)
        raw_NI = rows_of(network.scale)
        raw_NI[3, 1] = np.nan
        for found_N in (by_module(network, raw_NI), by_onnx(network, raw_NI, tmp_path)):
            assert np.flatnonzero(np.isnan(found_N)).tolist() == [3]


def test_every_trial_of_a_run_answers_the_same_in_all_forms(world, tmp_path):
    """Both readouts, as the store has them: predictions, the module and its ONNX file on the test rows."""
    packs = {row["trial_id"]: row["pack"] for row in read_trials(world.store).table.to_pylist()}
    for trial in trials(world.run._asked.spec):
        model = world.run.model(trial.id)
        inputs_NI, target_N = block(trial.variant.dataset, "test", 0)
        predicted_N = model.predict(inputs_NI)
        np.testing.assert_array_equal(predicted_N, answers(world.store, packs[trial.id], trial, inputs_NI))
        assert np.sqrt(np.mean((predicted_N - target_N) ** 2)) == pytest.approx(model.rmse, rel=1e-4, abs=1e-9)
        dtype = "float64" if trial.variant.readout == "solved" else "float32"
        assert {str(each.dtype) for each in model.module.parameters()} == {f"torch.{dtype}"}
        with torch.no_grad():
            by_torch_N = model.module(torch.from_numpy(inputs_NI)).numpy()
        session = onnxruntime.InferenceSession(model.to_onnx(tmp_path / "model.onnx"))
        (by_onnx_N,) = session.run(None, {"inputs": inputs_NI.astype(np.float64)})
        for found_N in (by_torch_N, by_onnx_N):
            assert_close(found_N, predicted_N, 1e-5 if dtype == "float32" else 1e-9)


def test_many_rows_are_answered_in_parts(monkeypatch):
    """With the same bits as at once."""
    network = network_of((40,), "gelu", dtype="float32")
    raw_NI = rows_of(network.scale)
    whole_N = network.answers(raw_NI)
    monkeypatch.setattr("sumsquares.jobs.results.models._AT_ONCE", 40 * 7)
    np.testing.assert_array_equal(network.answers(raw_NI), whole_N)
    assert network.answers(EMPTY_NI).shape == (0,)


def test_a_pickled_network_answers_with_the_same_bits():
    """Without a store."""
    network = network_of()
    raw_NI = rows_of(network.scale)
    copy = pickle.loads(pickle.dumps(network))  # noqa: S301  our own
    np.testing.assert_array_equal(copy.answers(raw_NI), network.answers(raw_NI))


def test_the_parameters_of_a_module_are_its_weights_and_its_state_restores_it():
    """Scales are buffers, in float64 whatever the weights are; another module with other weights takes all of it."""
    network, other = network_of(dtype="float32"), network_of(dtype="float32", seed=5).module()
    module = network.module()
    assert {name for name, _ in module.named_parameters()} == {f"network.{name}" for name in network.tensors}
    assert {each.dtype for each in module.parameters()} == {torch.float32}
    assert {each.dtype for each in module.buffers()} == {torch.float64}
    raw_NI = torch.from_numpy(rows_of(network.scale))
    assert not torch.equal(other(raw_NI), module(raw_NI))
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(raw_NI), module(raw_NI))


def test_a_module_can_be_trained_further():
    """The gradient is that of raw numbers: its loss falls on targets in their own units."""
    network = network_of(dtype="float64")
    module, raw_NI = network.module(), torch.from_numpy(rows_of(network.scale))
    target_N = 5 * module.normalized(raw_NI).sum(dim=1) - 7
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    losses = []
    for _ in range(50):
        loss = torch.nn.functional.mse_loss(module(raw_NI), target_N)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
