"""The solved readout against numpy's least squares, and its bits in other packs, divisions of the rows and builds."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lanes_builds import builds, needs_lanes
from test_lanes_library import harmed
from test_torch_engine import program, rows_of

from sumsquares.jobs.engines import lanes_engine, readout, readout_numpy, shuffle
from sumsquares.jobs.engines.activations import ACTIVATIONS
from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.lanes import library
from sumsquares.jobs.engines.lanes.library import FOLD_ROWS, Seen
from sumsquares.jobs.engines.shuffle import in_memory

BUILDS = {build.variant: build for build in builds() if build.layout == "faster"}
FUSED = {name: build for name, build in BUILDS.items() if build.fused}
SHAPES = [(), (1,), (17,), (5, 13), (9, 4, 11)]
WIDE = [(125,), (126,), (3, 150)]
"""The triangle of the first has 127 columns, the last number of those that the kernel solves with a model per lane."""


def parameters_of(shape, count=3, scale=1.0):
    """Returns weights and biases of random networks, of which `scale` makes the activations differ more."""
    return scale * initialize(shape, range(count), ["pytorch"] * count)


def observed_by(solver, shape, parameters, x_NI, y_N):
    """Returns what is known after all rows, and the readout."""
    seen = Seen.of_no_rows(shape, len(parameters))
    solver.observe(shape, parameters, x_NI, y_N, seen)
    return seen, solver.solve(len(y_N), seen.triangles_MCC)


def features_of(shape, parameters_P, x_NI):
    """Returns the features of one model, with a column of ones."""
    hidden = readout_numpy._hidden(shape, parameters_P[None], x_NI)
    return np.column_stack((hidden[-1] if hidden else x_NI, np.ones(len(x_NI))))


def least_squares(features_NK, y_N):
    """Returns numpy's answer, with the same cut-off."""
    return np.linalg.lstsq(features_NK, y_N, rcond=np.finfo(float).eps * max(features_NK.shape))[0]


@pytest.mark.parametrize("solver", ["numpy", *BUILDS])
@pytest.mark.parametrize("hidden", SHAPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_readout_fits_as_well_as_numpys_least_squares(activation, hidden, solver):
    """This holds for every activation, depth and build, however nearly parallel the features are."""
    shape = program(activation=activation, hidden=hidden, rows=101)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape)
    seen, found = observed_by(BUILDS.get(solver, readout_numpy), shape, parameters, x_NI, y_N)
    for m, readout_K in enumerate(found):
        features = features_of(shape, parameters[m], x_NI)
        fitted, expected = features @ readout_K, features @ least_squares(features, y_N)
        rounding = 8 * np.finfo(float).eps * np.abs(readout_K).sum()  # weights may be large where features are parallel
        np.testing.assert_allclose(fitted, expected, atol=1e-9 + rounding)
        residual = np.linalg.norm(expected - y_N)
        if np.linalg.matrix_rank(features) == features.shape[1]:
            assert abs(seen.triangles_MCC[m, -1, -1]) == pytest.approx(residual, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("solver", ["numpy", *BUILDS])
@pytest.mark.parametrize("hidden", [(), (17,), (3, 5)])
def test_a_readout_behind_many_inputs_fits_as_well_as_numpys_least_squares(hidden, solver):
    """1,024 of them, or 300 where they are the features themselves, which then fit every row."""
    shape = program(hidden=hidden, inputs=1024 if hidden else 300, rows=101)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 2)
    _, found = observed_by(BUILDS.get(solver, readout_numpy), shape, parameters, x_NI, y_N)
    for m, readout_K in enumerate(found):
        features = features_of(shape, parameters[m], x_NI)
        expected = features @ least_squares(features, y_N)
        np.testing.assert_allclose(features @ readout_K, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("solver", BUILDS)
@pytest.mark.parametrize("hidden", WIDE)
@pytest.mark.parametrize(("activation", "rows"), [("relu", 400), ("tanh", 400), ("tanh", 70)])
def test_the_readout_of_wide_layers_fits_as_well_as_numpys_least_squares(activation, rows, hidden, solver):
    """Of many answers it has the smallest norm; this includes more units than rows, and features of a low rank."""
    shape = program(activation=activation, hidden=hidden, rows=rows)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 2, scale=2.0)
    _, found = observed_by(BUILDS[solver], shape, parameters, x_NI, y_N)
    for m, readout_K in enumerate(found):
        features = features_of(shape, parameters[m], x_NI)
        expected = least_squares(features, y_N)
        residual, least = (np.linalg.norm(features @ each - y_N) for each in (readout_K, expected))
        assert residual <= 1.001 * least + 1e-6
        assert np.linalg.norm(readout_K) <= 1.01 * np.linalg.norm(expected)


@needs_lanes
@pytest.mark.parametrize("hidden", WIDE)
def test_a_model_of_wide_layers_has_the_same_bits_wherever_it_is_observed(hidden):
    """The bits are the same in any pack, with AVX2 and AVX-512, and with the rows in several calls."""
    shape = program(activation="tanh", hidden=hidden, rows=300)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 9)
    whole, expected = observed_by(library.load(), shape, parameters, x_NI, y_N)
    for chosen, cut in (([8], 0), ([3, 0, 8], 96)):
        for name, build in FUSED.items():
            seen = Seen.of_no_rows(shape, len(chosen))
            for part in (slice(0, cut), slice(cut, None)):
                build.observe(shape, parameters[chosen], x_NI[part], y_N[part], seen)
            np.testing.assert_array_equal(seen.triangles_MCC, whole.triangles_MCC[chosen], err_msg=name)
            np.testing.assert_array_equal(build.solve(300, seen.triangles_MCC), expected[chosen], err_msg=name)


@needs_lanes
def test_wide_layers_are_solved_by_short_calls(monkeypatch):
    """So a run with a layer of thousands of units, which takes minutes, can be stopped."""
    native, calls = library.Library(library.load().variant), []
    call = native._call
    monkeypatch.setattr(native, "_call", lambda *arguments: (calls.append(arguments[0]), call(*arguments)))
    found = native.solve(10, np.triu(np.random.default_rng(1).normal(size=(2, 200, 200))))
    assert np.isfinite(found).all()
    assert len(calls) > 2 * 200 / 16


@needs_lanes
@pytest.mark.parametrize("hidden", [(5,), (150,)])
@pytest.mark.parametrize("size", [1e-70, 1.0, 1e70, 1e100, 1e152, 1e160])
def test_features_of_any_size_have_a_readout_that_fits_or_none(size, hidden):
    """Where squares of features are beyond float64 it isn't finite, and it is never a wrong number."""
    shape = program(inputs=1, activation="relu", hidden=hidden, rows=200)
    parameters, x_NI = parameters_of(shape, 1), np.linspace(-1, 1, 200)[:, None]
    parameters[:, : shape.layers[0].bias.stop] *= size
    y_N = x_NI[:, 0] ** 2
    scaled_NK = features_of(shape, parameters[0], x_NI) / max(size, 1.0)
    residual = np.linalg.norm(scaled_NK @ least_squares(scaled_NK, y_N) - y_N)
    for build in BUILDS.values():
        found = observed_by(build, shape, parameters, x_NI, y_N)[1][0]
        if np.isfinite(found).all():
            assert np.linalg.norm(scaled_NK @ (found * max(size, 1.0)) - y_N) == pytest.approx(residual, rel=1e-6)
        else:
            assert size > 1e150


def duplicated(shape):
    """Returns networks of which each unit has a copy."""
    parameters = parameters_of(shape, scale=3.0)
    for part in (shape.layers[0].weights, shape.layers[0].bias):
        layer = parameters[:, part].reshape(3, -1, shape.hidden[0])
        layer[:, :, 1::2] = layer[:, :, ::2]
        parameters[:, part] = layer.reshape(3, -1)
    return parameters


DEGENERATE = {
    "fewer rows than features": ((17,), 9, lambda shape: parameters_of(shape, scale=3.0)),
    "one row": ((17,), 1, lambda shape: parameters_of(shape, scale=3.0)),
    "one row without hidden layers": ((), 1, parameters_of),
    "copies": ((6,), 40, duplicated),
    "constant features": ((7,), 40, lambda shape: np.zeros((3, shape.parameters))),
}
"""By name: hidden layers, rows, and the parameters for which many readouts fit equally well."""


@pytest.mark.parametrize("solver", ["numpy", *BUILDS])
@pytest.mark.parametrize(("hidden", "rows", "changed"), DEGENERATE.values(), ids=DEGENERATE)
def test_of_many_answers_the_one_of_smallest_norm_is_given(hidden, rows, changed, solver):
    """It is numpy's to 1e-7."""
    shape = program(activation="tanh", hidden=hidden, rows=rows)
    (x_NI, y_N), parameters = rows_of(shape), changed(shape)
    _, found = observed_by(BUILDS.get(solver, readout_numpy), shape, parameters, x_NI, y_N)
    for m, readout_K in enumerate(found):
        expected = least_squares(features_of(shape, parameters[m], x_NI), y_N)
        np.testing.assert_allclose(readout_K, expected, rtol=1e-7, atol=1e-7 * np.linalg.norm(expected))


@needs_lanes
@given(
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    hidden=st.lists(st.integers(1, 30), max_size=3),
    rows=st.integers(1, 6 * FOLD_ROWS),
    calls=st.lists(st.integers(0, 6), max_size=3),
    chosen=st.lists(st.integers(0, 19), min_size=1, max_size=20, unique=True),
)
@settings(max_examples=40, deadline=None)
def test_a_model_has_the_same_bits_wherever_it_is_observed(activation, hidden, rows, calls, chosen):
    """The bits are the same in any pack, in any order, with AVX2 and AVX-512, and with the rows in any calls."""
    shape = program(activation=activation, hidden=tuple(hidden), rows=rows)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 20)
    whole, expected = observed_by(library.load(), shape, parameters, x_NI, y_N)
    cuts = sorted(min(rows, call * FOLD_ROWS) for call in calls)
    for name, build in FUSED.items():
        seen = Seen.of_no_rows(shape, len(chosen))
        for first, last in zip([0, *cuts], [*cuts, rows], strict=True):
            build.observe(shape, parameters[chosen], x_NI[first:last], y_N[first:last], seen)
        for found, array in zip(vars(seen).values(), vars(whole).values(), strict=True):
            np.testing.assert_array_equal(found, array[chosen], err_msg=name)
        np.testing.assert_array_equal(build.solve(rows, seen.triangles_MCC), expected[chosen], err_msg=name)


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("hidden", [(5, 3), (17,)])
def test_a_model_that_is_not_finite_affects_no_other(hidden, build):
    """Weights of NaN, infinity and 1e200 have NaN as their readout; the others have the bits they have alone."""
    shape = program(activation="relu", hidden=hidden, rows=70)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 11)
    calm = [0, 1, 3, 5, 6, 8, 9, 10]
    _, expected = observed_by(BUILDS[build], shape, parameters[calm], x_NI, y_N)
    parameters[2, :10], parameters[4], parameters[7] = np.nan, np.inf, 1e200
    _, found = observed_by(BUILDS[build], shape, parameters, x_NI, y_N)
    np.testing.assert_array_equal(found[calm], expected)
    assert not np.isfinite(found[[2, 4, 7]]).any(axis=1).any()


@pytest.mark.parametrize("solver", ["numpy", *BUILDS])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_units_are_described_by_all_rows(activation, solver):
    """Their highest activation, and on how many rows they are saturated, are those of all values at once."""
    shape = program(activation=activation, hidden=(9, 4), rows=77)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, scale=6.0)
    seen, _ = observed_by(BUILDS.get(solver, readout_numpy), shape, parameters, x_NI, y_N)
    for m in range(3):
        values = np.concatenate(readout_numpy._hidden(shape, parameters[m : m + 1], x_NI), axis=1)
        near = {"tanh": abs(values) >= 0.98, "sigmoid": abs(values - 0.5) >= 0.48}.get(activation, values != values)
        np.testing.assert_allclose(seen.highest_MU[m], values.max(0), rtol=1e-12)
        np.testing.assert_array_equal(seen.saturated_MU[m], near.sum(0))


def without_kernel(patch):
    patch.setattr(readout, "load", lambda: "there is none")


@pytest.mark.parametrize("has_kernel", [pytest.param(True, marks=needs_lanes), False])
def test_dead_and_saturated_units_are_counted(monkeypatch, has_kernel):
    """A unit is dead if it is above 0 on no row, and saturated if it is near an end of its range on 99 % of them."""
    if not has_kernel:
        without_kernel(monkeypatch)
    x_NI = np.linspace(-1, 1, 200)[:, None]
    weights, biases = [0.0, 1.0, 100.0, 1000.0, 0.0], [-1.0, -1.0, 0.0, 0.0, 9.0]
    parameters = np.array([[*weights, *biases, *[0.0] * 6]], np.float32)
    found = {}
    for activation in ("relu", "tanh", "sigmoid", "gelu"):
        shape = program(inputs=1, hidden=(5,), activation=activation, rows=200, dtype="float32")
        observed = readout.observe(shape, parameters, in_memory(x_NI, x_NI[:, 0] ** 2))
        found[activation] = (observed.dead_share_M[0], observed.saturated_share_M[0])
        assert observed.solver == ("lanes" if has_kernel else "numpy")
    np.testing.assert_array_equal(found["relu"], (2 / 5, np.nan))
    np.testing.assert_array_equal(found["tanh"], (np.nan, 2 / 5))
    np.testing.assert_array_equal(found["sigmoid"], (np.nan, 2 / 5))
    np.testing.assert_array_equal(found["gelu"], (np.nan, np.nan))
    linear = readout.observe(program(inputs=1, hidden=(), rows=200), parameters[:, :2], in_memory(x_NI, x_NI[:, 0]))
    np.testing.assert_array_equal((linear.dead_share_M, linear.saturated_share_M), np.full((2, 1), np.nan))


@pytest.mark.parametrize("has_kernel", [pytest.param(True, marks=needs_lanes), False])
@pytest.mark.parametrize("output", ["sigmoid", "tanh", "relu"])
def test_an_output_that_is_not_linear_has_no_readout_but_its_units_are_observed(monkeypatch, output, has_kernel):
    """Least squares of the targets would not fit what the output makes of the readout."""
    if not has_kernel:
        without_kernel(monkeypatch)
    shape = program(activation="relu", hidden=(7, 5), output=output)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape)
    parameters[1] = np.nan
    found = readout.observe(shape, parameters, in_memory(x_NI, y_N))
    expected = readout.observe(replace(shape, output="linear"), parameters, in_memory(x_NI, y_N))
    assert np.isnan(found.readout_MK).all()
    assert found.readout_MK.shape == expected.readout_MK.shape
    np.testing.assert_array_equal(found.dead_share_M, expected.dead_share_M)
    assert readout.seconds_of(shape) < readout.seconds_of(replace(shape, output="linear"))
    with pytest.raises(AssertionError, match=output):
        readout.with_readout(shape, parameters, expected.readout_MK)


@pytest.mark.parametrize("has_kernel", [pytest.param(True, marks=needs_lanes), False])
def test_rows_in_chunks_and_calls_of_any_size_give_the_same_answer(monkeypatch, has_kernel):
    """So a dataset that is streamed has the readout, to the bit, that it has in memory."""
    if not has_kernel:
        without_kernel(monkeypatch)
    shape = program(activation="tanh", hidden=(5,), rows=300)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape, 11)
    expected = readout.observe(shape, parameters, in_memory(x_NI, y_N))
    for name, value in (("CALL_FLOPS", 1), ("GROUP_BYTES", 1), ("CHUNK_ROWS", 96)):
        monkeypatch.setattr(shuffle if name == "CHUNK_ROWS" else readout, name, value)
        found = readout.observe(shape, parameters, in_memory(x_NI, y_N))
        if has_kernel:
            np.testing.assert_array_equal(found.readout_MK, expected.readout_MK)
        predicted = [_answers(shape, parameters, each.readout_MK, x_NI) for each in (found, expected)]
        np.testing.assert_allclose(*predicted, atol=1e-10)


def _answers(shape, parameters, readout_MK, x_NI):
    wide, solved = readout.with_readout(shape, parameters, readout_MK)
    return np.array([features_of(wide, solved[m], x_NI) @ readout_MK[m] for m in range(len(solved))])


@needs_lanes
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "gelu", "silu"])
def test_one_hidden_layer_holds_squares_before_it_is_trained(activation):
    """The features have a condition of 1e12 and more; the answer is right on every integer of 1..1000."""
    shape = program(inputs=1, hidden=(16,), activation=activation, rows=1000, dtype="float32")
    parameters = initialize(shape, range(8), ["pytorch"] * 8)  # biases of 0 would leave odd functions
    numbers = np.arange(1, 1001)
    x_NI, y_N = (numbers / 500 - 1)[:, None], numbers**2 / 5e5 - 1
    observed = readout.observe(shape, parameters, in_memory(x_NI, y_N))
    wide, solved = readout.with_readout(shape, parameters, observed.readout_MK)
    assert wide == replace(shape, dtype="float64")
    assert np.array_equal(solved[:, : shape.layers[-1].start], parameters[:, : shape.layers[-1].start])
    answers = (lanes_engine.predictor(wide, solved)(x_NI) + 1) * 5e5
    np.testing.assert_array_equal(np.rint(answers), np.tile(numbers**2, (8, 1)))


def test_a_readout_that_is_not_finite_is_nan_with_all_shares(monkeypatch):
    """This holds with and without the kernel, and the other models are known."""
    shape = program(activation="relu", hidden=(4,), rows=30)
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape)
    parameters[1] = np.inf
    for _ in range(2):
        found = readout.observe(shape, parameters, in_memory(x_NI, y_N))
        assert np.isnan(found.readout_MK[1]).all()
        assert list(np.isnan(found.dead_share_M)) == [False, True, False]
        assert np.isfinite(found.readout_MK[[0, 2]]).all()
        without_kernel(monkeypatch)


@given(hidden=st.lists(st.integers(1, 3000), max_size=3), rows=st.integers(1, 10**7), epochs=st.integers(1, 10**4))
def test_longer_training_makes_the_observation_no_less_affordable(hidden, rows, epochs):
    """It always is for few units and rows."""
    shape = program(hidden=tuple(hidden), rows=rows, epochs=epochs)
    assert readout.is_affordable(replace(shape, epochs=epochs + 1)) >= readout.is_affordable(shape)
    assert readout.is_affordable(program(hidden=(16, 16), rows=min(rows, 1000), epochs=1))
    assert not readout.is_affordable(program(hidden=(3000,), rows=10**6, epochs=1))


def arguments(shape):
    """Returns valid arguments for `observe`."""
    (x_NI, y_N), parameters = rows_of(shape), parameters_of(shape)
    return {"parameters": parameters, "x": x_NI, "y": y_N, **vars(Seen.of_no_rows(shape, len(parameters)))}


@needs_lanes
@pytest.mark.parametrize("how", ["type", "shorter", "longer", "deeper", "strided"])
@pytest.mark.parametrize("name", arguments(program()))
def test_an_array_of_another_dtype_shape_or_layout_is_refused(name, how):
    """It is refused before any of its numbers are read."""
    given = arguments(program())
    given[name] = harmed(given[name], how)
    parameters, x_NI, y_N, *seen = given.values()
    with pytest.raises(ValueError, match=r"in one piece"):
        library.load().observe(program(), parameters, x_NI, y_N, Seen(*seen))


@needs_lanes
@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 4, 3), (0, 3, 3), (2, 1, 1), (2, 0, 0), (9,)])
def test_triangles_that_are_not_square_or_too_small_are_refused(shape):
    """A triangle has a column for the bias and one for the target."""
    with pytest.raises(ValueError, match=r"in one piece|refuses"):
        library.load().solve(1, np.ones(shape))


ANY = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 9)


@needs_lanes
@given(st.lists(ANY, min_size=7, max_size=7), st.integers(-(2**63), -1), st.integers(0, 5), st.booleans())
@settings(max_examples=100, deadline=None)
def test_invalid_numbers_give_an_error_and_no_crash(numbers, negative, place, is_null):
    """This calls the C functions without the checks in Python: with a negative number, or with null pointers."""
    functions, room = library.load()._functions, np.ones(64)
    pointer = None if is_null else room.ctypes.data_as(ctypes.c_void_p)
    if not is_null:
        numbers[place], numbers[place % 3] = negative, negative
    *ints, width = numbers
    hidden = np.full(1001, width, np.int64)
    inputs, depth, activation, layout, rows, models = map(ctypes.c_int64, ints)
    head = [inputs, depth, hidden.ctypes.data_as(ctypes.c_void_p), activation, layout, rows]
    assert functions.lanes_observe_f64(*head, pointer, pointer, models, *[pointer] * 4) == 1
    assert functions.lanes_solve_f64(*map(ctypes.c_int64, ints[:3]), pointer, pointer) == 1


@needs_lanes
def test_a_triangle_that_does_not_fit_into_memory_is_an_error():
    """It has 2^19 columns, and 2^41 bytes in each lane."""
    room = np.ones(64).ctypes.data_as(ctypes.c_void_p)
    assert library.load()._functions.lanes_solve_f64(*map(ctypes.c_int64, (1, 2**19, 1)), room, room) == 2
