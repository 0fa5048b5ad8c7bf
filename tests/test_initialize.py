"""Initial weights: the random number generator against its published answers, and the bounds of each kind."""

from __future__ import annotations

import numpy as np
import pytest

from sumsquares.jobs.engines.draws import philox, uniform
from sumsquares.jobs.engines.initialize import initialize
from sumsquares.jobs.engines.program import Program


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
