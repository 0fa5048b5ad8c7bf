"""The hyperbolic tangent for pieces of arrays.

|x| = c + r with c a multiple of 1/16, T = tanh c from a table and t = tanh r from a polynomial:
tanh x = (T + t) / (1 + T t) = T + t - T t (T + t) / (1 + T t). The last term is small where T is.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

import numpy as np

from sumsquares.datasets.functions import exact, native
from sumsquares.datasets.functions.pieces import Buffers, Floats, constant, polynomial

STEPS = 16
LARGEST = constant(22.0)
"""From here on the result rounds to 1."""
ROUNDER = constant(1.5 * 2.0**48)
"""Added and subtracted, it rounds a small number to a multiple of 1/16."""
ONE = constant(1.0)


class _Table(NamedTuple):
    high: Floats
    low: Floats
    polynomial: tuple[Floats, ...]
    """(tanh r - r) / r**3, of r**2."""


@cache
def _table() -> _Table:
    values = [exact.tanh(exact.ONE * n // STEPS) for n in range(int(LARGEST) * STEPS + 1)]
    high = [exact.nearest(one) for one in values]
    low = [exact.nearest(one - exact.integer(near)) for one, near in zip(values, high, strict=True)]
    short = exact.shortened(_taylor(7), Fraction(0), Fraction(1, 2 * STEPS) ** 2, 4)
    return _Table(np.array(high), np.array(low), tuple(map(constant, short)))


@cache
def _native_table() -> native.Table:
    table = _table()
    return native.Table([*table.polynomial, ROUNDER, LARGEST], table.high, table.low)


def _taylor(count: int) -> list[Fraction]:
    """Returns the coefficients of r**3, r**5 and so on, from tanh' = 1 - tanh**2."""
    found = [Fraction(1)]
    for n in range(1, count + 1):
        square = sum((found[i] * found[n - 1 - i] for i in range(n)), Fraction(0))
        found.append(-square / (2 * n + 1))
    return found[1:]


def tanh(x: Floats, out: Floats, buffers: Buffers) -> None:
    """Writes the hyperbolic tangent."""
    if native.run("tanh", (x, out), _native_table()):
        return
    size, r, square, more, work, total = buffers[:6]
    index = buffers[6].view(np.int64)
    table = _table()
    np.abs(x, size)
    np.minimum(size, LARGEST, out=size)
    np.add(size, ROUNDER, work)
    np.bitwise_and(work.view(np.int64), 511, index)
    np.subtract(work, ROUNDER, work)
    np.subtract(size, work, r)
    np.multiply(r, r, square)
    polynomial(square, table.polynomial, more)
    np.multiply(more, square, more)
    np.multiply(more, r, more)
    table.high.take(index, out=size, mode="clip")
    _add_tangents(size, r, more, [square, work, total])
    table.low.take(index, out=work, mode="clip")
    np.add(more, work, more)
    np.add(size, r, total)
    np.subtract(total, size, work)  # Dekker's fast sum: what rounding loses of r
    np.subtract(r, work, work)
    np.add(more, work, more)
    np.add(total, more, total)
    np.copysign(total, x, out)


def _add_tangents(table: Floats, r: Floats, more: Floats, buffers: Buffers) -> None:
    """Subtracts T t (T + t) / (1 + T t) from tanh r - r."""
    tangent, product, total = buffers
    np.add(r, more, tangent)
    np.multiply(table, tangent, product)
    np.add(table, tangent, total)
    np.multiply(total, product, total)
    np.add(product, ONE, product)
    np.divide(total, product, total)
    np.subtract(more, total, more)
