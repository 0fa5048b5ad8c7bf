"""The arc tangent for pieces of arrays.

|x| is near a c from a table: atan x = atan c + atan((x - c) / (1 + x c)), with a polynomial for the small quotient.
From 64 on c is 2**60, for which the quotient is -1 / x.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np

from sumsquares.datasets.functions import exact, native
from sumsquares.datasets.functions.pieces import Buffers, Floats, constant, polynomial

CELL_BITS = 47
"""Of the 52 bits of the mantissa, those below the number of the cell: 32 cells from one power of two to the next."""
FIRST, LAST = ((1023 - 6) << 5, (1023 + 6) << 5)
"""Cells of 2**-6, below which c = 0, and of 2**6."""
LARGEST = constant(2.0**60)
"""Stands for all larger numbers, whose arc tangents round to the same."""
ONE = constant(1.0)


class _Table(NamedTuple):
    center: Floats
    high: Floats
    low: Floats
    polynomial: tuple[Floats, ...]
    """(atan t - t) / t**3, of t**2."""


@cache
def _table() -> _Table:
    edges = (np.arange(FIRST, LAST + 1) << CELL_BITS).view(np.float64)
    centers = [0.0, *((edges[:-1] + edges[1:]) / 2).tolist(), float(LARGEST)]
    values = [exact.atan(exact.integer(one)) if one else 0 for one in centers]
    high = [exact.nearest(one) for one in values]
    low = [exact.nearest(one - exact.integer(near)) for one, near in zip(values, high, strict=True)]
    taylor = [Fraction((-1) ** n, 2 * n + 1) for n in range(1, 8)]
    short = exact.shortened(taylor, Fraction(0), Fraction(1, 64) ** 2, 3)
    return _Table(np.array(centers), np.array(high), np.array(low), tuple(map(constant, short)))


@cache
def _native_table() -> native.Table:
    table = _table()
    return native.Table([*table.polynomial, LARGEST], table.center, table.high, table.low)


def atan(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes the angle between -pi/2 and pi/2 whose tangent is x."""
    if native.run("atan", (x, out), _native_table(), LAST - FIRST + 2):
        return
    size, quotient, work, total = buffers[:4]
    index = buffers[4].view(np.int64)
    table = _table()
    np.abs(x, size)
    np.minimum(size, LARGEST, out=size)
    np.right_shift(size.view(np.int64), CELL_BITS, index)
    np.subtract(index, FIRST - 1, index)
    table.center.take(index, out=work, mode="clip")
    np.subtract(size, work, quotient)
    np.multiply(size, work, work)
    np.add(work, ONE, work)
    np.divide(quotient, work, quotient)
    np.multiply(quotient, quotient, work)
    polynomial(work, table.polynomial, total)
    np.multiply(total, work, total)
    np.multiply(total, quotient, total)
    table.low.take(index, out=work, mode="clip")
    np.add(total, work, total)
    np.add(total, quotient, total)
    table.high.take(index, out=work, mode="clip")
    np.add(total, work, total)
    np.copysign(total, x, out)
