"""Powers for pieces of arrays: multiplications for a small integer b; else e**(b log a), with log a in two parts."""

from __future__ import annotations

import numpy as np

from sumsquares.datasets.functions import exponential, logarithm
from sumsquares.datasets.functions.pieces import Buffers, Floats, constant

LARGEST_INTEGER = 64
"""Integer exponents up to here, of either sign, are multiplications and at most one division."""
ONE = constant(1.0)
UPPER_HALF = -1 << 27
"""Leaves 26 bits of a mantissa, so that the product of two is exact."""
FAR = 1000.0
"""A natural logarithm far beyond those of the largest and the smallest number."""


def power(a: Floats, b: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes a**b. `b` may be a scalar."""
    if b.ndim == 0:
        exponent = float(b)
        if abs(exponent) <= LARGEST_INTEGER and exponent == int(exponent):
            _multiply(a, int(exponent), out, buffers)
            return
        _general(a, b, out, buffers)
        return
    is_small = (np.abs(b) <= LARGEST_INTEGER) & (b == np.floor(b))
    if not is_small.all():
        _general(a, b, out, buffers)
    if is_small.any():
        for one in np.unique(b[is_small]).tolist():
            places = np.flatnonzero(b == one)
            base, result = np.broadcast_to(a, b.shape)[places], np.empty(places.size)
            _multiply(base, int(one), result, [np.empty(places.size)])
            out[places] = result


def _multiply(a: Floats, exponent: int, out: Floats, buffers: Buffers) -> None:
    """Writes a**exponent: of a, a**2, a**4 and so on, those that make up the exponent are multiplied."""
    square = buffers[0]
    count, found, factor = abs(exponent), None, a
    while count:
        if count & 1:
            found = factor if found is None else np.multiply(found, factor, out)
        count >>= 1
        if found is square:  # the next step overwrites it
            found = out
            np.copyto(out, square)
        if count:
            factor = np.multiply(factor, factor, out if count == 1 and found is None else square)
    if found is None:
        out[...] = ONE
    elif exponent < 0:
        np.divide(ONE, found, out)
    elif found is not out:
        np.copyto(out, found)


def _general(a: Floats, b: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes a**b by logarithm and exponential function."""
    if a.ndim == 0:
        a = np.full(out.size, a)
    is_plain = np.minimum.reduce(a) >= logarithm.SMALLEST_NORMAL and np.maximum.reduce(a) < np.inf
    base, octaves = (a, None) if is_plain else logarithm.normal(np.abs(a))
    high, low = buffers[9:11]
    logarithm.accurate_log(base, octaves, high, low, buffers)
    exponent, rest = buffers[11:13]
    _times(b, high, low, exponent, rest, buffers)
    if not (np.minimum.reduce(exponent) > -FAR and np.maximum.reduce(exponent) < FAR):
        rest[~(np.abs(exponent) < FAR)] = 0.0
    exponential.exp_of_sum(exponent, rest, out, buffers)
    if not (is_plain and np.isfinite(b).all() and np.count_nonzero(a == 1) == 0):
        _special(a, np.broadcast_to(b, a.shape), out)


def _times(b: Floats, high: Floats, low: Floats, exponent: Floats, rest: Floats, buffers: Buffers) -> None:
    """Writes b (high + low) in two parts, the first of which is an exact product of upper halves."""
    upper, b_upper, b_lower, work = buffers[:4]
    np.bitwise_and(high.view(np.int64), UPPER_HALF, upper.view(np.int64))
    np.subtract(high, upper, rest)
    np.add(rest, low, rest)
    if b.ndim:
        np.bitwise_and(b.view(np.int64), UPPER_HALF, b_upper.view(np.int64))
        np.subtract(b, b_upper, b_lower)
    else:
        b_upper = (b.reshape(1).view(np.int64) & UPPER_HALF).view(np.float64)
        b_lower = b - b_upper
    np.multiply(rest, b, rest)
    np.multiply(upper, b_lower, work)
    np.add(rest, work, rest)
    np.multiply(upper, b_upper, exponent)


def _special(a: Floats, b: Floats, out: Floats) -> None:
    """Corrects results where C's pow has a rule of its own: signs, zeros, infinities and NaN."""
    size, is_whole = np.abs(a), b == np.rint(b)
    is_odd = is_whole & (np.abs(b) < 2.0**53) & (b * 0.5 != np.rint(b * 0.5))
    grows = (size > 1) == (b > 0)
    is_limit = (size == 0) | np.isinf(size) | np.isinf(b)
    out[is_limit] = np.where(grows, np.inf, 0.0)[is_limit]
    out[(a < 0) & ~is_whole & np.isfinite(size)] = np.nan
    negative = np.signbit(a) & is_odd
    out[negative] = -out[negative]
    out[np.isnan(a) | np.isnan(b)] = np.nan
    out[(a == 1) | (b == 0) | ((a == -1) & np.isinf(b))] = 1.0
