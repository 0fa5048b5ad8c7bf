"""Elementary functions on float64 arrays of any shape, with the same bits on every machine.

They consist of the operations that IEEE 754 defines to the last bit: + - * /, rounding, comparisons, and integer
operations on the bits; in C++ where setup.py could compile them (functions/kernels.cpp), else in numpy. numpy's own
exp, log, sin and power give other last bits with AVX-512 than without. Errors are below 0.6 ulp, but up to 2 ulp for
tan, sinh, cosh and sigmoid; powers with small integer exponents are multiplications (tests/test_elementary.py). Limits
and special values are those of C. There are no warnings.

Each returns a new array, or writes to `out`, which may be the input.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from sumsquares.datasets.functions import (
    exponential,
    hyperbolic,
    hyperbolic_tangent,
    inverse_tangent,
    logarithm,
    powers,
    trigonometry,
)
from sumsquares.datasets.functions.pieces import Floats, Kernel, apply


def exp(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns e**x."""
    return _of(exponential.exp, x, out)


def log(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the natural logarithm."""
    return _of(partial(logarithm.log_of, 0), x, out)


def log2(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the logarithm of base 2."""
    return _of(partial(logarithm.log_of, 2), x, out)


def log10(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the logarithm of base 10."""
    return _of(partial(logarithm.log_of, 10), x, out)


def sin(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the sine of an angle in radians. Beyond 2**20 an element takes microseconds."""
    return _of(trigonometry.sin, x, out)


def cos(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the cosine of an angle in radians. Beyond 2**20 an element takes microseconds."""
    return _of(trigonometry.cos, x, out)


def tan(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the tangent of an angle in radians. Beyond 2**20 an element takes microseconds."""
    return _of(trigonometry.tan, x, out)


def sinh(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the hyperbolic sine."""
    return _of(hyperbolic.sinh, x, out)


def cosh(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the hyperbolic cosine."""
    return _of(hyperbolic.cosh, x, out)


def tanh(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the hyperbolic tangent."""
    return _of(hyperbolic_tangent.tanh, x, out)


def atan(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the angle in radians, between -pi/2 and pi/2, whose tangent is x."""
    return _of(inverse_tangent.atan, x, out)


def sigmoid(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns 1 / (1 + e**-x)."""
    return _of(exponential.sigmoid, x, out)


def power(a: ArrayLike, b: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns a**b: NaN where a is negative and b no integer, and else as C's pow."""
    return apply(powers.power, [np.asarray(a, np.float64), np.asarray(b, np.float64)], out)


def _of(kernel: Kernel, x: ArrayLike, out: Floats | None) -> Floats:
    return apply(kernel, [np.asarray(x, np.float64)], out)
