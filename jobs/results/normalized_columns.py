"""Where a dataset's normalised columns lie: what a network gets and has to answer."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.moments import Moments
from sumsquares.datasets.normalize import Normalization, NormalizationKind, TargetKind, normalization
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tables.table import TableSplit
from sumsquares.datasets.task_moments import digit_moments, number_moments, target_moments
from sumsquares.datasets.tasks import target_range


class Column(NamedTuple):
    """A normalised column of the training rows."""

    name: str
    low: float
    high: float
    std: float
    """Standard deviation; 0 of a constant column, and where it isn't known."""

    @property
    def size(self) -> float:
        """How far from 0 it lies: its standard deviation, or its smallest absolute value where that is more."""
        return max(self.std, self.low, -self.high)


class Scale(NamedTuple):
    """Where a dataset's normalised columns lie."""

    inputs: tuple[Column, ...]
    target: Column

    @property
    def narrowest(self) -> Column:
        """The input that varies least, of those that vary."""
        return min((each for each in self.inputs if each.std), key=lambda each: each.std, default=self.inputs[0])

    @property
    def widest(self) -> Column:
        """The input that lies farthest from 0."""
        return max(self.inputs, key=lambda each: each.size)


@lru_cache(maxsize=1024)
def columns_of(spec: Dataset, kind: NormalizationKind, target_kind: TargetKind, moments: Moments | None) -> Scale:
    """Returns the columns in a normalisation: of a task as its numbers are distributed, of a formula as it is measured.

    Logarithms are measured on the first 65,536 training rows.
    """
    scale = normalization(spec, kind, target_kind, moments)
    if isinstance(spec, TableSplit):
        assert moments is not None
        return _of_table(spec, scale, moments)
    *inputs, target = _raw(spec, moments)
    if scale.log_inputs or scale.log_target:
        inputs_NI, target_N = block(spec, "train", 0)
        logs_NI, log_N = scale.inputs(inputs_NI, np.float64), scale.target(target_N, np.float64)
    return Scale(
        tuple(
            _measured(column.name, logs_NI[:, place])
            if scale.log_inputs
            else _scaled(column, scale.input_shift[place], scale.input_scale[place])
            for place, column in enumerate(inputs)
        ),
        _measured("target", log_N) if scale.log_target else _scaled(target, scale.target_shift, scale.target_scale),
    )


def _of_table(split: TableSplit, scale: Normalization, moments: Moments) -> Scale:
    """Returns the columns of a table: their moments are all that is known, so of logarithms the range alone."""
    *names, target = split.columns
    ends = zip(names, moments.input_min, moments.input_max, moments.input_std, strict=True)
    pairs = zip(ends, scale.input_shift, scale.input_scale, strict=True)
    inputs = tuple(
        Column(column[0], -1.0, 1.0, 0.0) if scale.log_inputs else _scaled(Column(*column), *pair)
        for column, *pair in pairs
    )
    raw = Column(target, moments.target_min, moments.target_max, moments.target_std)
    answer = (
        Column(target, -1.0, 1.0, 0.0) if scale.log_target else _scaled(raw, scale.target_shift, scale.target_scale)
    )
    return Scale(inputs, answer._replace(name="target"))


def _raw(spec: DatasetSpec, moments: Moments | None) -> list[Column]:
    """Returns the raw columns, the target last."""
    ranges = spec.input_ranges("train")
    if moments is not None:
        stds = (*moments.input_std, moments.target_std)
        ends = [*ranges, (moments.target_min, moments.target_max)]
    else:
        assert spec.task is not None
        assert spec.largest is not None
        of_inputs = [number_moments(spec.largest)] * spec.inputs
        if spec.digits:
            of_inputs = [digit_moments(place, spec.largest) for place in range(spec.inputs)]
        moments_of = (*of_inputs, target_moments(spec.task, spec.n_numbers, spec.largest))
        stds = tuple(math.sqrt(variance) for _, variance in moments_of)
        ends = [*ranges, target_range(spec.task, spec.n_numbers, 1, spec.largest)]
    return [
        Column(name, float(low), float(high), std)
        for name, (low, high), std in zip(spec.columns, ends, stds, strict=True)
    ]


def _scaled(column: Column, shift: float, scale: float) -> Column:
    return Column(column.name, (column.low - shift) / scale, (column.high - shift) / scale, column.std / scale)


def _measured(name: str, values_N: NDArray[np.floating]) -> Column:
    return Column(name, float(values_N.min()), float(values_N.max()), float(values_N.std()))
