"""Normalisation: shift and scale between raw numbers and a network's numbers, after a logarithm where one is asked for.

That of a task follows from its spec alone: its moments are those of the distribution, exact, and the same for every
split and shard. That of a formula follows from the ranges in its spec and from the moments of its training rows, and
that of a table from the moments alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sumsquares.datasets import elementary
from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.errors import DataError
from sumsquares.datasets.moments import Moments
from sumsquares.datasets.source import Numbers, Range
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.datasets.task_moments import digit_moments, number_moments, target_moments
from sumsquares.datasets.tasks import target_range

# Shapes: N rows, I input columns.
NormalizationKind = Literal["question", "unit", "symmetric", "zscore", "none", "log"]
TargetKind = Literal["same", "unit", "symmetric", "zscore", "none", "log"]
Number = float | Fraction
Pair = tuple[Number, Number]
"""Shift and scale."""
Floats = NDArray[np.floating[Any]]
_OF_TARGETS = ("unit", "symmetric", "zscore", "log")
"""Kinds for which the target of a formula or a table must have been measured."""


@dataclass(frozen=True, slots=True)
class Normalization:
    """normalised = (raw - shift) / scale, where raw may be a logarithm. No scale is 0."""

    input_shift: tuple[float, ...]
    """One for each input column, like `input_scale`."""
    input_scale: tuple[float, ...]
    target_shift: float
    target_scale: float
    log_inputs: bool = False
    """Whether it is the natural logarithm of the inputs that is shifted and scaled."""
    log_target: bool = False
    """The same for the target."""

    def inputs(self, raw_NI: Numbers, dtype: DTypeLike) -> Floats:
        """Normalises inputs: computed in float64, cast last. Without a logarithm they become NaN."""
        shift, scale = _per_column(self.input_shift), _per_column(self.input_scale)
        return _apply(raw_NI, self.log_inputs, shift, scale, dtype)

    def target(self, raw_N: Numbers, dtype: DTypeLike) -> Floats:
        """Normalises targets: computed in float64, cast last. Without a logarithm they become NaN."""
        return _apply(raw_N, self.log_target, self.target_shift, self.target_scale, dtype)

    def restore(self, prediction: Floats) -> NDArray[np.float64]:
        """Returns predictions of any shape in the target's own units, as float64, not rounded."""
        restored = np.asarray(prediction, np.float64) * self.target_scale + self.target_shift
        return elementary.exp(restored) if self.log_target else restored


def _per_column(values_I: tuple[float, ...]) -> float | NDArray[np.float64]:
    """Returns one number for all columns where they have the same: the fast path."""
    return values_I[0] if len(set(values_I)) == 1 else np.array(values_I)


def _apply(raw: Numbers, is_log: bool, shift: Any, scale: Any, dtype: DTypeLike) -> Floats:
    values = raw.astype(np.float64)  # a copy, which is changed in place: three times as fast on a shard
    if is_log:
        values = elementary.log(np.where(values > 0, values, np.nan))
    with np.errstate(over="ignore"):  # what a type can't hold becomes infinite
        values -= shift
        values /= scale
        return values.astype(dtype)


def needs_moments(dataset: Dataset, kind: NormalizationKind, target_kind: TargetKind = "same") -> bool:
    """Whether `normalization` needs the moments of the training rows: if the ranges of a formula aren't enough.

    A table has no ranges but those of its rows.
    """
    kinds = (kind, kind_of_target(kind, target_kind))
    if isinstance(dataset, TableSplit):
        return kinds != ("none", "none")
    return dataset.formula is not None and (kind == "zscore" or kinds[1] in _OF_TARGETS)


def problem_of(dataset: Dataset, kind: NormalizationKind) -> str | None:
    """Returns why a dataset's inputs can't be normalised in this way, and what to write; or None.

    Whether the targets of a formula, and all columns of a table, are positive, as "log" needs them, only the rows tell.
    """
    if isinstance(dataset, TableSplit):
        problem = 'normalize = "question" divides by the largest target of a task, and this is a table; write "zscore"'
        return problem if kind == "question" else None
    if kind == "question" and dataset.formula is not None:
        return 'normalize = "question" divides by the largest target of a task, and this is a formula; write "unit"'
    low = min(low for low, _ in dataset.input_ranges("train"))
    if kind == "log" and low <= 0:
        remedy = "write a low above 0, or another normalize"
        if dataset.digits is not None:
            remedy = "write another normalize, or remove digits"
        return f'normalize = "log" takes logarithms of the inputs, which reach down to {low:g}; {remedy}'
    return None


def ranges_of(dataset: Dataset, moments: Moments | None) -> tuple[Range, ...]:
    """Returns the range of each input column in training: the declared one, or of a table that of its training rows."""
    if not isinstance(dataset, TableSplit):
        return dataset.input_ranges("train")
    assert moments is not None, dataset
    return tuple(map(Range, moments.input_min, moments.input_max))


def normalization(
    dataset: Dataset, kind: NormalizationKind, target_kind: TargetKind = "same", moments: Moments | None = None
) -> Normalization:
    """Returns the normalisation of that kind, fitted to the train split.

    * question: what the question did, for tasks. Inputs and target over the largest target.
    * unit: the range to 0..1; that of a task, which begins at 1 or above it, as if it began at 0.
    * symmetric: the range to -1..1.
    * zscore: to mean 0 and standard deviation 1.
    * none: raw.
    * log: the natural logarithm, and then its range to -1..1.

    The range of inputs is the declared one, digits being 0 or 1. That of a task's target follows from it; that of a
    formula's target is measured, like the means and standard deviations of a formula, and everything of a table:
    `moments` has them. `target_kind` is the kind of the target, if it isn't the same.

    Raises:
        DataError: the logarithm of measured inputs or targets is wanted, and they aren't positive.

    """
    target = kind_of_target(kind, target_kind)
    assert moments is not None or not needs_moments(dataset, kind, target_kind), (kind, target_kind)
    assert problem_of(dataset, kind) is None, problem_of(dataset, kind)
    shift_I, scale_I = zip(*map(_floats, _inputs(dataset, kind, moments)), strict=True)
    return Normalization(
        shift_I,
        scale_I,
        *_floats(_target(dataset, target, moments)),
        log_inputs=kind == "log",
        log_target=target == "log",
    )


def kind_of_target(kind: NormalizationKind, target_kind: TargetKind) -> NormalizationKind:
    """Returns how the target is normalised: as the inputs are, unless it says otherwise."""
    return kind if target_kind == "same" else target_kind


def _floats(pair: Pair) -> tuple[float, float]:
    # A scale of 0 means a constant (largest = 1), which becomes 0 and stays finite when divided by 1.
    return float(pair[0]), float(pair[1]) or 1.0


def _inputs(dataset: Dataset, kind: NormalizationKind, moments: Moments | None) -> list[Pair]:
    """Returns shift and scale of each input column."""
    if kind == "none":
        return [(0, 1)] * dataset.inputs
    if kind == "zscore" and moments is not None:
        return list(zip(moments.input_mean, moments.input_std, strict=True))
    if isinstance(dataset, TableSplit):
        assert moments is not None
        if kind == "log" and (problem := logarithm_problem(dataset, moments)) is not None:
            raise DataError(problem)
        return [_of_range(kind, *each) for each in ranges_of(dataset, moments)]
    is_number_of_task = dataset.task is not None and not dataset.digits
    if kind == "question":
        return [(0, _task_targets(dataset)[1])] * dataset.inputs
    if kind == "unit" and is_number_of_task:
        return [(0, dataset.input_ranges("train")[0].high)] * dataset.inputs
    if kind != "zscore":
        return [_of_range(kind, *each) for each in dataset.input_ranges("train")]
    assert dataset.largest is not None
    if is_number_of_task:
        return [_standard(*number_moments(dataset.largest))] * dataset.inputs
    return [_standard(*digit_moments(place, dataset.largest)) for place in range(dataset.inputs)]


def logarithm_problem(split: TableSplit, moments: Moments) -> str | None:
    """Returns which input of a table isn't positive in every training row, as "log" needs it, and what to write."""
    for name, low in zip(split.columns, moments.input_min, strict=False):
        if low <= 0:
            return (
                f'normalize = "log" takes logarithms of the inputs, and column "{name}" has {low:g} in a training row; '
                "write another normalize, or inputs without that column"
            )
    return None


def _target(dataset: Dataset, kind: NormalizationKind, moments: Moments | None) -> Pair:
    """Returns shift and scale of the target."""
    if kind == "none":
        return 0, 1
    if isinstance(dataset, TableSplit) or dataset.task is None:
        assert moments is not None
        if kind == "zscore":
            return moments.target_mean, moments.target_std
        if kind == "log" and moments.target_min <= 0:
            found = f"the smallest target of the training rows is {moments.target_min:g}"
            raise DataError(
                f'a logarithm needs targets above 0, and {found}; write another normalize_target than "log"'
            )
        return _of_range(kind, moments.target_min, moments.target_max)
    smallest, top = _task_targets(dataset)
    if kind == "zscore":
        assert dataset.largest is not None, dataset
        return _standard(*target_moments(dataset.task, dataset.n_numbers, dataset.largest))
    return (0, top) if kind in ("question", "unit") else _of_range(kind, smallest, top)


def _of_range(kind: NormalizationKind, low: float, high: float) -> Pair:
    """Returns shift and scale that map a range as that kind does."""
    if kind == "none":
        return 0, 1
    if kind == "log":
        low, high = elementary.log(np.array([low, high])).tolist()
    exact_low, exact_high = Fraction(low), Fraction(high)
    if kind == "unit":
        return exact_low, exact_high - exact_low
    assert kind in ("symmetric", "log"), kind
    return (exact_low + exact_high) / 2, (exact_high - exact_low) / 2


def _standard(mean: Fraction, variance: Fraction) -> Pair:
    """Returns shift and scale to mean 0 and standard deviation 1."""
    return mean, math.sqrt(variance)


def _task_targets(spec: DatasetSpec) -> tuple[int, int]:
    """Returns the smallest and the largest target of a task."""
    assert spec.task is not None
    assert spec.largest is not None
    return target_range(spec.task, spec.n_numbers, 1, spec.largest)
