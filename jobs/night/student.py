"""Student's t, from its own formulas: the tail that a paired test needs. It knows nothing of nights."""

from __future__ import annotations

import math
from collections.abc import Sequence


def t_tail(t: float, freedom: int) -> float:
    """The chance that Student's t of so many degrees of freedom is above t.

    Exact to about 1e-15, by the finite series for whole degrees of freedom: Abramowitz and Stegun, Handbook of
    Mathematical Functions, 26.7.3 and 26.7.4.
    """
    assert freedom >= 1
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = 1.0, 0.0
    for k in range((freedom - odd) // 2):
        total += term
        term *= cosine**2 * (2 * k + 1 + odd) / (2 * k + 2 + odd)
    inside = 2 / math.pi * (angle + sine * cosine * total) if odd else sine * total
    return min(1.0, max(0.0, (1 - inside) / 2))


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number: rejecting those <= a errs anywhere with a chance of a at most.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979): valid
    however the tests depend on each other.
    """
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p[index] * (len(p) - rank)))
        adjusted[index] = largest
    return adjusted
