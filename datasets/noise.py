"""Normal noise on the targets of training rows: from a stream of its own, the same bits on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.elementary import cos, log, sin

# Shapes: N rows of a block, P pairs of rows.
_PURPOSE = 3
"""In the key of the stream, beside the seed: 0 to 2 are the inputs of the splits."""
_SHIFT = np.uint64(11)  # leaves 53 bits


def noise(seed: int, index: int, rows: int, deviation: float) -> NDArray[np.float64]:
    """Returns normal noise for the first rows of a training block, by Box and Muller: two rows a pair of words."""
    pairs = -(-rows // 2)
    stream = np.random.Philox(key=seed | _PURPOSE << 64, counter=index << 128)
    words_W = stream.random_raw(2 * pairs)
    words_W >>= _SHIFT
    words_W[::2] += np.uint64(1)  # uniform in (0, 1], where the logarithm is finite
    radius_P = words_W[::2].astype(np.float64)
    radius_P *= 2.0**-53
    log(radius_P, out=radius_P)
    radius_P *= -2
    np.sqrt(radius_P, out=radius_P)
    radius_P *= deviation
    angle_P = words_W[1::2].astype(np.float64)
    angle_P *= 2 * np.pi * 2.0**-53
    noise_N = np.empty(2 * pairs)
    np.multiply(cos(angle_P), radius_P, out=noise_N[::2])
    np.multiply(sin(angle_P, out=angle_P), radius_P, out=noise_N[1::2])
    return noise_N[:rows]
