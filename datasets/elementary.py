"""Elementary functions on float64 arrays of any shape: for now numpy's, whose last bits differ between processors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
LARGEST_POWER = 64
"""Integer exponents up to here, of either sign, are a fixed sequence of multiplications."""


def _function(compute: Callable[..., Any], x: ArrayLike, out: Floats | None) -> Floats:
    with np.errstate(all="ignore"):
        return np.asarray(compute(np.asarray(x, np.float64), out=out))


def exp(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns e**x."""
    return _function(np.exp, x, out)


def log(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the natural logarithm."""
    return _function(np.log, x, out)


def log2(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the logarithm of base 2."""
    return _function(np.log2, x, out)


def log10(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the logarithm of base 10."""
    return _function(np.log10, x, out)


def sin(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the sine of an angle in radians."""
    return _function(np.sin, x, out)


def cos(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the cosine of an angle in radians."""
    return _function(np.cos, x, out)


def tan(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the tangent of an angle in radians."""
    return _function(np.tan, x, out)


def sinh(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the hyperbolic sine."""
    return _function(np.sinh, x, out)


def cosh(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the hyperbolic cosine."""
    return _function(np.cosh, x, out)


def tanh(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the hyperbolic tangent."""
    return _function(np.tanh, x, out)


def atan(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns the angle in radians, between -pi/2 and pi/2, whose tangent is x."""
    return _function(np.arctan, x, out)


def sigmoid(x: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns 1 / (1 + exp(-x))."""
    return _function(lambda x, out: np.divide(1, 1 + np.exp(-x), out=out), x, out)


def power(a: ArrayLike, b: ArrayLike, out: Floats | None = None) -> Floats:
    """Returns a**b, NaN where a is negative and b no integer."""
    with np.errstate(all="ignore"):
        result = np.power(np.asarray(a, np.float64), np.asarray(b, np.float64))
        if np.ndim(b) == 0 and float(b) in range(-LARGEST_POWER, LARGEST_POWER + 1):  # type: ignore[operator, arg-type]
            result = _multiplied(a, int(b))  # type: ignore[arg-type]
        if out is None:
            return np.asarray(result)
        out[...] = result
        return out


def _multiplied(a: ArrayLike, count: int) -> Floats:
    base = np.asarray(a, np.float64)
    product = np.ones_like(base)
    for _ in range(abs(count)):
        product = product * base
    return 1 / product if count < 0 else product
