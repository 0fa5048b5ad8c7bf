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
    words_P2 = (stream.random_raw(2 * pairs) >> _SHIFT).reshape(pairs, 2)
    uniform_P = (words_P2[:, 0].astype(np.float64) + 1) * 2.0**-53  # in (0, 1]: its logarithm is finite
    angle_P = words_P2[:, 1].astype(np.float64) * (2 * np.pi * 2.0**-53)
    radius_P = np.sqrt(-2 * log(uniform_P)) * deviation
    noise_P2 = np.column_stack([radius_P * cos(angle_P), radius_P * sin(angle_P)])
    return noise_P2.reshape(-1)[:rows]
