"""The constants of the elementary functions, computed with integers alone, so that they are the same on every machine.

A real number v is the integer nearest to v * 2**BITS. Series: Taylor for exp, sin and cos, atanh for log, Machin's
formula for pi. Polynomials are Taylor polynomials, shortened by Chebyshev's polynomials ("telescoping", Lanczos 1938).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import isqrt

BITS = 256
"""Many more than the 120 that the tables use, so that errors of the series don't matter."""
ONE = 1 << BITS


@cache
def pi(bits: int = BITS) -> int:
    """Returns pi * 2**bits, by Machin's formula."""
    guard = 64
    one = 1 << (bits + guard)
    return (16 * _inverse_atan(5, one) - 4 * _inverse_atan(239, one)) >> guard


def _inverse_atan(n: int, one: int) -> int:
    """Returns the arc tangent of 1 / n, for one = 1."""
    term, total, k = one // n, 0, 1
    while term:
        total += (term // k) * (1 if k % 4 == 1 else -1)
        term //= n * n
        k += 2
    return total


def exp(x: int) -> int:
    """Returns e**x."""
    halvings = max(0, abs(x).bit_length() - BITS + 4)
    guard = 4 * halvings + 64
    one = ONE << guard
    small = (x << guard) >> halvings
    total = term = one
    k = 1
    while term not in (0, -1):
        term = ((term * small) >> (BITS + guard)) // k
        total += term
        k += 1
    for _ in range(halvings):
        total = (total * total) >> (BITS + guard)
    return total >> guard


def log(x: int) -> int:
    """Returns the natural logarithm of a number of about 1/2 to 10."""
    ratio = ((x - ONE) << BITS) // (x + ONE)
    square = (ratio * ratio) >> BITS
    total, term, k = 0, ratio, 1
    while term not in (0, -1):
        total += term // k
        term = (term * square) >> BITS
        k += 2
    return 2 * total


def sin_cos(x: int) -> tuple[int, int]:
    """Returns the sine and the cosine of a number of about -8 to 8, rounded to 200 bits, so that zero is zero."""
    sums, term, k = [0, 0], ONE, 0
    while term not in (0, -1):
        sums[(k + 1) % 2] += term if k % 4 < 2 else -term
        k += 1
        term = ((term * x) >> BITS) // k
    sine, cosine = ((one + (1 << 55)) >> 56 << 56 for one in sums)
    return sine, cosine


def tanh(x: int) -> int:
    """Returns the hyperbolic tangent of a number of 0 to about 30."""
    power = exp(2 * x)
    return ((power - ONE) << BITS) // (power + ONE)


def atan(x: int) -> int:
    """Returns the arc tangent of a positive number, whose argument is halved eight times."""
    for _ in range(8):
        x = (x << BITS) // (ONE + isqrt((ONE << BITS) + x * x))
    square = (x * x) >> BITS
    total, term, k = 0, x, 1
    while term:
        total += (term // k) * (1 if k % 4 == 1 else -1)
        term = (term * square) >> BITS
        k += 2
    return total << 8


def nearest(x: int) -> float:
    """Returns the nearest float64."""
    return x / ONE


def integer(x: float) -> int:
    """Returns x * 2**BITS, which is one for all numbers used here."""
    return int(Fraction(x) * ONE)


def split(x: int, bits: int) -> tuple[float, float]:
    """Returns x as a multiple of 2**-bits and a remainder."""
    unit = 1 << (BITS - bits)
    high = (x + unit // 2) // unit * unit
    return nearest(high), nearest(x - high)


def shortened(coefficients: Sequence[Fraction], low: Fraction, high: Fraction, count: int) -> tuple[float, ...]:
    """Shortens a polynomial to `count` coefficients, with nearly the smallest error on low..high. Highest first.

    Chebyshev's polynomial of the highest degree, which nowhere exceeds 1 there, is subtracted until it is short enough.
    """
    kept = list(coefficients)
    while len(kept) > count:
        chebyshev = _chebyshev(len(kept) - 1, low, high)
        factor = kept[-1] / chebyshev[-1]
        kept = [one - factor * other for one, other in zip(kept, chebyshev, strict=True)][:-1]
    return tuple(float(one) for one in reversed(kept))


def _chebyshev(degree: int, low: Fraction, high: Fraction) -> list[Fraction]:
    """Returns the coefficients of Chebyshev's polynomial on low..high, the lowest first."""
    slope, shift = 2 / (high - low), -(high + low) / (high - low)
    zero = Fraction(0)
    before, now = [Fraction(1)], [shift, slope]
    for _ in range(degree - 1):
        doubled = [2 * (shift * a + slope * b) for a, b in zip([*now, zero], [zero, *now], strict=True)]
        padded = before + [zero] * (len(doubled) - len(before))
        before, now = now, [a - b for a, b in zip(doubled, padded, strict=True)]
    return now if degree else before
