"""Packs whose first weights are drawn: all kinds, both readouts, odd shapes, and ranges of inputs at their limits."""

from __future__ import annotations

from itertools import product

import numpy as np

from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.state import PerModel

INPUTS = (1, 2, 9, 140, 300)
"""numpy adds 8 and more numbers that lie side by side in another order, and from 129 on in another one again."""
HIDDEN = ((), (1,), (5,), (16, 16), (1, 7), (24, 12, 3))
KINDS = ("glorot_uniform", "he_uniform", "pytorch", "spread_knots")
MODELS = 13


def ranges(inputs):
    """Returns ranges of the inputs: none, different ones, constant ones, and such as leave denormals in float32."""
    wide = [(-1e38, 1e38 * (column % 2 + 1)) for column in range(inputs)]
    return (), [(0.1 * column, 0.1 * column + 1 + column % 3) for column in range(inputs)], [(5.0, 5.0)] * inputs, wide


def packs(inputs=INPUTS, hidden=HIDDEN):
    """Yields programs and what differs between their models."""
    seeds = [model * 0x9E3779B97F4A7C15 % 2**64 for model in range(MODELS)]
    readouts = [("trained", "solved", "trained")[model % 3] for model in range(MODELS)]
    for columns, widths, dtype, optimizer in product(inputs, hidden, ("float32", "float64"), ("adam", "sgd")):
        program = Program(columns, widths, "relu", optimizer, "constant", 10, 1, 100, dtype, 0)
        for input_range in ranges(columns):
            init = [KINDS[model % len(KINDS)] for model in range(MODELS)]
            yield program, PerModel(seeds, init, (), (), readouts, input_range)


def same_bits(found, expected):
    """Whether two arrays have the same bytes: 0 and -0 differ."""
    return found.dtype == expected.dtype and np.array_equal(found.view(np.uint8), expected.view(np.uint8))
