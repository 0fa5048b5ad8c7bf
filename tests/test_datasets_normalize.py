"""datasets/normalize.py against the question's own numbers and brute force over all combinations."""

import itertools
import math
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.datasets.normalize import Normalization, NormalizationKind, normalization, target_moments
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.tasks import Task, target

KINDS = get_args(NormalizationKind)
TASKS = get_args(Task)


def spec_of(task, largest, n_numbers=2):
    n_numbers = 1 if task == "square" else n_numbers
    return DatasetSpec(task=task, largest=largest, rows=100, n_numbers=n_numbers)


def every_row(spec):
    rows = itertools.product(range(1, spec.largest + 1), repeat=spec.n_numbers)
    return np.array(list(rows), dtype=np.int64)


@pytest.mark.parametrize(
    ("task", "scale"), [("sum", 2000.0), ("square", 1e6), ("product", 1e6), ("sum_of_squares", 2e6)]
)
def test_the_questions_normalisation_divides_inputs_and_target_by_the_largest_target(task, scale):
    """Sums of 1..1000 are divided by 2000 and squares by 1,000,000, inputs and target alike, as the question did."""
    spec = spec_of(task, 1000)
    expected = Normalization((0.0,) * spec.inputs, (scale,) * spec.inputs, 0.0, scale)
    assert normalization(spec, "question") == expected


def test_unit_divides_each_by_its_own_largest_value():
    """Inputs of squares fill 0..1 instead of 0..0.001."""
    assert normalization(spec_of("square", 1000), "unit") == Normalization((0.0,), (1000.0,), 0.0, 1e6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("largest", [2, 5, 9])
def test_symmetric_maps_the_smallest_to_minus_one_and_the_largest_to_one(task, largest):
    """Over all rows there are, inputs and target reach from exactly -1 to exactly 1."""
    spec = spec_of(task, largest)
    scaled, rows = normalization(spec, "symmetric"), every_row(spec)
    for values in (scaled.inputs(rows, "f8"), scaled.target(target(task, rows), "f8")):
        assert (values.min(), values.max()) == (-1.0, 1.0)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("largest", "n_numbers"), [(1, 2), (2, 1), (3, 3), (7, 2), (4, 4)])
def test_moments_are_exact(task, largest, n_numbers):
    """Mean and variance equal those over all combinations of numbers, as fractions."""
    spec = spec_of(task, largest, n_numbers)
    targets = [Fraction(value) for value in target(task, every_row(spec)).tolist()]
    mean = sum(targets) / len(targets)
    variance = sum((value - mean) ** 2 for value in targets) / len(targets)
    assert target_moments(task, spec.n_numbers, largest) == (mean, variance)


@pytest.mark.parametrize("task", TASKS)
def test_zscore_gives_mean_zero_and_deviation_one(task):
    """Over all rows there are, inputs and target have mean 0 and standard deviation 1 to rounding."""
    spec = spec_of(task, 8)
    scaled, rows = normalization(spec, "zscore"), every_row(spec)
    for values in (scaled.inputs(rows, "f8"), scaled.target(target(task, rows), "f8")):
        assert values.mean() == pytest.approx(0, abs=1e-12)
        assert values.std() == pytest.approx(1, abs=1e-12)


@given(data=st.data(), kind=st.sampled_from(KINDS), task=st.sampled_from(TASKS), largest=st.integers(1, 30_000))
def test_restore_undoes_target(data, kind, task, largest):
    """Normalised targets come back as the same integers after rounding, in float64."""
    spec = spec_of(task, largest)
    numbers = data.draw(st.lists(st.integers(1, largest), min_size=spec.n_numbers, max_size=spec.n_numbers))
    raw = target(task, np.array([numbers]))
    scaled = normalization(spec, kind)
    restored = scaled.restore(scaled.target(raw, np.float64))
    assert restored.dtype == np.float64
    assert np.rint(restored).tolist() == raw.tolist()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_no_scale_is_zero_or_infinite(kind, task):
    """A constant column (largest = 1) and the largest targets of all stay finite."""
    largest = [1, {"sum": 2**31 - 1, "square": 1_518_500_249}.get(task, 10**9)]
    for spec in (spec_of(task, value) for value in largest):
        scaled = normalization(spec, kind)
        for scale in (*scaled.input_scale, scaled.target_scale):
            assert 0 < scale < math.inf


def test_inputs_are_computed_in_float64_and_cast_last():
    """float32 inputs are the float64 ones, rounded once, in the shape of the raw ones."""
    scaled = normalization(spec_of("sum", 2**31 - 1), "zscore")
    raw_NI = np.array([[2**31 - 1, 1], [2**31 - 2, 2]], dtype=np.int32)
    single = scaled.inputs(raw_NI, np.float32)
    assert single.dtype == np.float32
    assert np.array_equal(single, scaled.inputs(raw_NI, np.float64).astype(np.float32))
