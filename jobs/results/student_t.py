"""Student's t from its own formulas, and Holm's correction for many tests.

Quantiles are for confidence intervals, tail probabilities for tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_LEVEL = 0.975  # both tails of 95 %
_FEW = (12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836, 2.446911851, 2.364624252, 2.306004135)
_Z = NormalDist().inv_cdf(_LEVEL)
# Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5: the coefficients of 1/df, 1/df^2, ...
_SERIES = (
    _Z,
    (_Z**3 + _Z) / 4,
    (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / 96,
    (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / 384,
    (79 * _Z**9 + 776 * _Z**7 + 1482 * _Z**5 - 1920 * _Z**3 - 945 * _Z) / 92160,
)


def student_t975(df_G: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the 97.5 % quantiles of Student's t, to 2e-5; NaN for less than one degree of freedom.

    Up to 8 degrees of freedom from a table, beyond from the series, whose error falls from 1.4e-5 at 9 degrees.
    """
    table = np.array([np.nan, *_FEW])
    with np.errstate(divide="ignore", invalid="ignore"):
        series = np.polynomial.polynomial.polyval(1 / df_G, _SERIES)
    return np.where(df_G < len(table), table[np.clip(df_G, 0, len(_FEW))], series)


def t_tail(t: float, freedom: int) -> float:
    """Returns the probability that Student's t with this many degrees of freedom exceeds t.

    Exact to about 1e-15, by the finite series for integer degrees of freedom: Abramowitz and Stegun, Handbook of
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
    """Returns p-values corrected for their number: rejecting those <= a has a family-wise error rate of at most a.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979): valid
    under any dependence between the tests.
    """
    order = sorted(range(len(p)), key=p.__getitem__)
    adjusted, largest = [0.0] * len(p), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p[index] * (len(p) - rank)))
        adjusted[index] = largest
    return adjusted
