"""Uniform random numbers for many seeds at once: a counter-based generator, vectorised over the seeds.

It is Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011). numpy's own
Philox has one stream per object, so that initialising 100,000 models would take a Python loop; here it is one call.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
Words = NDArray[np.uint64]


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[Words, Words]) -> tuple[Words, ...]:
    """Runs ten rounds of Philox 4x32 on arrays of 32-bit words, which are held in uint64 and broadcast."""
    c0, c1, c2, c3 = counter
    for round_number in range(10):
        k0, k1 = ((word + np.uint64(round_number * weyl)) & _LOW for word, weyl in zip(key, _WEYL, strict=True))
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            (product1 >> _SHIFT) ^ c1 ^ k0,
            product1 & _LOW,
            (product0 >> _SHIFT) ^ c3 ^ k1,
            product0 & _LOW,
        )
    return c0, c1, c2, c3


def uniform(seeds_M: NDArray[np.uint64], purpose: int, count: int) -> NDArray[np.float64]:
    """Draws numbers in (-1, 1) of shape [M, count]; each is a function of (its seed, the purpose, its index) alone."""
    blocks = np.arange(-(-count // 4), dtype=np.uint64)[None, :]
    seeds = seeds_M.astype(np.uint64)[:, None]
    zero = np.zeros_like(blocks)
    words = philox((blocks, zero, zero, zero + np.uint64(purpose)), (seeds & _LOW, seeds >> _SHIFT))
    draws = np.stack(np.broadcast_arrays(*words), axis=-1).reshape(len(seeds_M), -1)[:, :count]
    return (draws.astype(np.float64) + 0.5) * 2.0**-31 - 1.0
