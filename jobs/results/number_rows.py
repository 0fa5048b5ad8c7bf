"""Rows of numbers that people ask a generated dataset's models about, as the inputs that those models take.

Suffixes: N rows, K numbers, I inputs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results.described import range_words

Floats = NDArray[np.float64]
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


def first_misfit(dataset: NamedDataset, numbers_NK: Floats) -> tuple[int, str] | None:
    """Returns the first row with a number that the dataset doesn't take, and why; None if it takes all."""
    low, high = _accepted(dataset)
    is_fine_NK = (numbers_NK >= low) & (numbers_NK <= high)
    if not dataset.is_real:
        is_fine_NK &= numbers_NK == np.floor(numbers_NK)
    if is_fine_NK.all():
        return None
    row, column = np.argwhere(~is_fine_NK)[0].tolist()
    number = numbers_NK[row, column].item()
    why = misfit(dataset, int(number) if number.is_integer() else number)
    return row, why or ""


def misfit(dataset: NamedDataset, number: int | float) -> str | None:
    """Returns why a dataset doesn't take a number, or None."""
    if not dataset.is_real and not float(number).is_integer():
        return f"{number} is not an integer: {dataset.name} takes integers"
    low, high = _accepted(dataset)
    if low <= number <= high:
        return None
    ranges = f"1..{dataset.largest}" if dataset.largest is not None else range_words(dataset)
    return f"{number} is out of range: {dataset.name} takes {low}..{high} (it was trained on {ranges})"


def _accepted(dataset: NamedDataset) -> tuple[int | float, int | float]:
    """The smallest and the largest number that is accepted: of formulas any that their inputs can hold."""
    most = 2**dataset.n_digits - 1 if dataset.n_digits else None
    if dataset.largest is not None:
        return 0, min(2 * dataset.largest, most or 2 * dataset.largest)
    if most is not None:
        return 0, most
    return (-_LARGEST, _LARGEST) if dataset.is_real else (-(2**53), 2**53)
