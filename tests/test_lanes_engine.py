"""The lanes engine against the torch engine in float64, and against itself in other packs, builds and layouts."""

from __future__ import annotations

import hashlib
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes_builds import builds, named, needs_lanes
from test_torch_engine import OBJECTIVES, models, program, rows_of, some

from sumsquares.jobs.engines import lanes_engine, torch_engine
from sumsquares.jobs.engines.activations import ACTIVATIONS
from sumsquares.jobs.engines.lanes import library
from sumsquares.jobs.engines.optimizers import OPTIMIZERS
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.engines.state import PerModel

pytestmark = needs_lanes
BUILDS, FUSED = named(builds()), named(builds(fused_only=True))
RATES = {"adam": 0.003, "adamw": 0.003, "rmsprop": 0.003, "sgd": 0.01, "momentum": 0.002, "nesterov": 0.002}

BITS = {
    ("sgd", "float32"): "e05df146bc68a060",
    ("sgd", "float64"): "b5b51319a9cf27f4",
    ("momentum", "float32"): "67e67c73eaf1fca0",
    ("momentum", "float64"): "dc1d6b94427a3f3b",
    ("nesterov", "float32"): "e553f785adae2c93",
    ("nesterov", "float64"): "d4459326cead5df9",
    ("adam", "float32"): "56b0539283ca2ba3",
    ("adam", "float64"): "db5905b93682d2b2",
    ("adamw", "float32"): "1cb3776ede74aff1",
    ("adamw", "float64"): "47f2b9f7eb2ee4c6",
    ("rmsprop", "float32"): "7ef3d79f096de7e8",
    ("rmsprop", "float64"): "3258c554a65cc542",
}
"""SHA-256 of the parameters that are trained by training version 4 with nine activations. They never change."""
OBJECTIVE_BITS = {"float32": "2d2d4560299b72c6", "float64": "7162249525946296"}
"""SHA-256 of the parameters and losses that are trained with Adam for each of OBJECTIVES. They never change either."""


def trained_by(build, *arguments, **options):
    """Trains with one build instead of the one that would be loaded on this processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes_engine, "load", lambda: build)
        return lanes_engine.train(*arguments, **options)


def shuffled_rows(shape):
    return in_memory(*rows_of(shape))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_build_trains_the_same_models_as_torch(activation, optimizer, build):
    """They agree to 1e-9 in float64 after 16 steps, with weight decay, a learning rate per model and a cosine."""
    shape = program(activation=activation, optimizer=optimizer, schedule="cosine")
    everyone, rows = models(3, RATES[optimizer], 0.1), shuffled_rows(shape)
    expected = torch_engine.train(shape, everyone, rows)
    found = trained_by(BUILDS[build], shape, everyone, rows)
    np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-9, atol=1e-12)
    for array, other in zip(found.optimizer_state, expected.optimizer_state, strict=True):
        np.testing.assert_allclose(array, other, rtol=1e-7, atol=1e-12)
    assert list(found.finite_steps) == list(expected.finite_steps)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-9)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(("output", "loss"), OBJECTIVES)
@pytest.mark.parametrize("hidden", [(), (5, 3)])
def test_any_output_and_loss_trains_as_in_torch(hidden, output, loss, build):
    """They agree to 1e-9 in float64, with batches that leave lanes empty; predictions have the output."""
    shape = program(hidden=hidden, output=output, loss=loss, optimizer="momentum", schedule="cosine", batch_size=11)
    everyone, rows = models(3, 0.1, 0.1), shuffled_rows(shape)
    expected = torch_engine.train(shape, everyone, rows)
    found = trained_by(BUILDS[build], shape, everyone, rows)
    np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-9)
    assert list(found.finite_steps) == [shape.steps] * 3
    x_NI = rows_of(shape)[0]
    predicted_MN = BUILDS[build].predict(shape, found.parameters, x_NI)
    np.testing.assert_allclose(
        predicted_MN, torch_engine.predictor(shape, found.parameters)(x_NI), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("hidden", [(), (4,), (1,), (1, 1), (3, 1, 2), (7, 6, 5, 4), (17, 33), (64,), (130, 9)])
@pytest.mark.parametrize(("inputs", "lr"), [(1, 0.01), (19, 0.01), (1024, 0.0001)])
def test_any_depth_and_width_trains_as_in_torch(hidden, inputs, lr, build):
    """This includes networks without hidden layers, with layers of one unit, and with layers wider than a vector."""
    shape = program(hidden=hidden, inputs=inputs)
    expected = torch_engine.train(shape, models(2, lr), shuffled_rows(shape)).parameters
    found = trained_by(BUILDS[build], shape, models(2, lr), shuffled_rows(shape)).parameters
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    objective=st.sampled_from(OBJECTIVES),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    hidden=st.lists(st.integers(1, 40), max_size=3),
    dtype=st.sampled_from(["float32", "float64"]),
    inputs=st.integers(1, 3),
    batch_size=st.integers(1, 30),
    chosen=st.lists(st.integers(0, 19), min_size=1, max_size=20, unique=True),
)
@settings(max_examples=60, deadline=None)
def test_a_model_has_the_same_bits_wherever_it_is_trained(
    activation, objective, optimizer, hidden, dtype, inputs, batch_size, chosen
):
    """The bits are the same in any pack, in any order, with AVX2 and AVX-512, and with a model or a unit per lane."""
    output, loss = objective
    shape = program(
        activation=activation,
        output=output,
        loss=loss,
        optimizer=optimizer,
        hidden=tuple(hidden),
        dtype=dtype,
        inputs=inputs,
        batch_size=batch_size,
        epochs=2,
    )
    everyone, rows = models(20, RATES[optimizer] / 4, 0.1), shuffled_rows(shape)
    whole = lanes_engine.train(shape, everyone, rows)
    for name, build in FUSED.items():
        part = trained_by(build, shape, some(everyone, chosen), rows)
        np.testing.assert_array_equal(part.parameters, whole.parameters[chosen], err_msg=name)
        np.testing.assert_array_equal(part.losses, whole.losses[chosen], err_msg=name)


@pytest.mark.parametrize(("units", "count"), [(24, 5), (64, 16), (24, 27)])
@pytest.mark.parametrize("variant", sorted({library.variant for library in BUILDS.values()}))
def test_the_layout_changes_nothing(variant, units, count):
    """This includes packs of which one part is trained in one layout and the rest in the other."""
    shape = program(dtype="float32", hidden=(units, units), rows=100, batch_size=10, epochs=40)
    everyone, rows = models(count), shuffled_rows(shape)
    found = [trained_by(BUILDS[f"{variant}-{layout}"], shape, everyone, rows) for layout in library.LAYOUTS]
    for other in found[1:]:
        np.testing.assert_array_equal(other.parameters, found[0].parameters)
        np.testing.assert_array_equal(other.optimizer_state, found[0].optimizer_state)
        np.testing.assert_array_equal(other.losses, found[0].losses)
        assert list(other.finite_steps) == list(found[0].finite_steps) == [shape.steps] * count


@pytest.mark.parametrize("build", FUSED)
@pytest.mark.parametrize(("optimizer", "dtype"), BITS)
def test_trained_bits_never_change(optimizer, dtype, build):
    """Stored results must stay those of their ids: any change of these bits needs another TRAINING_VERSION.

    The shapes have every kind of sum: few and many inputs, no hidden layer, one and two, and batches of several tiles.
    """
    rates, decays = [0.002 * (1 + i) for i in range(19)], [0.01 * i for i in range(19)]
    everyone, digest = PerModel(range(19), ["pytorch"] * 19, rates, decays), hashlib.sha256()
    for inputs, hidden, rows, batch_size in (
        (2, (17, 5), 30, 8),
        (1, (40,), 30, 30),
        (5, (), 30, 8),
        (1, (9,), 300, 300),
    ):
        x_NI = np.random.Philox(key=5).random_raw(rows * inputs).reshape(rows, inputs) / 2.0**63 - 1
        data = in_memory(x_NI.astype(dtype), (x_NI**2).sum(1).astype(dtype))
        for activation in ("identity", "relu", "leaky_relu", "elu", "tanh", "sigmoid", "gelu", "silu", "square"):
            shape = Program(inputs, hidden, activation, optimizer, "cosine", batch_size, 4, rows, dtype, 3)
            digest.update(trained_by(FUSED[build], shape, everyone, data).parameters.tobytes())
    assert digest.hexdigest()[:16] == BITS[optimizer, dtype], digest.hexdigest()[:16]


@pytest.mark.parametrize("build", FUSED)
@pytest.mark.parametrize("dtype", OBJECTIVE_BITS)
def test_trained_bits_never_change_with_any_output_and_loss(dtype, build):
    """In batches of one tile and of several, of a multiple of a vector's lanes and of others."""
    rates, digest = [0.002 * (1 + i) for i in range(19)], hashlib.sha256()
    everyone = PerModel(range(19), ["pytorch"] * 19, rates, [0.0] * 19)
    for inputs, hidden, rows, batch_size in ((2, (17, 5), 30, 8), (5, (), 32, 32), (1, (9,), 300, 300)):
        x_NI = np.random.Philox(key=6).random_raw(rows * inputs).reshape(rows, inputs) / 2.0**63 - 1
        data = in_memory(x_NI.astype(dtype), (x_NI**2).mean(1).astype(dtype))
        for output, loss in OBJECTIVES:
            shape = Program(inputs, hidden, "tanh", "adam", "cosine", batch_size, 4, rows, dtype, 3, output, loss)
            found = trained_by(FUSED[build], shape, everyone, data)
            digest.update(found.parameters.tobytes() + found.losses.tobytes())
    assert digest.hexdigest()[:16] == OBJECTIVE_BITS[dtype], digest.hexdigest()[:16]


@pytest.mark.parametrize(("output", "loss"), OBJECTIVES)
def test_both_layouts_of_the_baseline_give_the_same_bits(output, loss):
    """Without fused multiply-add the bits differ from those of the other builds, but not between the layouts."""
    shape = program(dtype="float32", hidden=(20, 5), output=output, loss=loss)
    baselines = [BUILDS[f"baseline-{layout}"] for layout in library.LAYOUTS]
    found = [trained_by(build, shape, models(9), shuffled_rows(shape)) for build in baselines]
    for other in found[1:]:
        np.testing.assert_array_equal(other.parameters, found[0].parameters)
        np.testing.assert_array_equal(other.losses, found[0].losses)


@pytest.mark.parametrize(("output", "loss"), [("linear", "mse"), ("sigmoid", "bce"), ("tanh", "huber")])
@pytest.mark.parametrize("rows", [30, 32, 7, 8, 1])
def test_training_resumes_from_any_saved_state_with_the_same_bits(monkeypatch, rows, output, loss):
    """It may be saved after any step, also in the middle of an epoch."""
    shape = program(optimizer="adamw", schedule="cosine", rows=rows, output=output, loss=loss)
    data, everyone = shuffled_rows(shape), models(3, 0.01, 0.1)
    last = lanes_engine.train(shape, everyone, data)
    monkeypatch.setattr(lanes_engine, "CALL_FLOPS", 1)
    saved = []
    lanes_engine.train(shape, everyone, data, on_progress=lambda _step, state: saved.append(state()))
    assert [state.step for state in saved] == list(range(1, shape.steps + 1))
    for state in saved:
        again = lanes_engine.train(shape, everyone, data, state=state)
        np.testing.assert_array_equal(again.parameters, last.parameters)
        np.testing.assert_array_equal(again.losses, last.losses)


@pytest.mark.parametrize("flops", [1, 1e4, 3e4, 1e10])
def test_the_number_of_steps_per_call_changes_nothing(monkeypatch, flops):
    """This holds for calls of several epochs and for calls within an epoch."""
    shape = program(rows=50, dtype="float32")
    expected = lanes_engine.train(shape, models(5), shuffled_rows(shape))
    monkeypatch.setattr(lanes_engine, "CALL_FLOPS", flops)
    monkeypatch.setattr(lanes_engine, "CALL_NUMBERS", int(flops / 1e3))
    found = lanes_engine.train(shape, models(5), shuffled_rows(shape))
    np.testing.assert_array_equal(found.parameters, expected.parameters)
    np.testing.assert_array_equal(found.losses, expected.losses)


def test_calls_are_short_where_the_optimizer_takes_most_of_the_time():
    """With batches of one row in float64, progress is still shown and signals handled several times a second."""
    shape = program(hidden=(16, 16), batch_size=1, rows=20_000, epochs=1)
    beats = []
    lanes_engine.train(
        shape, models(64, 1e-5), shuffled_rows(shape), on_progress=lambda step, _state: beats.append(step)
    )
    assert len(beats) >= 5


@pytest.mark.parametrize(("inputs", "most"), [(1, lanes_engine.CALL_ROWS), (1024, lanes_engine.CALL_NUMBERS // 1024)])
def test_a_call_has_a_bounded_number_of_rows(inputs, most):
    """With many inputs they take the same memory as with few; an epoch is completed."""
    shape = program(inputs=inputs, hidden=(), rows=100, batch_size=10, epochs=10**6, dtype="float32")
    steps = next(lanes_engine._rounds(shape, shuffled_rows(shape), 0, 10**9))
    assert len(steps.y_N) <= most + shape.rows


@given(models=st.integers(1, 300), flops=st.floats(1e2, 1e14))
def test_calls_have_all_models_in_order_and_are_short(models, flops):
    """A call of more than 16 models has whole vectors of them; a single model may take longer."""
    parts = lanes_engine._parts(models, flops)
    assert [index for part in parts for index in range(models)[part]] == list(range(models))
    width = parts[0].stop
    assert width == 1 or width * flops <= lanes_engine.CALL_FLOPS
    assert width <= 16 or width % 16 == 0


def test_the_number_of_models_per_call_changes_no_prediction(monkeypatch):
    """This holds for single models and for several vectors of them."""
    shape = program(dtype="float32", hidden=(20, 7))
    parameters = lanes_engine.train(shape, models(35), shuffled_rows(shape)).parameters
    whole = lanes_engine.predictor(shape, parameters)(rows_of(shape)[0])
    for flops in (1, 30 * 16 * 300):
        monkeypatch.setattr(lanes_engine, "CALL_FLOPS", flops)
        np.testing.assert_array_equal(lanes_engine.predictor(shape, parameters)(rows_of(shape)[0]), whole)


def test_threads_train_at_once_without_affecting_each_other():
    """The interpreter lock is released, and the kernel has no global state."""
    shapes = [program(dtype=dtype, epochs=200) for dtype in ("float32", "float64")] * 2
    alone = [lanes_engine.train(shape, models(9), shuffled_rows(shape)).parameters for shape in shapes]
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda shape: lanes_engine.train(shape, models(9), shuffled_rows(shape)), shapes)
        for state, expected in zip(found, alone, strict=True):
            np.testing.assert_array_equal(state.parameters, expected)


@pytest.mark.parametrize("build", BUILDS)
def test_a_diverging_model_counts_its_finite_steps_and_affects_no_other(build):
    """Its loss soon isn't finite any more; the other models have the same bits as without it."""
    shape = program(optimizer="sgd", activation="relu", epochs=40)
    everyone = models(3, 0.01)
    wild = type(everyone)(everyone.seeds, ["he_uniform"] * 3, [0.01, 1e6, 0.01], [0.0] * 3)
    trained = trained_by(BUILDS[build], shape, wild, shuffled_rows(shape))
    calm = trained_by(BUILDS[build], shape, some(wild, [0, 2]), shuffled_rows(shape))
    assert 0 < trained.finite_steps[1] < shape.steps
    assert list(trained.finite_steps[[0, 2]]) == [shape.steps] * 2
    np.testing.assert_array_equal(trained.parameters[[0, 2]], calm.parameters)
    np.testing.assert_array_equal(trained.losses[[0, 2]], calm.losses)
    assert not np.isfinite(trained.losses[1, -1])


@pytest.mark.parametrize(
    ("activation", "output", "loss"),
    [("relu", "linear", "mse"), ("tanh", "linear", "mse"), ("relu", "sigmoid", "bce"), ("tanh", "relu", "huber")],
)
@pytest.mark.parametrize("hidden", [(40, 40), (9,)])
def test_batches_larger_than_a_tile_are_one_batch(hidden, activation, output, loss):
    """2,501 rows take several tiles in both layouts, whose last ones are of other sizes."""
    shape = program(
        hidden=hidden, activation=activation, output=output, loss=loss, rows=2501, batch_size=2501, epochs=3
    )
    expected = torch_engine.train(shape, models(17), shuffled_rows(shape))
    first = trained_by(next(iter(FUSED.values())), shape, models(17), shuffled_rows(shape))
    for name, build in BUILDS.items():
        found = trained_by(build, shape, models(17), shuffled_rows(shape))
        np.testing.assert_allclose(found.parameters, expected.parameters, rtol=1e-9, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-9, err_msg=name)
        if name in FUSED:
            np.testing.assert_array_equal(found.parameters, first.parameters, err_msg=name)
            np.testing.assert_array_equal(found.losses, first.losses, err_msg=name)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_predictions_equal_those_of_torch(activation, dtype):
    """This holds for any number of models, and for more rows than a tile has."""
    shape = program(activation=activation, dtype=dtype, hidden=(20, 7), rows=300)
    few = program(activation=activation, dtype=dtype, hidden=(20, 7))
    parameters = lanes_engine.train(few, models(18), shuffled_rows(few)).parameters
    x_NI = rows_of(shape)[0]
    expected = torch_engine.predictor(shape, parameters)(x_NI)
    found = lanes_engine.predictor(shape, parameters)(x_NI)
    assert found.shape == (18, 300)
    np.testing.assert_allclose(found, expected, rtol=1e-12 if dtype == "float64" else 1e-4, atol=1e-5)
    alone = lanes_engine.predictor(shape, parameters[5:6])(x_NI[10:20])
    np.testing.assert_array_equal(alone[0], found[5, 10:20])


def test_denormals_are_flushed_only_in_the_kernel():
    """Afterwards denormals are numbers again: a learning rate, and so a trial's id, may have one."""
    shape = program()
    lanes_engine.train(shape, models(2), shuffled_rows(shape))
    assert np.float64(1e-320) * 1.0 == float("1e-320") != 0.0
    assert math.isfinite(lanes_engine.predictor(shape, np.zeros((1, shape.parameters)))(rows_of(shape)[0]).sum())
