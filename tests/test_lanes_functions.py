"""The kernel's own tanh, logistic function, erf, logarithm and division, tested through the smallest networks."""

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
"""Largest error in ulps; gelu and silu round two more times."""


def applied(library, activation, x_N):
    """Applies an activation to each number, by a network whose weights are 1 and biases 0."""
    shape = program(inputs=1, hidden=(1,), activation=activation, dtype=str(x_N.dtype))
    return library.predict(shape, np.array([[1, 0, 1, 0]], x_N.dtype), x_N[:, None])[0]


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", EXACT)
def test_an_activation_is_accurate_to_a_few_ulps(activation, dtype, build):
    """This covers tiny to huge numbers of both signs. Where 1 + erf in gelu cancels, the ulps are those of the 1."""
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
    """This covers zeros, huge numbers of both signs, and NaN."""
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
    """The update is RMSprop's g / (sqrt(s) + 1e-8) of a bias, for moments s of every magnitude, one per model."""
    moment_M = (10 ** np.random.default_rng(2).uniform(-14, 30, 5000)).astype(dtype)
    target = np.array([2**-60], dtype)  # so small that the square of g = -2 target doesn't change s
    updated_MP = updated(BUILDS[build], moment_M, target)
    divisor_M = np.sqrt(moment_M.dtype.type(0.99) * moment_M) + moment_M.dtype.type(1e-8)
    exact_M = 2 * target.astype(np.longdouble) / divisor_M
    off_M = np.abs(updated_MP[:, 1] - exact_M) / np.spacing(exact_M.astype(dtype))
    assert off_M.max() <= 2, divisor_M[off_M.argmax()]


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_overflown_moment_leaves_a_weight_unchanged(dtype, build):
    """It counts as infinity, since the loss may still be finite. The largest finite moment divides like any other."""
    moment_M = np.array([np.inf, np.finfo(dtype).max, np.nan], dtype)
    updated_MP = updated(BUILDS[build], moment_M, np.array([1.0], dtype))
    np.testing.assert_array_equal(updated_MP[:2, 0], 0)
    assert updated_MP[0, 1] == 0
    np.testing.assert_allclose(updated_MP[1, 1], 2 / np.sqrt(0.99 * float(moment_M[1])), rtol=1e-6)
    assert np.isnan(updated_MP[2, 1])


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cross_entropy_is_accurate_to_a_few_ulps(dtype, build):
    """Of the wrong answer, for pre-activations of either sign and every magnitude; it is as large as they are."""
    draws = np.random.default_rng(3)
    z_M = np.concatenate((draws.uniform(-80, 80, 1000), draws.choice([-1, 1], 500) * 10 ** draws.uniform(-6, 1, 500)))
    z_M = z_M.astype(dtype)
    loss_M = step(BUILDS[build], z_M, "bce", 0.0).losses_ME[:, 0]
    exact_M = [mpmath.log1p(mpmath.exp(mpmath.mpf(float(z)))) for z in z_M]
    off_M = [
        abs(float((mpmath.mpf(found) - exact) / float(np.spacing(z_M.dtype.type(exact)))))
        for found, exact in zip(loss_M, exact_M, strict=True)
    ]
    assert max(off_M) <= 3, z_M[np.argmax(off_M)]
    huge_M = np.array([1e30, -1e30, np.nan], dtype)
    np.testing.assert_allclose(step(BUILDS[build], huge_M, "bce", 0.0).losses_ME[:, 0], huge_M.clip(0), atol=1e-30)


@needs_lanes
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", {-3.0: (9, -6), -1.0: (1, -2), 0.0: (0, 0), 0.5: (0.25, 1), 2.0: (4, 4)}),
        ("mae", {-3.0: (3, -1), -1.0: (1, -1), 0.0: (0, 0), 0.5: (0.5, 1), 2.0: (2, 1)}),
        ("huber", {-3.0: (2.5, -1), -1.0: (0.5, -1), 0.0: (0, 0), 0.5: (0.125, 0.5), 2.0: (1.5, 1)}),
    ],
)
def test_a_loss_and_its_slope_are_exact(loss, expected, build):
    """By hand, for errors of either sign on both sides of Huber's limit, and for none."""
    error_M = np.array(list(expected))
    trained = step(BUILDS[build], error_M + 0.25, loss, 0.25)
    found = zip(trained.losses_ME[:, 0], error_M + 0.25 - trained.parameters_MP[:, 1], strict=True)
    assert list(found) == list(expected.values())


def step(library, bias_M, loss, target):
    """Returns linear models with these biases and weights of 0 after a step of gradient descent at a rate of 1."""
    output = "sigmoid" if loss == "bce" else "linear"
    shape = program(hidden=(), optimizer="sgd", output=output, loss=loss, inputs=1, dtype=str(bias_M.dtype))
    return one_step(library, shape, np.stack((np.zeros_like(bias_M), bias_M), axis=1), (), target)


def updated(library, moment_M, target):
    """Returns weight and bias [M, 2] of linear models after a step of RMSprop from 0, with a given moment per bias."""
    shape = program(inputs=1, hidden=(), optimizer="rmsprop", dtype=str(moment_M.dtype))
    moments_MP = np.stack((np.ones_like(moment_M), moment_M), axis=1)
    return one_step(library, shape, np.zeros_like(moments_MP), (moments_MP,), target[0]).parameters_MP


def one_step(library, shape, parameters_MP, state, target):
    """Trains models for one step at a rate of 1, on one row whose input is 0."""
    models, dtype = len(parameters_MP), parameters_MP.dtype
    trained = Trained(parameters_MP, state, np.zeros(models, np.int64), np.zeros((models, 1)))
    y_N = np.array([target], dtype)
    steps = Steps(np.zeros((1, 1), dtype), y_N, np.array([1]), np.ones(1), np.ones((2, 1)), np.array([0]), 1)
    library.train(shape, steps, np.ones(models), np.zeros(models), trained)
    return trained


def test_the_coefficients_are_those_of_the_fit():
    """polynomials.h is what lanes_polynomials.py prints."""
    assert Path(FOLDER / "polynomials.h").read_text() == header()
