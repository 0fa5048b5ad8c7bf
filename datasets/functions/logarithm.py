"""Logarithms for pieces of arrays.

x = 2**k z with z near 1, and c z = 1 + r for a c of 13 bits from a table, so that log x = k log 2 - log c + log(1 + r).
The first two and the leading bits of r are added without any rounding (Tang 1990).
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np

from sumsquares.datasets.functions import exact, native
from sumsquares.datasets.functions.pieces import Buffers, Floats, constant, polynomial

CELL_BITS = 44
"""Of the 52 bits of the mantissa, those below the number of the cell."""
CELLS_BELOW = 150
"""Cells from 0.706 to 1, whose cell has 1 in its middle."""
FIRST = (1023 << 52) - (CELLS_BELOW << CELL_BITS) - (1 << (CELL_BITS - 1))
"""Bits of the smallest z."""
FACTOR = 1 << 12
HIGH_UNIT = 42
"""The sum of the first two is a multiple of 2**-42 below 2**11, and so exact."""
ONE, MINUS_HALF = constant(1.0), constant(-0.5)
UNIT_ROUNDER = constant(1.5 * 2.0**18)
"""Added and subtracted, it rounds a small number to a multiple of 2**-34."""
SMALLEST_NORMAL = 2.0**-1022


class _Table(NamedTuple):
    factor: Floats
    high: Floats
    """-log c, as a multiple of 2**-42."""
    low: Floats
    per_octave: tuple[Floats, ...]
    """The logarithm of 2."""
    unit: tuple[Floats, ...] | None
    """The logarithm of e, with few bits in its first part; None where it is 1."""
    quadratic: tuple[Floats, ...]
    """(log(1 + r) - r) / r**2."""
    cubic: tuple[Floats, ...]
    """(log(1 + r) - r + r**2 / 2) / r**3."""


@cache
def _table(base: int) -> _Table:
    """Returns the table of a base; 0 stands for e."""
    factors = [_factor(cell) for cell in range(256)]
    scale = exact.log(base * exact.ONE) if base else exact.ONE
    logs = [-(exact.log(exact.integer(one)) << exact.BITS) // scale for one in factors]
    high, low = zip(*(exact.split(one, HIGH_UNIT) for one in logs), strict=True)
    octave = exact.split((exact.log(2 * exact.ONE) << exact.BITS) // scale, HIGH_UNIT - 1)
    unit = exact.split((exact.ONE << exact.BITS) // scale, 17)
    taylor = [Fraction((-1) ** (n + 1), n) for n in range(2, 12)]
    largest = Fraction(1, 430)  # half a cell, and the rounding of c
    quadratic, cubic = (exact.shortened(taylor[n:], -largest, largest, 5) for n in range(2))
    first, second = (constant(one) for one in octave), (constant(one) for one in unit)
    return _Table(
        np.array(factors),
        np.array(high),
        np.array(low),
        tuple(first),
        tuple(second) if base else None,
        tuple(map(constant, quadratic)),
        tuple(map(constant, cubic)),
    )


@cache
def _native_table(base: int) -> native.Table:
    table = _table(base)
    constants = [*table.quadratic, *table.per_octave, *(table.unit or (1.0, 0.0))]
    return native.Table(constants, table.factor, table.high, table.low)


@cache
def _native_table_for_powers() -> native.Table:
    table = _table(0)
    constants = [*table.cubic, *table.per_octave, 1.0, 0.0, UNIT_ROUNDER]
    return native.Table(constants, table.factor, table.high, table.low)


def _factor(cell: int) -> float:
    """Returns 1 / z in the middle of a cell, with 12 bits behind the point; 1 in the cell of 1."""
    edges = np.array([FIRST + (cell << CELL_BITS), FIRST + ((cell + 1) << CELL_BITS)]).view(np.float64)
    return 1.0 if cell == CELLS_BELOW else round(FACTOR * 2 / float(edges.sum())) / FACTOR


def log_of(base: int, x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes the logarithm to a base of any x; 0 stands for e."""
    if native.run("log", (x, out), _native_table(base), int(base != 0)):
        return
    if np.minimum.reduce(x) >= SMALLEST_NORMAL and np.maximum.reduce(x) < np.inf:
        high, low = parts(base, x, None, buffers)
        np.add(high, low, out)
        return
    high, low = parts(base, *normal(x), buffers)
    result = high + low
    result[x == 0] = -np.inf
    result[x == np.inf] = np.inf
    result[~(x >= 0)] = np.nan
    out[...] = result


def accurate_log(x: Floats, octaves: Floats | None, high: Floats, low: Floats, buffers: Buffers) -> None:
    """Writes log x + octaves log 2 in two parts, so accurate that a large exponent may multiply them."""
    if octaves is None and native.run("accurate_log", (x, high, low), _native_table_for_powers()):
        return
    first, second = parts(0, x, octaves, buffers, accurate=True)
    np.add(first, second, high)
    np.subtract(high, first, low)
    np.subtract(second, low, low)


def normal(x: Floats) -> tuple[Floats, Floats]:
    """Returns x with subnormal numbers multiplied by 2**54, and the power of two to be added to each."""
    is_small = x < SMALLEST_NORMAL
    return np.where(is_small, x * 2.0**54, x), np.where(is_small, -54.0, 0.0)


def parts(
    base: int, x: Floats, octaves: Floats | None, buffers: Buffers, *, accurate: bool = False
) -> tuple[Floats, Floats]:
    """Returns the logarithm as a sum of two numbers, of which the second is much smaller. Uses nine buffers.

    `accurate` is for a power, which may multiply the sum's relative error by 2**20 (base e alone).
    """
    table = _table(base)
    octave, work, r_high, r_low = _reduce(x, octaves, buffers, table)
    high, low, r, term = buffers[4:8]
    index = buffers[8].view(np.int64)
    np.add(r_high, r_low, r)
    polynomial(r, table.cubic if accurate else table.quadratic, term)
    np.multiply(r, r, work)
    np.multiply(term, work, term)
    if accurate:
        np.multiply(term, r, term)
    np.multiply(octave, table.per_octave[0], high)
    np.multiply(octave, table.per_octave[1], octave)
    table.high.take(index, out=low, mode="clip")
    np.add(high, low, high)
    table.low.take(index, out=low, mode="clip")
    np.add(low, octave, low)
    if table.unit is None:
        np.add(high, r_high, high)  # exact: a multiple of 2**-43 (30 bits of z, 12 of c, and 1 for z < 1) below 2**10
    else:
        _in_units(table.unit, r, r_high, r_low, term)
        _add(high, r_high, low, work)
        high, work = work, high
    _add(high, r_low, low, work)
    np.add(low, term, low)
    if not accurate:
        return work, low
    _subtract_half_square(r, r_high, r_low, low, octave)
    _add(work, r, low, high)
    return high, low


def _subtract_half_square(r: Floats, r_high: Floats, r_low: Floats, low: Floats, upper: Floats) -> None:
    """Replaces r by -r**2 / 2 for its upper bits, whose square is exact, and adds to `low` what the lower bits give."""
    np.add(r, UNIT_ROUNDER, upper)
    np.subtract(upper, UNIT_ROUNDER, upper)
    np.subtract(r_high, upper, r_high)
    np.add(r_high, r_low, r_high)  # the lower bits, exact
    np.add(r, upper, r)
    np.multiply(r, r_high, r)
    np.multiply(r, MINUS_HALF, r)
    np.add(low, r, low)
    np.multiply(upper, upper, r)
    np.multiply(r, MINUS_HALF, r)


def _in_units(unit: tuple[Floats, ...], r: Floats, r_high: Floats, r_low: Floats, term: Floats) -> None:
    """Multiplies r_high + r_low + term by the unit: near x = 1, where all of r counts, r_high and r_low exactly."""
    np.multiply(term, unit[0] + unit[1], term)
    np.multiply(r, unit[1], r)
    np.add(term, r, term)
    np.multiply(r_high, unit[0], r_high)
    np.multiply(r_low, unit[0], r_low)


def _add(high: Floats, more: Floats, low: Floats, total: Floats) -> None:
    """Writes high + more, and adds to low what rounding loses: Dekker's fast sum, as `high` is 0 or the larger."""
    np.add(high, more, total)
    np.subtract(total, high, high)
    np.subtract(more, high, high)
    np.add(low, high, low)


def _reduce(x: Floats, octaves: Floats | None, buffers: Buffers, table: _Table) -> tuple[Floats, ...]:
    """Returns k, a buffer, and r in two parts, both exact; the number of the cell is in buffer 8."""
    octave, z, r_high, r_low = buffers[:4]
    k, bits, index = octave.view(np.int64), z.view(np.int64), buffers[8].view(np.int64)
    x_bits = x.view(np.int64)
    np.subtract(x_bits, FIRST, bits)
    np.right_shift(bits, CELL_BITS, index)
    np.bitwise_and(index, 255, index)
    np.right_shift(bits, 52, k)
    np.left_shift(k, 52, bits)
    np.subtract(x_bits, bits, bits)
    factor = buffers[4]
    np.copyto(factor, k)
    np.copyto(octave, factor)
    if octaves is not None:
        np.add(octave, octaves, octave)
    table.factor.take(index, out=factor, mode="clip")
    np.bitwise_and(bits, -1 << 22, r_high.view(np.int64))
    np.subtract(z, r_high, r_low)
    np.multiply(r_high, factor, r_high)
    np.subtract(r_high, ONE, r_high)
    np.multiply(r_low, factor, r_low)
    return octave, z, r_high, r_low
