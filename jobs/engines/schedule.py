"""What changes from step to step: the factor of the learning rate, and Adam's bias corrections.

Sums, products and square roots of float64 alone, which IEEE 754 rounds in one way: no libm decides the bits.

Suffixes: S steps.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BETA1, BETA2 = 0.9, 0.999
"""Adam's decays, those of torch.optim."""
_SETTLED = 40_000
"""From this step on 1 - beta^t is 1 in float64: 0.999^40000 is 4e-18."""
_SINE = tuple(1.0 / math.factorial(k) * (-1) ** (k // 2) for k in range(1, 24, 2))
"""sin's series: on a quarter of a turn the first term left out is 2e-21."""

Floats = NDArray[np.float64]


def lr_factors(schedule: str, begin: int, end: int, steps: int) -> Floats:
    """Factors of the learning rate in the steps from `begin` (the first is 0) to before `end`, of `steps` in all.

    cosine: 1 at first, 0 after the last, (1 + cos(pi t)) / 2 in between (Loshchilov and Hutter 2017).
    """
    if schedule == "constant":
        return np.ones(end - begin)
    assert schedule == "cosine", schedule
    return 0.5 * (1.0 + _cosine(np.arange(begin, end) / steps))


def _cosine(t_S: Floats) -> Floats:
    """cos(pi t) for t in 0..1, as the sine of what is left to a quarter turn."""
    angle = math.pi * (0.5 - t_S)
    square, sine = angle * angle, np.zeros_like(angle)
    for coefficient in reversed(_SINE):
        sine = sine * square + coefficient
    return sine * angle


def bias_corrections(begin: int, end: int) -> Floats:
    """Adam's bias corrections of the same steps, where t is 1 in step 0.

    Rows 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t) [2, S].
    """
    return _table()[:, np.minimum(np.arange(begin, end), _SETTLED - 1)]


@lru_cache(maxsize=1)
def _table() -> Floats:
    first, second = (np.multiply.accumulate(np.full(_SETTLED, beta)) for beta in (BETA1, BETA2))
    return np.stack((1.0 / (1.0 - first), 1.0 / np.sqrt(1.0 - second)))
