"""The hyperbolic sine and cosine for pieces of arrays, by e**x; where that may be infinite, by e**(x / 2), squared."""

from __future__ import annotations

import numpy as np

from sumsquares.datasets.functions.exponential import FAST_HIGH, ONE, exp, exp_of_few, factors
from sumsquares.datasets.functions.pieces import Buffers, Floats, constant

HALF = constant(0.5)


def cosh(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes (e**x + e**-x) / 2."""
    size, power, *rest = buffers
    np.abs(x, size)
    exp(size, power, rest)
    np.divide(HALF, power, rest[0])
    np.multiply(power, HALF, power)
    np.add(power, rest[0], out)
    _far(size, out)


def sinh(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes (e**x - e**-x) / 2 as (E + E / (E + 1)) / 2, where E = e**x - 1 is computed without cancellation."""
    size, part, error, *rest = buffers
    np.abs(x, size)
    clipped = size if np.maximum.reduce(size) <= FAST_HIGH else np.minimum(size, FAST_HIGH)
    power, r, more = factors(clipped, None, rest, long=True)
    np.multiply(power, more, more)
    np.subtract(power, ONE, power)
    np.add(power, r, part)
    np.subtract(part, power, error)  # Dekker's fast sum: what rounding loses of r
    np.subtract(r, error, error)
    np.multiply(power, r, r)
    np.add(more, r, more)
    np.add(more, error, more)
    np.add(part, more, part)
    np.add(part, ONE, error)
    np.divide(part, error, error)
    np.add(part, error, part)
    np.multiply(part, HALF, part)
    _far(size, part)
    np.copysign(part, x, out)


def _far(size: Floats, out: Floats) -> None:
    """Writes e**size / 2 where e**size might be infinite."""
    if not np.maximum.reduce(size) <= FAST_HIGH:
        far = size > FAST_HIGH
        root = exp_of_few(size[far] * 0.5)
        out[far] = root * 0.5 * root
