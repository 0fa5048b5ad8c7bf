"""Normalisation: shift and scale between raw integers and a network's numbers, from the spec alone; no data is read.

The moments are those of the distribution, not of a sample: exact, and the same for every split and shard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tasks import Integers, Task, target_range

# Shapes: N rows, I input columns.
NormalizationKind = Literal["question", "unit", "symmetric", "zscore"]
Number = int | Fraction
Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Normalization:
    """normalised = (raw - shift) / scale: one pair for all input columns, one for the target. No scale is 0."""

    input_shift: float
    input_scale: float
    target_shift: float
    target_scale: float

    def inputs(self, raw_NI: Integers, dtype: DTypeLike) -> Floats:
        """Normalises inputs: computed in float64, cast last."""
        return _apply(raw_NI, self.input_shift, self.input_scale, dtype)

    def target(self, raw_N: Integers, dtype: DTypeLike) -> Floats:
        """Normalises targets: computed in float64, cast last."""
        return _apply(raw_N, self.target_shift, self.target_scale, dtype)

    def restore(self, prediction: Floats) -> NDArray[np.float64]:
        """Returns predictions of any shape in the target's own units, as float64, not rounded."""
        return np.asarray(prediction, np.float64) * self.target_scale + self.target_shift


def _apply(raw: Integers, shift: float, scale: float, dtype: DTypeLike) -> Floats:
    return ((raw.astype(np.float64) - shift) / scale).astype(dtype)


def normalization(spec: DatasetSpec, kind: NormalizationKind) -> Normalization:
    """Returns the normalisation of that kind, fitted to the numbers 1..largest of the train and test splits.

    * question: what the question did. Inputs and target over the largest target (numbers up to `largest`).
    * unit: inputs over `largest`, target over the largest target.
    * symmetric: inputs and target each from their smallest..largest value to -1..1.
    * zscore: inputs and target each to mean 0 and standard deviation 1.
    """
    smallest, top = target_range(spec.task, spec.n_numbers, 1, spec.largest)
    if kind == "question":
        return _normalization((0, top), (0, top))
    if kind == "unit":
        return _normalization((0, spec.largest), (0, top))
    if kind == "symmetric":
        return _normalization(_to_unit_interval(1, spec.largest), _to_unit_interval(smallest, top))
    assert kind == "zscore", kind
    mean, variance = target_moments(spec.task, spec.n_numbers, spec.largest)
    return _normalization(
        (_power_mean(1, spec.largest), _deviation(Fraction(spec.largest**2 - 1, 12))),
        (mean, _deviation(variance)),
    )


def _normalization(inputs: tuple[Number, float | Number], target: tuple[Number, float | Number]) -> Normalization:
    (input_shift, input_scale), (target_shift, target_scale) = inputs, target
    # A scale of 0 means a constant (largest = 1), which becomes 0 and stays finite when divided by 1.
    return Normalization(float(input_shift), float(input_scale) or 1.0, float(target_shift), float(target_scale) or 1.0)


def _to_unit_interval(low: int, high: int) -> tuple[Fraction, Fraction]:
    return Fraction(low + high, 2), Fraction(high - low, 2)


def _deviation(variance: Fraction) -> float:
    return math.sqrt(variance)


def target_moments(task: Task, n_numbers: int, largest: int) -> tuple[Fraction, Fraction]:
    """Returns mean and variance of the target over independent numbers uniform on 1..largest, exact."""
    power = {"sum": 1, "product": 1, "square": 2, "sum_of_squares": 2}[task]
    mean, second = _power_mean(power, largest), _power_mean(2 * power, largest)
    if task == "product":
        return mean**n_numbers, second**n_numbers - mean ** (2 * n_numbers)
    return n_numbers * mean, n_numbers * (second - mean**2)


def _power_mean(power: int, largest: int) -> Fraction:
    """Returns the mean of x**power over x = 1..largest (Faulhaber's formulas)."""
    n = largest
    if power == 1:
        return Fraction(n + 1, 2)
    if power == 2:
        return Fraction((n + 1) * (2 * n + 1), 6)
    assert power == 4
    return Fraction((n + 1) * (2 * n + 1) * (3 * n * n + 3 * n - 1), 30)
