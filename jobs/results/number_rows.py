"""Rows of numbers that people ask a generated dataset's models about, as the inputs that those models take.

Suffixes: N rows, K numbers, I inputs.
"""

from __future__ import annotations

import numpy as np

from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import NamedDataset


def inputs_of_numbers(dataset: NamedDataset, numbers_NK: Numbers) -> Numbers:
    """Returns rows of inputs [N, I]; unused columns hold the middle of their range: the target doesn't depend on them."""
    dtype = np.float64 if dataset.is_real else np.int64
    inputs_NI = dataset.inputs_of(np.asarray(numbers_NK, dtype))
    return np.hstack([inputs_NI, np.full((len(numbers_NK), dataset.unused), middle(dataset), dtype)])


def middle(dataset: NamedDataset) -> int | float:
    """The middle of the range of the first number, which is that of the unused ones."""
    (ranges,) = dataset.source.parts("train")
    low, high = ranges[0]
    return low / 2 + high / 2 if dataset.is_real else (int(low) + int(high)) // 2
