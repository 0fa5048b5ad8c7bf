"""Initial weights: the random number generator against its published answers, the bounds of each kind, and knots."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from result_rows import SQUARES, variant

from sumsquares.datasets.normalize import normalization
from sumsquares.jobs.engines.choice import choose, engine
from sumsquares.jobs.engines.draws import philox, uniform
from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.recipe import GENTLE, STEEP, steepness
from sumsquares.jobs.engines.shuffle import in_memory
from sumsquares.jobs.spec.axes import Activation, Optimizer, Readout
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.stages.packs import Pack
from sumsquares.jobs.stages.train import input_range, models_of


def words(*values):
    return tuple(np.array([value], dtype=np.uint64) for value in values)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter, key, expected):
    """They are the three vectors of the reference implementation (Random123, philox4x32 with 10 rounds)."""
    assert tuple(int(word[0]) for word in philox(words(*counter), words(*key))) == expected


def test_a_draw_depends_only_on_its_seed_purpose_and_index():
    """It depends neither on the other seeds of the call nor on how many numbers are drawn."""
    many = uniform(np.arange(50, dtype=np.uint64), 7, 33)
    assert np.array_equal(uniform(np.array([31], dtype=np.uint64), 7, 10)[0], many[31, :10])
    assert len(np.unique(many)) == many.size
    assert not np.intersect1d(many, uniform(np.arange(50, dtype=np.uint64), 8, 33)).size


def test_draws_are_uniform():
    """Their mean is 0 and their variance 1/3 on (-1, 1), within five standard errors of 800,000 draws."""
    draws = uniform(np.arange(200, dtype=np.uint64) + np.uint64(2**40), 1, 4000)
    assert abs(draws.mean()) < 5 * (1 / 3 / draws.size) ** 0.5
    assert abs((draws**2).mean() - 1 / 3) < 5 * (4 / 45 / draws.size) ** 0.5
    assert -1 < draws.min() < -0.9999 < 0.9999 < draws.max() < 1


@pytest.mark.parametrize(
    ("kind", "weights", "bias"),
    [
        ("glorot_uniform", (6 / (2 + 64)) ** 0.5, 0),
        ("he_uniform", (6 / 2) ** 0.5, 0),
        ("pytorch", 2**-0.5, 2**-0.5),
    ],
)
def test_each_initialisation_reaches_its_bounds(kind, weights, bias):
    """The first layer of 2-64-1 comes close to its bounds and doesn't exceed them."""
    program = Program(2, (64,), "relu", "sgd", "constant", 10, 1, 100, "float64", 0)
    flat_MP = initialize(program, range(20), [kind] * 20)
    layer = program.layers[0]
    assert 0.99 * weights < np.abs(flat_MP[:, layer.weights]).max() < weights
    assert 0.99 * bias <= np.abs(flat_MP[:, layer.bias]).max() <= bias


def test_kinds_share_their_draws():
    """Two kinds with one seed differ only by a factor, so that a comparison isn't blurred by different draws."""
    program = Program(2, (8,), "relu", "sgd", "constant", 10, 1, 100, "float64", 0)
    glorot, he = initialize(program, [3, 3], ["glorot_uniform", "he_uniform"])
    ratio = he[program.layers[0].weights] / glorot[program.layers[0].weights]
    np.testing.assert_allclose(ratio, (10 / 2) ** 0.5)


SPREAD = Program(1, (5,), "relu", "adam", "constant", 10, 1, 100, "float64", 0)
RANGES = st.tuples(st.floats(-1e4, 1e4), st.floats(1e-3, 1e4)).map(lambda low_width: (low_width[0], sum(low_width)))
SOLVED = {"init": "spread_knots", "readout": "solved"}
TOLERANCE = {"float64": 1e-12, "float32": 1e-5}


def knots(program, flat_P, input_range):
    """Of the first layer's units: the share of the range of projections on its weights that lies before its knot."""
    flat_P, layer = flat_P.astype(np.float64), program.layers[0]
    shares = []
    for unit in range(layer.outputs):
        weights = flat_P[layer.weights].reshape(layer.inputs, layer.outputs)[:, unit]
        corners = [float(np.dot(weights, corner)) for corner in itertools.product(*input_range)]
        low, high = min(corners), max(corners)
        shares.append((-flat_P[layer.bias][unit] - low) / (high - low))
    return shares


@pytest.mark.parametrize("dtype", TOLERANCE)
@given(input_range=RANGES, seed=st.integers(0, 2**63 - 1), units=st.integers(1, 70))
@settings(max_examples=50)
def test_with_one_input_the_knots_are_those_of_the_best_fit_to_a_parabola(dtype, input_range, seed, units):
    """At low + (high - low) (k + 1/2) / (H + 1/2), up to rounding, for any range; all units face right."""
    program = replace(SPREAD, hidden=(units,), dtype=dtype)
    [flat_P] = initialize(program, [seed], ["spread_knots"], [input_range])
    first = program.layers[0]
    assert (flat_P[first.weights] > 0).all()
    low, high = input_range
    expected = [low + (high - low) * (k + 0.5) / (units + 0.5) for k in range(units)]
    found = -flat_P[first.bias].astype(np.float64) / flat_P[first.weights].astype(np.float64)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE[dtype] * max(abs(low), abs(high)))


@pytest.mark.parametrize("dtype", TOLERANCE)
@given(input_range=st.lists(RANGES, min_size=1, max_size=4), seed=st.integers(0, 2**63 - 1))
@settings(max_examples=50)
def test_with_several_inputs_the_knots_are_spread_along_each_units_direction(dtype, input_range, seed):
    """By its projections of the corners of the box."""
    program = replace(SPREAD, inputs=len(input_range), dtype=dtype)
    [flat_P] = initialize(program, [seed], ["spread_knots"], input_range)
    share_H = knots(program, flat_P, input_range)
    far = max(1.0, *(max(abs(low), abs(high)) / (high - low) for low, high in input_range))
    np.testing.assert_allclose(share_H, (np.arange(5) + 0.5) / 5.5, rtol=0, atol=10 * TOLERANCE[dtype] * far)


def test_seeds_have_directions_and_output_weights_of_their_own():
    """With several inputs both, with one input the output weights alone."""
    two_MP = initialize(replace(SPREAD, inputs=2), [1, 2], ["spread_knots"] * 2)
    one_MP = initialize(SPREAD, [1, 2], ["spread_knots"] * 2)
    first, last = SPREAD.layers
    assert (two_MP[0, :10] != two_MP[1, :10]).all()
    assert np.array_equal(one_MP[0, first.weights], one_MP[1, first.weights])
    assert (one_MP[0, last.weights] != one_MP[1, last.weights]).all()


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)])
def test_a_models_weights_do_not_depend_on_its_pack(hidden):
    """Whatever the kinds and seeds of the others."""
    program = replace(SPREAD, inputs=3, hidden=hidden, dtype="float32")
    kinds, input_range = ["spread_knots", "pytorch", "spread_knots", "he_uniform"], [(0.0, 1.0)] * 3
    together_MP = initialize(program, range(4), kinds, input_range)
    for model, kind in enumerate(kinds):
        assert np.array_equal(initialize(program, [model], [kind], input_range)[0], together_MP[model])


def test_spread_knots_leave_all_but_the_first_two_layers_as_he_uniform():
    """The weights of the second are smaller by the steepness of the first; a linear model has no knots."""
    program = replace(SPREAD, hidden=(4, 3, 2))
    spread, he = initialize(program, [3, 3], ["spread_knots", "he_uniform"])
    second = program.layers[1]
    np.testing.assert_allclose(spread[second.weights] * GENTLE, he[second.weights])
    assert np.array_equal(spread[second.bias.start :], he[second.bias.start :])
    linear = replace(SPREAD, hidden=())
    assert np.array_equal(*initialize(linear, [3, 3], ["spread_knots", "he_uniform"]))


@pytest.mark.parametrize("optimizer", get_args(Optimizer))
@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize(("inputs", "hidden"), [(1, (5,)), (1, (5, 5)), (2, (5,))])
@pytest.mark.parametrize("readout", get_args(Readout))
def test_a_unit_rises_by_its_steepness_across_the_range(optimizer, activation, inputs, hidden, readout):
    """Steep are only single layers of ReLU units on one input whose optimizer's steps do not grow with the gradient.

    Their readout is solved afterwards.
    """
    program = replace(SPREAD, inputs=inputs, optimizer=optimizer, activation=activation, hidden=hidden)
    [flat_P] = initialize(program, [0], ["spread_knots"], [(3.0, 7.0)] * inputs, [readout])
    rise_H = (7 - 3) * np.abs(flat_P[program.layers[0].weights]).reshape(inputs, 5).sum(0)
    is_solved = readout == "solved"
    np.testing.assert_allclose(rise_H, steepness(program, is_solved))
    adapts = is_solved and optimizer in ("adam", "adamw", "rmsprop")
    is_steep = adapts and "relu" in activation and inputs == len(hidden) == 1
    assert steepness(program, is_solved) == (STEEP if is_steep else GENTLE)


@pytest.mark.parametrize("normalize", ["question", "unit", "symmetric", "zscore"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_after_training_the_best_last_layer_reaches_the_floor_of_its_width(normalize, dtype):
    """Within 5 %, by least squares on all squares of 1..1000: the knots of a pack that was trained stay in place."""
    dataset, units = SQUARES.model_copy(update={"rows": 1000}), 8
    trials = [Trial(variant(dataset, hidden=(units,), **SOLVED, normalize=normalize, dtype=dtype), 3)]
    program = replace(program_of(trials[0].variant), epochs=20)
    raw_N1 = np.arange(1, 1001)[:, None]
    scale = normalization(dataset, normalize)
    rows = in_memory(scale.inputs(raw_N1, dtype), scale.target(raw_N1[:, 0] ** 2, dtype))
    models = replace(models_of(Pack(tuple(trials))), input_range=input_range(dataset.input_ranges("train"), scale))
    state = engine(choose("auto", "cpu")).train(program, models, rows)
    first, flat_P = program.layers[0], state.parameters[0].astype(np.float64)
    hidden_NH = np.maximum(scale.inputs(raw_N1, np.float64) * flat_P[first.weights] + flat_P[first.bias], 0)
    features_NK = np.column_stack([hidden_NH / hidden_NH.max(), np.ones(1000)])
    error_N = features_NK @ np.linalg.lstsq(features_NK, raw_N1[:, 0] ** 2.0)[0] - raw_N1[:, 0] ** 2
    floor = 1000**2 / (6 * 5**0.5 * (units + 0.5) ** 2)
    assert 0.97 < np.sqrt(np.mean(error_N**2)) / floor < 1.05


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6)), min_size=1, max_size=4), st.integers(0, 99))
def test_inputs_of_any_ranges_are_looked_along_alike(ends, seed):
    """A unit rises along each input by as much as if all had the range -1 to 1, and its knot lies as far along."""
    program = replace(SPREAD, inputs=len(ends), hidden=(6,), dtype="float64")
    ranges = [(low, low + width) for low, width in ends]
    first, unit = program.layers[0], [(-1.0, 1.0)] * len(ends)
    found, expected = (initialize(program, [seed], ["spread_knots"], each)[0] for each in (ranges, unit))
    rise_IH, expected_IH = (each[first.weights].reshape(len(ends), 6) for each in (found, expected))
    width_I, middle_I = np.array([(high - low, (low + high) / 2) for low, high in ranges]).T
    np.testing.assert_allclose(rise_IH * width_I[:, None], expected_IH * 2, rtol=1e-6)
    np.testing.assert_allclose(middle_I @ rise_IH + found[first.bias], expected[first.bias], rtol=1e-6, atol=1e-6)


def test_equal_ranges_and_constant_inputs_leave_the_directions_as_they_are():
    """They are those of he_uniform, times one factor for each unit."""
    program = replace(SPREAD, inputs=3, hidden=(5,), dtype="float64")
    first = program.layers[0]
    [found_P] = initialize(program, [1], ["spread_knots"], [(0.1, 0.7), (5.0, 5.0), (0.1, 0.7)])
    [equal_P] = initialize(replace(program, inputs=3), [1], ["he_uniform"], [])
    ratio_IH = found_P[first.weights].reshape(3, 5) / equal_P[first.weights].reshape(3, 5)
    np.testing.assert_allclose(ratio_IH, ratio_IH[:1].repeat(3, 0), rtol=1e-12)


def test_inputs_that_are_constant_give_finite_weights():
    """As those of a dataset with the number 1 alone."""
    assert np.isfinite(initialize(SPREAD, [0], ["spread_knots"], [(1.0, 1.0)])).all()
