"""e**x and 1 / (1 + e**-x) for pieces of arrays.

x = k ln 2 / 256 + r, so that e**x = 2**(k / 256) e**r: a table, and a polynomial for the small r (Tang 1989). What is
lost by rounding in the table is in a second one.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.functions import exact, native
from sumsquares.datasets.functions.pieces import Buffers, Floats, constant, polynomial

STEPS_BITS = 8
STEPS = 1 << STEPS_BITS
ROUNDER = constant(1.5 * 2.0**52)
"""Added to a small number, it leaves the nearest integer in the lowest bits."""
ONE = constant(1.0)
FAST_LOW, FAST_HIGH = -600.0, 709.0
"""Between them, neither a result nor a part of it is infinite or subnormal."""


class _Table(NamedTuple):
    per_step: Floats
    step_high: Floats
    step_low: Floats
    short: tuple[Floats, ...]
    """Polynomial for (e**r - 1 - r) / r**2, for results of about 1."""
    long: tuple[Floats, ...]
    """The same for results of about r."""
    bits: NDArray[np.int64]
    """Of 2**(j / 256), less j in the exponent's place, where k = 256 n + j is then added."""
    tail: Floats
    """What 2**(j / 256) has beyond its float64, relative to it."""


@cache
def _table() -> _Table:
    ln2 = exact.log(2 * exact.ONE)
    high, low = exact.split(ln2 // STEPS, 42)  # 34 bits: its product with k < 2**19 is exact
    values = [exact.exp(ln2 * j // STEPS) for j in range(STEPS)]
    rounded = np.array([exact.nearest(one) for one in values])
    bits = rounded.view(np.int64) - (np.arange(STEPS) << (52 - STEPS_BITS))
    tail = [
        exact.nearest(((one - exact.integer(near)) << exact.BITS) // one)
        for one, near in zip(values, rounded.tolist(), strict=True)
    ]
    taylor = [Fraction(1, 2), Fraction(1, 6), Fraction(1, 24), Fraction(1, 120), Fraction(1, 720), Fraction(1, 5040)]
    largest = Fraction(1, 738)  # ln 2 / 512, and a little for a low part of x
    short, long = (tuple(map(constant, exact.shortened(taylor, -largest, largest, n))) for n in (3, 4))
    per_step = exact.nearest((STEPS * exact.ONE << exact.BITS) // ln2)
    return _Table(constant(per_step), constant(high), constant(low), short, long, bits, np.array(tail))


@cache
def _native_table() -> native.Table:
    table = _table()
    constants = [table.per_step, table.step_high, table.step_low, *table.short, ROUNDER, FAST_LOW, FAST_HIGH]
    return native.Table(constants, table.bits, table.tail)


def exp(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes e**x."""
    exp_of_sum(x, None, out, buffers)


def exp_of_sum(x: Floats, low: Floats | None, out: Floats, buffers: Buffers) -> None:
    """Writes e**(x + low), for a tiny `low`."""
    if native.run("exp", (x, low, out), _native_table()):
        return
    if np.minimum.reduce(x) >= FAST_LOW and np.maximum.reduce(x) <= FAST_HIGH:
        power, rest, more = factors(x, low, buffers)
        np.add(rest, more, more)
        np.multiply(power, more, more)
        np.add(power, more, out)
    else:
        _exp_anywhere(x, low, out, buffers)


def factors(x: Floats, low: Floats | None, buffers: Buffers, *, long: bool = False) -> tuple[Floats, Floats, Floats]:
    """Returns 2**(k / 256) and two parts of e**r - 1: r, and the rest, for x in the fast range. Uses five buffers."""
    index = _reduce(x, low, buffers, long=long)
    steps, rest, more, work = buffers[:4]
    k, bits = steps.view(np.int64), work.view(np.int64)
    _table().bits.take(index, out=bits, mode="clip")
    np.left_shift(k, 52 - STEPS_BITS, k)
    np.add(k, bits, k)
    return steps, rest, more


def _reduce(x: Floats, low: Floats | None, buffers: Buffers, *, long: bool = False) -> NDArray[np.int64]:
    """Leaves k, r and e**r - 1 - r in the first three buffers. Returns j = k modulo 256."""
    steps, rest, more, work = buffers[:4]
    table = _table()
    np.multiply(x, table.per_step, steps)
    np.add(steps, ROUNDER, steps)
    np.subtract(steps, ROUNDER, rest)
    np.multiply(rest, table.step_high, more)
    np.subtract(x, more, more)
    np.multiply(rest, table.step_low, rest)
    np.subtract(more, rest, rest)
    if low is not None:
        np.add(rest, low, rest)
    polynomial(rest, table.long if long else table.short, more)
    np.multiply(rest, rest, work)
    np.multiply(more, work, more)
    index = buffers[4].view(np.int64)
    np.bitwise_and(steps.view(np.int64), STEPS - 1, index)
    table.tail.take(index, out=work, mode="clip")
    np.add(more, work, more)
    return index


def _exp_anywhere(x: Floats, low: Floats | None, out: Floats, buffers: Buffers) -> None:
    """Writes e**x of any x: it is multiplied by its power of two in two steps, so that only the last one rounds."""
    clipped = np.minimum(np.maximum(x, -746.0), 710.0)
    index = _reduce(clipped, low, buffers)
    steps, rest, more = buffers[:3]
    bits = _table().bits[index] + (index << (52 - STEPS_BITS))
    mantissa = bits.view(np.float64)
    np.add(rest, more, more)
    result = mantissa + mantissa * more
    exponent = (steps.view(np.int64) - ROUNDER.view(np.int64)) >> STEPS_BITS
    half = exponent >> 1
    out[...] = result * _power_of_two(half) * _power_of_two(exponent - half)


def _power_of_two(exponent: NDArray[np.int64]) -> Floats:
    return ((exponent + 1023) << 52).view(np.float64)


def sigmoid(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes 1 / (1 + e**-x), which is e**x where the 1 doesn't count."""
    negative, power, *rest = buffers
    np.negative(x, negative)
    exp(negative, power, rest)
    np.add(power, ONE, power)
    np.divide(ONE, power, out)
    if not np.minimum.reduce(x) >= -FAST_HIGH:
        far = x < -FAST_HIGH
        out[far] = exp_of_few(x[far])


def exp_of_few(x: Floats) -> Floats:
    """Returns e**x of a few elements."""
    result = np.empty(x.size)
    if x.size:
        exp(x, result, [np.empty(x.size) for _ in range(5)])
    return result
