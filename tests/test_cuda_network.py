"""The kernels `train` and `predict` of networks with hidden layers, on an emulated GPU, against numpy in float64."""

from __future__ import annotations

import random
from itertools import cycle, product

import cuda_kernels
import emulated_gpu
import gpu_reference
import numpy as np
import pytest
from cuda_kernels import Kernels, Problem, program_of

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.usefixtures("emulated"),
    pytest.mark.skipif(emulated_gpu.reason() is not None, reason=str(emulated_gpu.reason())),
]
ACTIVATIONS, OPTIMIZERS = tuple(gpu_reference.ACTIVATIONS), tuple(gpu_reference.OPTIMIZERS)
DTYPES = ("float32", "float64")
LAYOUTS = (
    {"WARPS": 1, "LC": 4, "CI": 4, "KS": 2, "MOM": 0},
    {"WARPS": 4, "LC": 16, "CI": 8, "KS": 1, "MOM": 1},
    {"WARPS": 3, "LC": 2, "CI": 4, "KS": 1, "MOM": 1, "TILE": 40},
    {"WARPS": 1, "LC": 1, "CI": 4, "KS": 2, "MOM": 1, "TILE": 33},
    {"WARPS": 2, "LC": 16, "CI": 8, "KS": 2, "MOM": 0, "LANEMAP": 0},
    {"WARPS": 5, "LC": 8, "CI": 8, "KS": 1, "MOM": 1},
)
WIDE = {"WARPS": 3, "LC": 32, "CI": 8, "KS": 1, "MOM": 1}
"""It pads every layer to 128 units."""
SHARED = 232_448
"""Bytes of shared memory that a block may have on sm_90."""
ROUNDING = {"float32": 2e-7, "float64": 2e-15}
"""What an error is measured against at least: two units in the last place."""


def check(program, layout, rows_S=(), has_decay=False):
    """Trains three models, and compares every array; then one of them alone in two launches; then predicts."""
    kernels, problem = Kernels(program, has_decay, **layout), Problem(program, 3, rows_S, has_decay)
    trained, expected = kernels.train(problem, problem.first), problem.expected()
    assert list(trained.finite) == [len(problem.rows_S)] * 3
    same_precision = cuda_kernels.distance(problem.expected(program.dtype), expected, problem.first)
    bound = 20 * max(same_precision, 10 * ROUNDING[program.dtype])
    assert cuda_kernels.distance(trained, expected, problem.first) < bound

    one, middle = slice(1, 2), len(problem.rows_S) // 2
    alone = kernels.train(problem, problem.first, 0, middle, one)
    alone = kernels.train(problem.alone(1), alone, middle)
    assert alone.same_bits(trained.of(one))

    x_NI = np.random.default_rng(1).uniform(-1, 1, (2 * program.batch_size + 5, program.inputs)).astype(program.dtype)
    predicted = gpu_reference.predict(program, trained.parameters.astype(np.float64), x_NI.astype(np.float64))
    found = kernels.predict(trained.parameters, x_NI)
    assert np.abs(found - predicted).max() < 20 * ROUNDING[program.dtype] * max(1.0, np.abs(predicted).max())
    assert np.array_equal(found, kernels.predict(trained.parameters, x_NI, slices=3))


@pytest.mark.parametrize(
    ("activation", "dtype", "layout"),
    [(a, d, x) for (a, d), x in zip(product(ACTIVATIONS, DTYPES), cycle(LAYOUTS), strict=False)],
)
def test_each_activation_trains_as_in_float64(activation, dtype, layout):
    """Layers of odd widths, so that there are units and rows that only fill up a layout; a short batch in between."""
    check(program_of(3, (10, 7), 50, activation=activation, dtype=dtype), layout, (50, 50, 21, 50))


@pytest.mark.parametrize("has_decay", [False, True])
@pytest.mark.parametrize(("optimizer", "layout"), list(zip(OPTIMIZERS, LAYOUTS, strict=True)))
def test_each_optimizer_trains_as_in_float64(optimizer, layout, has_decay):
    """With the learning rate falling as a cosine."""
    program = program_of(1, (16, 16), 60, optimizer=optimizer, schedule="cosine", dtype="float64")
    check(program, layout, has_decay=has_decay)


@pytest.mark.parametrize(
    ("output", "loss", "layout"),
    [(o, n, x) for (o, n), x in zip(gpu_reference.OBJECTIVES, cycle((*LAYOUTS, WIDE)), strict=False)],
)
def test_each_output_and_loss_trains_as_in_float64(output, loss, layout):
    """One hidden layer, whose inputs are few."""
    check(program_of(2, (9,), 45, output=output, loss=loss, dtype="float64"), layout, (45, 7, 45, 1))


def drawn(seed):
    """Returns a shape and a layout."""
    draw = random.Random(seed)  # noqa: S311  nothing is secret
    while True:
        hidden = tuple(draw.choice([1, 2, 3, 5, 8, 12, 16, 20, 33]) for _ in range(draw.choice([1, 1, 2, 2, 3, 4])))
        inputs, rows = draw.choice([1, 2, 4, 5, 8, 13, 25, 40]), draw.choice([1, 2, 3, 7, 16, 31, 64, 100, 300])
        layout = draw.choice(LAYOUTS) | {"TILE": draw.choice([1 << 20, 1 + rows // 2, 1 + rows // 5])}
        rest = {"activation": draw.choice(ACTIVATIONS), "optimizer": draw.choice(OPTIMIZERS)}
        program = program_of(inputs, hidden, rows, dtype=draw.choice(DTYPES), **rest)
        tiling = cuda_kernels.tiling(program, **layout)
        if (
            tiling.possible
            and tiling.shared_bytes <= SHARED
            and tiling.rows * max(map(tiling.padded, range(len(hidden)))) < 2000
        ):
            return program, layout


@pytest.mark.parametrize("seed", range(10))
def test_any_shape_trains_as_in_float64(seed):
    """Any widths, inputs, rows and tiles; batches of one row and of some in between."""
    program, layout = drawn(seed)
    check(
        program,
        layout,
        (program.batch_size, 1, 1 + program.batch_size // 2, program.batch_size),
        has_decay=seed % 2 == 0,
    )


def test_where_state_is_kept_and_how_lanes_lie_changes_no_bit():
    """Layouts that only move numbers, or reorder lanes."""
    program, problem = program_of(1, (16, 16)), Problem(program_of(1, (16, 16)))
    results = [
        Kernels(program, LC=4, MOM=mom, LANEMAP=lanes).train(problem, problem.first)
        for mom, lanes in ((0, 1), (1, 1), (0, 0))
    ]
    assert all(result.same_bits(results[0]) for result in results)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_order_in_which_threads_run_changes_no_bit(layout, monkeypatch):
    """Between two barriers no thread may read what another one writes."""
    program = program_of(5, (9, 6), 50, activation="silu")
    kernels, problem, results = Kernels(program, **layout), Problem(program), []
    for order in (0, 1, 2, 3):
        monkeypatch.setenv("EMULATED_ORDER", str(order))
        results.append(kernels.train(problem, problem.first))
    assert all(result.same_bits(results[0]) for result in results)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_model_without_decay_has_the_same_bits_beside_models_with_it(optimizer):
    """Kernels are compiled with decay if any model of a pack has it."""
    program = program_of(2, (7, 5), 20, optimizer=optimizer)
    problem = Problem(program, rows_S=(20,) * 12)
    without, beside = (Kernels(program, has_decay).train(problem, problem.first) for has_decay in (False, True))
    assert without.same_bits(beside)
    for one, other in zip(without.state, beside.state, strict=True):
        assert np.array_equal(np.signbit(one), np.signbit(other))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_a_diverging_model_counts_its_steps_and_leaves_the_others_alone(activation, dtype):
    """The learning rates of two models are far too large. NaN stays NaN: it never looks finite again."""
    program = program_of(2, (7, 5), 20, activation=activation, optimizer="sgd", dtype=dtype)
    kernels, problem = Kernels(program), Problem(program, 4, (20,) * 20)
    sane = kernels.train(problem, problem.first)
    problem.lr_M[1:3] = (1e3, np.sqrt(np.finfo(dtype).max))
    with np.errstate(all="ignore"):
        expected = problem.expected(dtype)
    trained = kernels.train(problem, problem.first)
    assert list(trained.finite) == list(expected.finite)
    assert trained.finite[2] < 20
    for model in (slice(0, 1), slice(3, 4)):
        assert trained.of(model).same_bits(sane.of(model))
