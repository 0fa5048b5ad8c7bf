"""datasets/elementary.py against mpmath, C's special values, and its own bits on other machines."""

import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import mpmath
import numpy as np
import pytest
from elementary_bits import FUNCTIONS, digests
from numpy._core._multiarray_umath import __cpu_dispatch__ as DISPATCHED  # no public name has it
from numpy._core._multiarray_umath import __cpu_features__ as FEATURES

from sumsquares.datasets import elementary
from sumsquares.datasets.functions import native

BITS = {
    "exp": "a58ef741a28b4031",
    "log": "cb6bcc4059ef7284",
    "log2": "534af78ec0511682",
    "log10": "3a70761b2cd51311",
    "sin": "d58fbbe4f0029236",
    "cos": "88e15073bd592083",
    "tan": "5fde574526e6a809",
    "sinh": "6bee7b9863f0a22f",
    "cosh": "a604c0d37d2b62ca",
    "tanh": "b3412e656cb0f127",
    "atan": "2a399f71ccb9d76c",
    "sigmoid": "0d38247f06795c5b",
    "power": "1020e0d9bb6f72ef",
    "power_half": "db4ca0b0de2f4f8f",
    "power_five": "912be9002cc54328",
}
REFERENCE = {
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
}
"""Where mpmath has no function of that name."""
ULPS = {"tan": 1.9, "sinh": 1.9, "cosh": 1.9, "sigmoid": 1.9}
OTHER_ULPS = 0.6
SUBNORMAL_ULPS = 1.0
"""A result that can't have 53 bits is rounded once more."""
RANGES = {
    "usual": (-20, 20),
    "small": (-1, 1),
    "smaller": (-0.05, 0.05),
    "angles": (-(2.0**20), 2.0**20),
    "exponents": (-746, 710),
    "below overflow": (709, 710.5),
}
POWERS = {
    "usual": (0.001, 10, -5, 5),
    "huge exponents": (1.001, 1.003, -230_000, 230_000),
    "huge bases": (1e100, 1e300, -1, 1),
    "subnormal bases": (1e-323, 1e-308, -1, 1),
}
SPECIAL = [0.0, 1.0, 2.0, 0.5, 3.0, 65.0, 66.0, 67.5, 2.0**53 - 1, 2.0**53, 1e300, 5e-324, math.inf]
SPECIAL = [*SPECIAL, *(-x for x in SPECIAL), math.nan]


def c_power(a, b):
    """C's pow, from which Python's differs by raising errors."""
    try:
        return math.pow(a, b)
    except (OverflowError, ValueError):
        if a < 0 and b % 1:
            return math.nan
        return math.copysign(math.inf, a) if b % 2 == 1 else math.inf


def ulps(found_N, exact):
    """The largest error, in units of the last place of the exact result, of results that are normal and of the rest."""
    worst = {True: 0.0, False: 0.0}
    for found, true in zip(found_N.tolist(), exact, strict=True):
        if math.isinf(float(true)) or math.isinf(found):
            assert found == float(true)
            continue
        error = float(abs(mpmath.mpf(found) - true) / math.ulp(float(true)))
        is_normal = abs(float(true)) >= 2.0**-1022
        worst[is_normal] = max(worst[is_normal], error)
    return worst[True], worst[False]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("where", [*RANGES, "powers of ten"])
def test_errors_are_small(name, where):
    """The error of every function is below its bound, whatever the size of the argument."""
    random = np.random.default_rng(1)
    if where == "powers of ten":
        x_N = random.choice([-1, 1], 300) * 10.0 ** random.uniform(-320, 308, 300)
    else:
        x_N = random.uniform(*RANGES[where], 300)
    x_N = np.abs(x_N) if name.startswith("log") else x_N
    with mpmath.workprec(1300 if name in {"sin", "cos", "tan"} else 200):
        exact = [REFERENCE.get(name, getattr(mpmath, name, None))(mpmath.mpf(x)) for x in x_N.tolist()]
        normal, subnormal = ulps(getattr(elementary, name)(x_N), exact)
    assert normal <= ULPS.get(name, OTHER_ULPS)
    assert subnormal <= SUBNORMAL_ULPS


@pytest.mark.parametrize("name", ["log", "log2", "log10"])
def test_errors_of_logarithms_are_small_near_one(name):
    """Next to 1, where a logarithm is nearly 0, the relative error is as small as anywhere."""
    random = np.random.default_rng(2)
    x_N = 1 + random.choice([-1, 1], 1000) * 10.0 ** random.uniform(-16, -1, 1000)
    with mpmath.workprec(200):
        exact = [REFERENCE.get(name, getattr(mpmath, name, None))(mpmath.mpf(x)) for x in x_N.tolist()]
        assert max(ulps(getattr(elementary, name)(x_N), exact)) <= OTHER_ULPS


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_errors_are_small_near_multiples_of_a_right_angle(name):
    """Where nearly all bits of an angle cancel, the result has them all nevertheless."""
    x_N = np.arange(1, 600_000, 1999) * (np.pi / 2)
    with mpmath.workprec(300):
        exact = [getattr(mpmath, name)(mpmath.mpf(x)) for x in x_N.tolist()]
        assert max(ulps(getattr(elementary, name)(x_N), exact)) <= ULPS.get(name, OTHER_ULPS)


@pytest.mark.parametrize("where", POWERS)
def test_errors_of_powers_are_small(where):
    """The error of a power that isn't a product is as small, even if the exponent multiplies it by 2**18."""
    low, high, *exponents = POWERS[where]
    random = np.random.default_rng(3)
    a_N, b_N = random.uniform(low, high, 500), random.uniform(*exponents, 500)
    with mpmath.workprec(200):
        exact = [mpmath.power(a, b) for a, b in zip(a_N.tolist(), b_N.tolist(), strict=True)]
        assert ulps(elementary.power(a_N, b_N), exact)[0] <= OTHER_ULPS


@pytest.mark.parametrize("exponent", range(-64, 65))
def test_small_integer_powers_are_products(exponent):
    """x**n multiplies x, x**2, x**4 and so on, the lowest first, whether n is one number or many."""
    x_N = np.random.default_rng(4).uniform(-2, 2, 50)
    expected, square = np.ones(50), x_N
    for bit in range(7):
        square = square * square if bit else x_N
        expected = expected * square if abs(exponent) >> bit & 1 else expected
    expected = 1 / expected if exponent < 0 else expected
    np.testing.assert_array_equal(elementary.power(x_N, exponent), expected)
    np.testing.assert_array_equal(elementary.power(x_N, np.full(50, float(exponent))), expected)


def test_exact_values_are_exact():
    """Logarithms of powers of the base are integers; at 0 and 1 results are exact, and zeros keep their signs."""
    np.testing.assert_array_equal(elementary.log2(np.ldexp(1.0, np.arange(-1074, 1024))), np.arange(-1074, 1024))
    np.testing.assert_array_equal(elementary.log10([float(f"1e{n}") for n in range(23)]), np.arange(23))
    assert elementary.exp(0) == elementary.cos(0) == elementary.cosh(0) == 1
    assert elementary.sigmoid(0) == 0.5
    for name in ("sin", "tan", "sinh", "tanh", "atan"):
        zeros_N = getattr(elementary, name)([0.0, -0.0])
        assert np.signbit(zeros_N).tolist() == [False, True]
        assert not zeros_N.any()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exp", [math.inf, 0, math.inf, 0]),
        ("log", [math.inf, math.nan, 709.782712893384, math.nan]),
        ("sin", [math.nan, math.nan, 0.004961954789184062, -0.004961954789184062]),
        ("tan", [math.nan, math.nan, -0.004962015874444895, 0.004962015874444895]),
        ("sinh", [math.inf, -math.inf, math.inf, -math.inf]),
        ("cosh", [math.inf, math.inf, math.inf, math.inf]),
        ("tanh", [1, -1, 1, -1]),
        ("atan", [math.pi / 2, -math.pi / 2, math.pi / 2, -math.pi / 2]),
        ("sigmoid", [1, 0, 1, 0]),
    ],
)
def test_limits_are_reached_without_a_warning(name, expected):
    """Infinite and the largest arguments give the limits, NaN stays NaN, and the logarithm of 0 is infinite."""
    largest = sys.float_info.max
    found_N = getattr(elementary, name)([math.inf, -math.inf, largest, -largest, math.nan])
    np.testing.assert_array_equal(found_N, [*expected, math.nan])
    assert elementary.log(0.0) == elementary.log10(-0.0) == -math.inf


@pytest.mark.parametrize("shapes", ["arrays", "one exponent", "one base", "numbers"])
def test_special_powers_are_those_of_c(shapes):
    """Zeros, infinities, NaN and negative bases have the powers that C gives them."""
    for a, b in itertools.product(SPECIAL, SPECIAL):
        given = {"arrays": ([a], [b]), "one exponent": ([a], b), "one base": (a, [b]), "numbers": (a, b)}[shapes]
        found = elementary.power(*given).item()
        expected = c_power(a, b)
        np.testing.assert_allclose(found, expected, rtol=1e-14, atol=0, err_msg=f"{a}**{b}")
        assert math.isnan(expected) or math.copysign(1, found) == math.copysign(1, expected), f"{a}**{b}"


@pytest.mark.parametrize("name", [*FUNCTIONS, "power"])
def test_any_cut_gives_the_same_bits(name):
    """An element's result depends on nothing else: not on its neighbours, shapes, strides or where it is written."""
    random = np.random.default_rng(5)
    x_N = np.concatenate([random.uniform(-5, 5, 20_000), 10.0 ** random.uniform(-320, 308, 77), [np.nan, np.inf, 0]])
    random.shuffle(x_N)
    function = getattr(elementary, name) if name != "power" else lambda x, out=None: elementary.power(x, 1.7, out)
    expected = function(x_N)
    cut = [function(one) for one in np.split(x_N, [1, 3, 500, 9000, 9001])]
    strided = np.repeat(x_N, 2)[::2]
    grid = np.asfortranarray(x_N.reshape(-1, 10))
    out, in_place, every_second = np.empty_like(x_N), x_N.copy(), np.empty(2 * x_N.size)[::2]
    written = [function(x_N, out=out), function(in_place, out=in_place), function(x_N, out=every_second)]
    assert written[0] is out
    for found in (np.concatenate(cut), function(strided), function(grid).reshape(-1), *written, in_place, every_second):
        np.testing.assert_array_equal(found, expected)
    assert function(2.0).shape == ()
    assert function(np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("by", ["kernels, if built", "numpy"])
def test_bits_are_pinned(by, monkeypatch):
    """A machine with other bits fails here, and so does a change that isn't meant to alter results."""
    if by == "numpy":
        monkeypatch.setattr(native, "load", lambda: None)
    assert digests() == BITS


@pytest.mark.skipif(native.load() is None, reason="the kernels aren't built, or from other sources")
@pytest.mark.parametrize("name", [*FUNCTIONS, "power"])
def test_kernels_give_the_bits_of_numpy(name, monkeypatch):
    """Whether an element is computed by a compiled kernel or by numpy's operations makes no difference."""
    random = np.random.default_rng(6)
    ranges = [(-3, 3), (-100, 100), (-800, 800), (-1e-3, 1e-3), (0.9, 1.1), (0, 1e9)]
    x_N = np.concatenate([random.uniform(*each, 30_000) for each in ranges])
    function = getattr(elementary, name) if name != "power" else lambda x: elementary.power(x, x[::-1])
    compiled = function(x_N)
    monkeypatch.setattr(native, "load", lambda: None)
    assert np.array_equal(compiled, function(x_N), equal_nan=True)


def test_kernels_of_another_source_are_not_used(monkeypatch, tmp_path):
    """After an update without a new build numpy serves, not the outdated library."""
    monkeypatch.setattr(native, "SOURCE", tmp_path / "kernels.cpp")
    native.SOURCE.write_text("another")
    assert native.load.__wrapped__() is None


@pytest.mark.parametrize("kept", range(len(DISPATCHED)))
def test_bits_do_not_depend_on_the_processors_features(kept):
    """With any of this processor's vector instructions switched off, all bits are the same."""
    off = [one for one in DISPATCHED[kept:] if FEATURES[one]]
    if not off:
        pytest.skip("this processor has none of them")
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(off)}
    program = Path(__file__).with_name("elementary_bits.py")
    found = subprocess.run([sys.executable, program], env=environment, stdout=subprocess.PIPE, check=True)
    assert json.loads(found.stdout) == BITS
