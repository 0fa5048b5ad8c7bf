"""The kernel's own tanh, logistic function, erf and division, through networks of one unit."""

from __future__ import annotations

from pathlib import Path

import mpmath
import numpy as np
import pytest
from lanes_builds import builds, named, needs_lanes
from lanes_polynomials import header
from test_torch_engine import program

from sumsquares.jobs.engines.lanes.library import FOLDER, Steps, Trained

BUILDS = named([library for library in builds() if library.layout == "by_model"])
EXACT = {
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * (1 + mpmath.erf(x / mpmath.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
}
WORST = {"elu": 2.0, "tanh": 2.0, "sigmoid": 2.0, "gelu": 3.0, "silu": 3.0}
"""Units in the last place; gelu and silu round twice more."""


def applied(library, activation, x_N):
    """The activation of each number: weights are 1, biases 0."""
    shape = program(inputs=1, hidden=(1,), activation=activation, dtype=str(x_N.dtype))
    return library.predict(shape, np.array([[1, 0, 1, 0]], x_N.dtype), x_N[:, None])[0]


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", EXACT)
def test_an_activation_is_accurate_to_a_few_ulps(activation, dtype, build):
    """From tiny to huge, of both signs. Where gelu's factor 1 + erf cancels, units are those of the factor's 1."""
    draws = np.random.default_rng(1)
    x_N = np.concatenate((draws.uniform(-9, 9, 1500), draws.choice([-1, 1], 500) * 10 ** draws.uniform(-6, 1.9, 500)))
    x_N = x_N.astype(dtype)
    found_N = applied(BUILDS[build], activation, x_N)
    exact_N = np.array([EXACT[activation](mpmath.mpf(float(x))) for x in x_N])
    unit_N = np.spacing(np.abs(exact_N.astype(dtype)))
    if activation == "gelu":
        unit_N = np.maximum(unit_N, np.abs(x_N) * np.finfo(dtype).eps / 2)
    off_N = np.array(
        [abs(float((mpmath.mpf(float(f)) - e) / float(u))) for f, e, u in zip(found_N, exact_N, unit_N, strict=True)]
    )
    assert off_N.max() <= WORST[activation], x_N[off_N.argmax()]


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [*EXACT, "relu", "leaky_relu", "square", "identity"])
def test_limits_are_limits_and_nan_stays_nan(activation, dtype, build):
    """At both infinities, at zeros and for what is no number."""
    x_N = np.array([0.0, -0.0, 1e30, -1e30, np.nan], dtype)
    zero, _, high, low, lost = applied(BUILDS[build], activation, x_N)
    assert np.isnan(lost)
    assert zero == (0.5 if activation == "sigmoid" else 0.0)
    limits = {
        "elu": (x_N[2], -1),
        "tanh": (1, -1),
        "sigmoid": (1, 0),
        "relu": (x_N[2], 0),
        "gelu": (x_N[2], 0),
        "identity": (x_N[2], x_N[3]),
    }
    if activation in limits:
        np.testing.assert_allclose((high, low), limits[activation], atol=1e-30)


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_update_divides_accurately_to_two_ulps(dtype, build):
    """RMSprop's first step g / (sqrt(s) + 1e-8) of a bias, for s of every size, in as many models."""
    slot_M = (10 ** np.random.default_rng(2).uniform(-14, 30, 5000)).astype(dtype)
    target = np.array([2**-60], dtype)  # so that the square of g = -2 target is lost in s
    updated_MP = updated(BUILDS[build], slot_M, target)
    divisor_M = np.sqrt(slot_M.dtype.type(0.99) * slot_M) + slot_M.dtype.type(1e-8)
    exact_M = 2 * target.astype(np.longdouble) / divisor_M
    off_M = np.abs(updated_MP[:, 1] - exact_M) / np.spacing(exact_M.astype(dtype))
    assert off_M.max() <= 2, divisor_M[off_M.argmax()]


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_overflown_moment_leaves_a_weight_unchanged(dtype, build):
    """As g / inf does: the loss may well be finite. The greatest moment that is none divides as any other."""
    slot_M = np.array([np.inf, np.finfo(dtype).max, np.nan], dtype)
    updated_MP = updated(BUILDS[build], slot_M, np.array([1.0], dtype))
    np.testing.assert_array_equal(updated_MP[:2, 0], 0)
    assert updated_MP[0, 1] == 0
    np.testing.assert_allclose(updated_MP[1, 1], 2 / np.sqrt(0.99 * float(slot_M[1])), rtol=1e-6)
    assert np.isnan(updated_MP[2, 1])


def updated(library, slot_M, target):
    """Weight and bias [M, 2] of linear models, 0 before, after a step of RMSprop from a slot of the bias each."""
    dtype = slot_M.dtype
    shape = program(inputs=1, hidden=(), optimizer="rmsprop", dtype=str(dtype), rows=1, batch_size=1)
    slots_MP = np.stack((np.ones_like(slot_M), slot_M), axis=1)
    trained = Trained(np.zeros_like(slots_MP), (slots_MP,), np.zeros(len(slot_M), np.int64))
    steps = Steps(np.zeros((1, 1), dtype), target, np.array([1]), np.ones(1), np.ones((2, 1)))
    library.train(shape, steps, np.ones(len(slot_M)), np.zeros(len(slot_M)), trained)
    return trained.parameters_MP


def test_the_coefficients_are_those_of_the_fit():
    """polynomials.h is what lanes_polynomials.py prints."""
    assert Path(FOLDER / "polynomials.h").read_text() == header()
