"""Rows of numbers that people ask a generated dataset's models about, as the inputs that those models take.

Suffixes: N rows, K numbers, I inputs.
"""

from __future__ import annotations

import numpy as np

from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results.described import range_words

_LARGEST = 1e300
"""Largest absolute real number that is accepted."""


def inputs_of_numbers(dataset: NamedDataset, numbers_NK: Numbers) -> Numbers:
    """Returns rows of inputs [N, I]. Unused columns hold the middle of their range: no target depends on them."""
    dtype = np.float64 if dataset.is_real else np.int64
    inputs_NI = dataset.inputs_of(np.asarray(numbers_NK, dtype))
    return np.hstack([inputs_NI, np.full((len(numbers_NK), dataset.unused), middle(dataset), dtype)])


def middle(dataset: NamedDataset) -> int | float:
    """The middle of the range of the first number, which is that of the unused ones."""
    (ranges,) = dataset.source.parts("train")
    low, high = ranges[0]
    return low / 2 + high / 2 if dataset.is_real else (int(low) + int(high)) // 2


def misfit(dataset: NamedDataset, numbers_NK: Numbers) -> tuple[int, str] | None:
    """Returns the first row with a number that the dataset doesn't take, and why; None if it takes all."""
    low, high = _accepted(dataset)
    with np.errstate(invalid="ignore"):
        is_wrong_NK = ~((numbers_NK >= low) & (numbers_NK <= high))
        if not dataset.is_real:
            is_wrong_NK |= numbers_NK != np.floor(numbers_NK)
    if not is_wrong_NK.any():
        return None
    row, column = (int(each[0]) for each in np.nonzero(is_wrong_NK))
    value = numbers_NK[row, column].item()
    if not dataset.is_real and value != int(value):
        return row, f"{value} is not an integer: {dataset.name} takes integers"
    ranges = f"1..{dataset.largest}" if dataset.largest is not None else range_words(dataset)
    number = int(value) if float(value).is_integer() else value
    return row, f"{number} is out of range: {dataset.name} takes {low}..{high} (it was trained on {ranges})"


def _accepted(dataset: NamedDataset) -> tuple[int | float, int | float]:
    """The smallest and the largest number that is accepted: of formulas any that their inputs can hold."""
    most = 2**dataset.n_digits - 1 if dataset.n_digits else None
    if dataset.largest is not None:
        return 0, min(2 * dataset.largest, most or 2 * dataset.largest)
    if most is not None:
        return 0, most
    return (-_LARGEST, _LARGEST) if dataset.is_real else (-(2**53), 2**53)
