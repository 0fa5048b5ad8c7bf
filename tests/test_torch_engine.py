"""The torch engine against a plain reference: a torch.nn.Sequential with torch.optim, one network at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import cycle, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from sumsquares.jobs.engines import torch_engine
from sumsquares.jobs.engines.activations import ACTIVATIONS, OUTPUTS
from sumsquares.jobs.engines.choice import EngineMissing
from sumsquares.jobs.engines.initialize import initial_state
from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.engines.network import Network
from sumsquares.jobs.engines.objective import LOSSES, Objective
from sumsquares.jobs.engines.optimizers import OPTIMIZERS
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.sequential import sequential
from sumsquares.jobs.engines.shuffle import batches, in_memory
from sumsquares.jobs.engines.state import PerModel, state_dicts

TORCH_OPTIMIZERS = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, lr, weight_decay: torch.optim.SGD(p, lr=lr, weight_decay=weight_decay, momentum=0.9),
    "nesterov": lambda p, lr, weight_decay: torch.optim.SGD(
        p, lr=lr, weight_decay=weight_decay, momentum=0.9, nesterov=True
    ),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
TORCH_LOSSES = {
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
    "bce": functional.binary_cross_entropy,
}
OBJECTIVES = [pair for pair in product(OUTPUTS, LOSSES) if pair[1] != "bce" or pair[0] == "sigmoid"]
"""Pairs of an output activation and a loss that a spec may have."""
DEVICES = ("cpu", "cuda")


@pytest.fixture(autouse=True, scope="module")
def prepared():
    """Prepares this process as a worker's."""
    threads = torch.get_num_threads()
    torch_engine.prepare()
    yield
    torch.set_num_threads(threads)


def program(**changes):
    return Program(
        **{
            "inputs": 2,
            "hidden": (5, 3),
            "activation": "tanh",
            "optimizer": "adam",
            "schedule": "constant",
            "batch_size": 8,
            "epochs": 4,
            "rows": 30,
            "dtype": "float64",
            "shuffle_seed": 3,
        }
        | changes
    )


def rows_of(program, seed=0):
    draws = np.random.default_rng(seed)
    x_NI = draws.uniform(-1, 1, (program.rows, program.inputs)).astype(program.dtype)
    return x_NI, (x_NI**2).mean(1) if program.loss == "bce" else (x_NI**2).sum(1)


def models(count, lr=0.01, weight_decay=0.0):
    kinds = ("glorot_uniform", "he_uniform", "pytorch")
    return PerModel(
        list(range(count)),
        [kinds[i % 3] for i in range(count)],
        [lr * (1 + i) for i in range(count)],
        [weight_decay * i for i in range(count)],
    )


PER_TRIAL = ("seeds", "init", "lr", "weight_decay")


def some(models, chosen):
    kept = {name: [values[i] for i in chosen] for name, values in vars(models).items() if name in PER_TRIAL}
    return replace(models, **kept)


def train_alone(program, models, index, x_NI, y_N):
    """Trains the plain reference: one network, autograd, torch.optim, and a loop over the same batches.

    Returns the trained tensors, and the mean loss of each epoch.
    """
    first = initial_state(program, models, 0).parameters[index : index + 1]
    network = sequential(program, {name: t[0] for name, t in state_dicts(program, first).items()})
    optimizer = TORCH_OPTIMIZERS[program.optimizer](
        network.parameters(), lr=models.lr[index], weight_decay=models.weight_decay[index]
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda t: (1 + math.cos(math.pi * t / program.steps)) / 2 if program.schedule == "cosine" else 1.0
    )
    losses = np.zeros(program.epochs)
    for epoch in range(program.epochs):
        for x, y in batches(in_memory(x_NI, y_N), program.batch_size, program.shuffle_seed, epoch):
            optimizer.zero_grad()
            loss = TORCH_LOSSES[program.loss](network(torch.tensor(x)).squeeze(1), torch.tensor(y))
            loss.backward()
            optimizer.step()
            schedule.step()
            losses[epoch] += loss.item() * len(y)
    return {name: t.detach().numpy() for name, t in network.state_dict().items()}, losses / program.rows


def assert_equals_reference(program, models, rtol, atol):
    x_NI, y_N = rows_of(program)
    state = torch_engine.train(program, models, in_memory(x_NI, y_N))
    trained = state_dicts(program, state.parameters)
    for index in range(len(models.seeds)):
        tensors, losses = train_alone(program, models, index, x_NI, y_N)
        for name, expected in tensors.items():
            np.testing.assert_allclose(trained[name][index], expected, rtol=rtol, atol=atol, err_msg=name)
        kept = losses[curve_epochs(program.epochs) - 1]
        np.testing.assert_allclose(state.losses[index], kept, rtol=rtol, atol=atol)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_model_of_a_pack_equals_the_same_network_trained_alone(activation, optimizer):
    """They agree to 1e-9 in float64, after 16 steps with weight decay and a learning rate per model."""
    lr = 0.003 if optimizer in ("adam", "adamw", "rmsprop") else 0.02
    assert_equals_reference(program(activation=activation, optimizer=optimizer), models(3, lr, 0.1), 1e-9, 1e-12)


@pytest.mark.parametrize("hidden", [(), (4,), (1,), (1, 1), (3, 1, 2), (7, 6, 5, 4)])
@pytest.mark.parametrize("inputs", [1, 2, 5])
def test_any_depth_and_width_equals_the_same_network_trained_alone(hidden, inputs):
    """This includes networks without hidden layers, with layers of one unit, and with one input."""
    assert_equals_reference(program(hidden=hidden, inputs=inputs, schedule="cosine"), models(2), 1e-9, 1e-12)


@pytest.mark.parametrize(("output", "loss"), OBJECTIVES)
@pytest.mark.parametrize("hidden", [(), (5, 3)])
def test_any_output_and_loss_equals_the_same_network_trained_alone(hidden, output, loss):
    """They agree to 1e-9 in float64, with errors of both sides of Huber's limit and predictions of both signs."""
    shape = program(hidden=hidden, output=output, loss=loss, optimizer="momentum", schedule="cosine")
    assert_equals_reference(shape, models(3, 0.1, 0.1), 1e-9, 1e-12)


@pytest.mark.parametrize(("output", "loss"), OBJECTIVES)
def test_predictions_are_those_of_the_sequential(output, loss):
    """It ends with the module of the output, unless that is linear."""
    shape = program(output=output, loss=loss)
    x_NI, y_N = rows_of(shape)
    parameters = torch_engine.train(shape, models(2), in_memory(x_NI, y_N)).parameters
    found_MN = torch_engine.predictor(shape, parameters)(x_NI)
    for index in range(2):
        network = sequential(shape, {name: t[index] for name, t in state_dicts(shape, parameters).items()})
        assert isinstance(network[-1], torch.nn.Linear) == (output == "linear")
        expected_N = network(torch.tensor(x_NI)).detach().numpy()[:, 0]
        np.testing.assert_allclose(found_MN[index], expected_N, rtol=1e-12, atol=1e-15)


def test_cross_entropy_neither_overflows_nor_cancels():
    """Where the output is 0 or 1 to the last digit, the loss of the wrong answer grows with the pre-activation."""
    z_MN = torch.tensor([[1000.0, -1000.0, 1000.0, -1000.0, 0.0, -40.0]], dtype=torch.float64)
    target_N = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.5, 0.0], dtype=torch.float64)
    expected_N = [1000, 1000, 0, 0, math.log(2), math.exp(-40)]
    for place, expected in enumerate(expected_N):
        objective = Objective(program(output="sigmoid", loss="bce"))
        sum_M, d_MN = objective.derive(z_MN[:, [place]].clone(), target_N[[place]])
        assert sum_M.item() == pytest.approx(expected, rel=1e-15)
        wanted = [1, -1, 0, 0, 0, math.exp(-40)][place]
        assert d_MN.item() == pytest.approx(wanted, abs=1e-16)


@pytest.mark.parametrize("hidden", [(), (1,), (5, 3)])
def test_many_inputs_equal_the_same_network_trained_alone(hidden):
    """1,024 of them, at a learning rate that suits."""
    assert_equals_reference(program(hidden=hidden, inputs=1024), models(3, 0.0001), 1e-9, 1e-12)


@given(
    st.lists(st.integers(1, 40), max_size=3),
    st.sampled_from([1, 2, 30, 1024]),
    st.integers(1, 50),
    st.sampled_from(sorted(ACTIVATIONS)),
)
@settings(max_examples=40, deadline=None)
def test_a_model_takes_no_more_memory_than_is_planned(hidden, inputs, batch_size, activation):
    """With parameters, gradient, two arrays of optimizer state, scratch memory of that size, and activations."""
    shape = program(hidden=tuple(hidden), inputs=inputs, batch_size=batch_size, activation=activation)
    network = Network(shape, torch.zeros(2, shape.parameters, dtype=torch.float64))
    network.forward(torch.zeros(batch_size, inputs, dtype=torch.float64))
    buffers = network._buffers_for(batch_size)
    tensors = [*buffers.z, *buffers.a, *buffers.d, buffers.scratch]
    sizes = {tensor.data_ptr(): tensor.numel() * tensor.element_size() for tensor in tensors}
    assert sum(sizes.values()) + 5 * network.parameters_MP.numel() * 8 <= 2 * shape.model_bytes


def test_float32_stays_close_to_the_same_network_trained_alone():
    """They agree to 1e-4 after 16 steps, since the order of the roundings differs."""
    assert_equals_reference(program(dtype="float32", hidden=(16, 16)), models(3), 1e-4, 1e-5)


@given(
    st.sampled_from(sorted(ACTIVATIONS)),
    st.sampled_from(OBJECTIVES),
    st.lists(st.integers(1, 20), max_size=3),
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 3),
    st.lists(st.integers(0, 6), min_size=1, max_size=7, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_a_model_has_the_same_bits_in_any_pack(activation, objective, hidden, dtype, inputs, chosen):
    """The bits depend neither on the other models of the pack, nor on their number or order."""
    output, loss = objective
    shape = program(activation=activation, output=output, loss=loss, hidden=tuple(hidden), dtype=dtype, inputs=inputs)
    rows = in_memory(*rows_of(shape))
    everyone = models(7, 0.003, 0.1)
    whole = torch_engine.train(shape, everyone, rows)
    part = torch_engine.train(shape, some(everyone, chosen), rows)
    np.testing.assert_array_equal(part.parameters, whole.parameters[chosen])
    np.testing.assert_array_equal(part.losses, whole.losses[chosen])


def test_training_resumes_from_any_saved_state_with_the_same_bits(monkeypatch):
    """It may be saved after any step, also in the middle of an epoch."""
    shape, everyone = program(optimizer="adamw", schedule="cosine"), models(3, 0.01, 0.1)
    rows = in_memory(*rows_of(shape))
    monkeypatch.setattr(torch_engine, "REPORT_STEPS", 1)
    saved = []
    last = torch_engine.train(shape, everyone, rows, on_progress=lambda _step, state: saved.append(state()))
    assert [state.step for state in saved] == list(range(1, shape.steps + 1))
    for state in saved:
        again = torch_engine.train(shape, everyone, rows, state=state)
        np.testing.assert_array_equal(again.parameters, last.parameters)
        np.testing.assert_array_equal(again.losses, last.losses)


def test_a_diverging_model_counts_its_finite_steps_and_affects_no_other():
    """Its loss soon isn't finite any more; the other models have the same bits as without it."""
    shape = program(optimizer="sgd", activation="relu", epochs=40)
    rows = in_memory(*rows_of(shape))
    wild = PerModel([0, 1, 2], ["he_uniform"] * 3, [0.01, 1e6, 0.01], [0.0] * 3)
    trained = torch_engine.train(shape, wild, rows)
    calm = torch_engine.train(shape, some(wild, [0, 2]), rows)
    assert 0 < trained.finite_steps[1] < shape.steps
    assert list(trained.finite_steps[[0, 2]]) == [shape.steps] * 2
    np.testing.assert_array_equal(trained.parameters[[0, 2]], calm.parameters)
    np.testing.assert_array_equal(trained.losses[[0, 2]], calm.losses)
    assert not np.isfinite(trained.losses[1, -1])


def test_denormals_are_flushed_only_in_training():
    """Afterwards denormals are numbers again: a learning rate, and so a trial's id, may have one."""
    shape = program()
    torch_engine.train(shape, models(2), in_memory(*rows_of(shape)))
    assert repr(float("1e-320")) == "1e-320"
    assert (torch.tensor(1e-320, dtype=torch.float64) * 1.0).item() != 0.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
@pytest.mark.parametrize(
    ("optimizer", "activation", "objective"),
    [*zip(cycle(OPTIMIZERS), cycle(ACTIVATIONS), OBJECTIVES, strict=False)],
)
def test_a_gpu_trains_the_same_models_as_a_cpu(optimizer, activation, objective):
    """They agree to 1e-7 in float64, with every activation, optimizer, output and loss."""
    output, loss = objective
    shape = program(optimizer=optimizer, activation=activation, output=output, loss=loss, hidden=(16, 16))
    rows = in_memory(*rows_of(shape))
    on_cpu = torch_engine.train(shape, models(5), rows)
    on_gpu = torch_engine.train(shape, models(5), rows, device="cuda")
    np.testing.assert_allclose(on_gpu.parameters, on_cpu.parameters, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(on_gpu.losses, on_cpu.losses, rtol=1e-7, atol=1e-9)
    predicted = [torch_engine.predictor(shape, on_cpu.parameters, device)(rows_of(shape)[0]) for device in DEVICES]
    np.testing.assert_allclose(predicted[1], predicted[0], rtol=1e-7, atol=1e-9)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this torch can use the GPU here")
def test_a_torch_that_cannot_use_a_gpu_says_so():
    """Not with an assertion of torch's own: the cuda engine needs no torch, so that a GPU worker may have any."""
    shape = program(hidden=(2048, 2048))
    with pytest.raises(EngineMissing, match=r"hidden = \[2048, 2048\] on a GPU.* --gpu-workers 0"):
        torch_engine.train(shape, models(1), in_memory(*rows_of(shape)), device="cuda")
