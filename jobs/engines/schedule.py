"""What changes from step to step: the factor of the learning rate, and Adam's bias corrections.

They are computed from sums, products and square roots in float64, whose rounding IEEE 754 defines, so that the bits
don't depend on a libm.

Suffixes: S steps.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BETA1, BETA2 = 0.9, 0.999
"""Adam's decay rates, as in torch.optim."""
_SETTLED = 40_000
"""From this step on 1 - beta^t is 1 in float64: 0.999^40000 is 4e-18."""
_SINE = tuple(1.0 / math.factorial(k) * (-1) ** (k // 2) for k in range(1, 24, 2))
"""Taylor series of sin: up to pi / 2 the first omitted term is at most 2e-21."""

Floats = NDArray[np.float64]


def lr_factors(schedule: str, begin: int, end: int, steps: int) -> Floats:
    """Returns the factors of the learning rate for steps `begin` to before `end`, counted from 0, of `steps` in all.

    cosine: (1 + cos(pi t)) / 2, from 1 in the first step to 0 after the last (Loshchilov and Hutter 2017).
    """
    if schedule == "constant":
        return np.ones(end - begin)
    assert schedule == "cosine", schedule
    return 0.5 * (1.0 + _cosine(np.arange(begin, end) / steps))


def _cosine(t_S: Floats) -> Floats:
    """cos(pi t) for t in 0..1, computed as sin(pi / 2 - pi t)."""
    angle = math.pi * (0.5 - t_S)
    square, sine = angle * angle, np.zeros_like(angle)
    for coefficient in reversed(_SINE):
        sine = sine * square + coefficient
    return sine * angle


def bias_corrections(begin: int, end: int) -> Floats:
    """Returns Adam's bias corrections [2, S] for the same steps, where t is 1 in step 0.

    The rows are 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).
    """
    return _table()[:, np.minimum(np.arange(begin, end), _SETTLED - 1)]


@lru_cache(maxsize=1)
def _table() -> Floats:
    first, second = (np.multiply.accumulate(np.full(_SETTLED, beta)) for beta in (BETA1, BETA2))
    return np.stack((1.0 / (1.0 - first), 1.0 / np.sqrt(1.0 - second)))
