"""Sine, cosine and tangent for pieces of arrays.

x = n pi / 256 + r, so that sin x = S cos r + C sin r, with S and C of n from a table (Tang 1991), and polynomials for
the small r. It is computed in two parts, from pi / 256 in four parts (Cody and Waite 1980); beyond 2**20 with integers.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.functions import exact, native
from sumsquares.datasets.functions.pieces import Buffers, Floats, constant, polynomial

TURN = 512
"""Steps of pi / 256 in a turn."""
QUARTER = TURN // 4
ROUNDER = constant(1.5 * 2.0**52)
"""Added to a small number, it leaves the nearest integer in the lowest bits."""
UNIT_ROUNDER = constant(1.5 * 2.0**6)
"""Added and subtracted, it rounds a small number to a multiple of 2**-46."""
LIMIT = 2.0**20
EXACT_BITS = 1200
"""Of pi, for numbers up to 2**1024 and 170 bits of r."""


class _Table(NamedTuple):
    per_step: Floats
    steps: tuple[Floats, ...]
    """pi / 256, as three numbers of 26 bits, whose products with n < 2**27 are exact, and the rest."""
    sine: Floats
    """Of each step of a turn: as a multiple of 2**-52."""
    sine_low: Floats
    cosine: Floats
    """As a multiple of 2**-6, whose product with the first part of r is a multiple of 2**-52."""
    cosine_low: Floats
    sine_polynomial: tuple[Floats, ...]
    """(sin r - r) / r**3, of r**2."""
    cosine_polynomial: tuple[Floats, ...]
    """(cos r - 1) / r**2, of r**2."""


@cache
def _table() -> _Table:
    step = exact.pi() // (TURN // 2)
    parts, rest = [], step
    for bits in (32, 58, 84):
        part, _ = exact.split(rest, bits)
        parts.append(part)
        rest -= exact.integer(part)
    values = [exact.sin_cos(step * n) for n in range(TURN)]
    sine, sine_low = zip(*(exact.split(one, 52) for one, _ in values), strict=True)
    cosine, cosine_low = zip(*(exact.split(one, 6) for _, one in values), strict=True)
    largest = Fraction(1, 162) ** 2  # (pi / 512)**2, and a little
    sines = [Fraction(-1, 6), Fraction(1, 120), Fraction(-1, 5040), Fraction(1, 362880)]
    cosines = [Fraction(-1, 2), Fraction(1, 24), Fraction(-1, 720), Fraction(1, 40320)]
    short = [tuple(map(constant, exact.shortened(one, Fraction(0), largest, 2))) for one in (sines, cosines)]
    per_step = constant(exact.nearest((exact.ONE << exact.BITS) // step))
    steps = tuple(map(constant, [*parts, exact.nearest(rest)]))
    tables = np.array(sine), np.array(sine_low), np.array(cosine), np.array(cosine_low)
    return _Table(per_step, steps, *tables, *short)


@cache
def _native_table() -> native.Table:
    table = _table()
    polynomials = [*table.sine_polynomial, *table.cosine_polynomial]
    constants = [table.per_step, *table.steps, *polynomials, ROUNDER, UNIT_ROUNDER, LIMIT]
    return native.Table(constants, table.sine, table.sine_low, table.cosine, table.cosine_low)


def sin(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes the sine."""
    if native.run("sine", (x, out), _native_table(), 0):
        return
    _reduce(x, buffers)
    _sine_of_step(0, out, buffers)
    if not x.all():
        np.copyto(out, x, where=x == 0)


def cos(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes the cosine."""
    if native.run("sine", (x, out), _native_table(), QUARTER):
        return
    _reduce(x, buffers)
    _sine_of_step(QUARTER, out, buffers)


def tan(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes the tangent."""
    sine, cosine = buffers[12:14]
    table = _native_table()
    if not (native.run("sine", (x, sine), table, 0) and native.run("sine", (x, cosine), table, QUARTER)):
        _reduce(x, buffers)
        _sine_of_step(0, sine, buffers)
        _sine_of_step(QUARTER, cosine, buffers)
    np.divide(sine, cosine, out)
    if not x.all():
        np.copyto(out, x, where=x == 0)


def _reduce(x: Floats, buffers: Buffers) -> None:
    """Leaves in the buffers n, r in one part and in two, sin r - r and cos r - 1. Uses eight."""
    n, r, r_high, r_low, sine, cosine, n_float, work = buffers[:8]
    table = _table()
    first, second, third, fourth = table.steps
    np.multiply(x, table.per_step, n)
    np.add(n, ROUNDER, n)
    np.subtract(n, ROUNDER, n_float)
    np.multiply(n_float, first, work)
    np.subtract(x, work, r_low)
    np.multiply(n_float, second, sine)
    np.multiply(n_float, third, cosine)
    np.multiply(n_float, fourth, n_float)
    np.subtract(r_low, sine, r)
    np.subtract(r, cosine, r)
    np.add(r, UNIT_ROUNDER, r_high)
    np.subtract(r_high, UNIT_ROUNDER, r_high)
    np.subtract(r_low, r_high, r_low)  # this and the next two are exact
    np.subtract(r_low, sine, r_low)
    np.subtract(r_low, cosine, r_low)
    np.subtract(r_low, n_float, r_low)
    if not (np.minimum.reduce(x) >= -LIMIT and np.maximum.reduce(x) <= LIMIT):
        _reduce_exactly(x, n.view(np.int64), r, r_high, r_low)
    np.multiply(r, r, work)
    polynomial(work, table.sine_polynomial, sine)
    polynomial(work, table.cosine_polynomial, cosine)
    np.multiply(cosine, work, cosine)
    np.multiply(sine, work, sine)
    np.multiply(sine, r, sine)


def _sine_of_step(shift: int, out: Floats, buffers: Buffers) -> None:
    """Writes the sine of r and n + shift steps. Uses buffers 6 to 11."""
    n, _, r_high, r_low, sine, cosine, total, work, more, high, cosine_of_n = buffers[:11]
    table = _table()
    index = buffers[11].view(np.int64)
    if shift:
        np.add(n.view(np.int64), shift, index)
        np.bitwise_and(index, TURN - 1, index)
    else:
        np.bitwise_and(n.view(np.int64), TURN - 1, index)
    table.sine.take(index, out=total, mode="clip")
    np.multiply(total, cosine, more)
    table.sine_low.take(index, out=work, mode="clip")
    np.add(more, work, more)
    table.cosine.take(index, out=high, mode="clip")
    table.cosine_low.take(index, out=work, mode="clip")
    np.add(high, work, cosine_of_n)
    np.multiply(high, r_high, high)
    np.add(total, high, total)  # exact
    np.multiply(work, r_high, work)
    np.add(more, work, more)
    np.add(sine, r_low, work)
    np.multiply(work, cosine_of_n, work)
    np.add(more, work, more)
    np.add(total, more, out)


def _reduce_exactly(x: Floats, n: NDArray[np.int64], r: Floats, r_high: Floats, r_low: Floats) -> None:
    """Reduces the large numbers again, one by one: some microseconds each."""
    step = exact.pi(EXACT_BITS - 8)  # pi / 256, times 2**EXACT_BITS
    for place in np.flatnonzero((np.abs(x) > LIMIT) & np.isfinite(x)).tolist():
        numerator, denominator = float(x[place]).as_integer_ratio()
        scaled = (numerator << EXACT_BITS) // denominator
        count = (2 * scaled + step) // (2 * step)
        rest = (scaled - count * step) >> (EXACT_BITS - exact.BITS)
        n[place], r[place] = count % TURN, exact.nearest(rest)
        r_high[place], r_low[place] = exact.split(rest, 46)
