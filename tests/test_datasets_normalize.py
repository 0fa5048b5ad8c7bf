"""datasets/normalize.py against the question's own numbers and brute force over all combinations."""

import itertools
import math
from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_tables import noisy, table_of

from sumsquares.datasets.errors import DataError
from sumsquares.datasets.facts import measure_facts
from sumsquares.datasets.moments import Meter
from sumsquares.datasets.normalize import (
    Normalization,
    NormalizationKind,
    TargetKind,
    needs_moments,
    normalization,
    problem_of,
)
from sumsquares.datasets.rows import block
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.datasets.task_moments import target_moments
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


FORMULAS = {
    "real": {"formula": "x1 * x2", "low": (-3.0, 10.0), "high": (3.0, 500.0), "noise": 0.5},
    "positive": {"formula": "sqrt(x1) + x2", "low": (1.0, 0.5), "high": (900.0, 1.5)},
    "integer": {"formula": "x1 - 2 * x2", "low": -5, "high": 7, "numbers": "integer", "unused": 1},
    "digits": {"formula": "x % 2", "low": 0, "high": 200, "numbers": "integer", "digits": 2},
    "constant": {"formula": "3.5 + 0 * x", "low": 2, "high": 2, "numbers": "integer"},
}
OF_FORMULAS = [kind for kind in KINDS if kind != "question"]


def formula_of(name):
    """A dataset of a formula, its moments and its training rows."""
    spec = DatasetSpec(**FORMULAS[name], rows=500)
    return spec, measure_facts(spec).moments, *block(spec, "train", 0)


def close(values, expected):
    """Whether values are equal but for rounding."""
    return np.allclose(values, expected, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("target_kind", [kind for kind in get_args(TargetKind) if kind != "log"])
@pytest.mark.parametrize("kind", [kind for kind in OF_FORMULAS if kind != "log"])
def test_inputs_and_targets_of_formulas_are_scaled_each_by_its_own_range(name, kind, target_kind):
    """Inputs by the declared range or the moments of their column; targets by those of the training rows."""
    spec, moments, inputs_NI, target_N = formula_of(name)
    scaled = normalization(spec, kind, target_kind, moments)
    found_NI, found_N = scaled.inputs(inputs_NI, "f8"), scaled.target(target_N, "f8")
    for column, (low, high) in enumerate(spec.input_ranges("train")):
        raw_N, width = inputs_NI[:, column].astype(float), high - low
        expected = {
            "none": raw_N,
            "unit": (raw_N - low) / (width or 1),
            "symmetric": 2 * (raw_N - low) / (width or 1) - (1 if width else 0),
            "zscore": (raw_N - raw_N.mean()) / (raw_N.std() or 1),
        }
        assert close(found_NI[:, column], expected[kind])
    wanted = kind if target_kind == "same" else target_kind
    if name == "constant":
        assert set(found_N.tolist()) == ({3.5} if wanted == "none" else {0.0})
    elif wanted in ("unit", "symmetric"):
        assert close([found_N.min(), found_N.max()], [0 if wanted == "unit" else -1, 1])
    elif wanted == "zscore":
        assert close([found_N.mean(), found_N.std()], [0, 1])
    else:
        assert (found_N == target_N).all()


POSSIBLE = [
    (name, kind)
    for name, given_spec in FORMULAS.items()
    for kind in OF_FORMULAS
    if problem_of(DatasetSpec(**given_spec, rows=5), kind) is None
]


@pytest.mark.parametrize(("name", "kind"), POSSIBLE)
@pytest.mark.parametrize("target_kind", get_args(TargetKind))
def test_restore_undoes_the_target_of_formulas(name, kind, target_kind):
    """For every pair of kinds; targets that have no logarithm are refused."""
    spec, moments, _, target_N = formula_of(name)
    if moments.target_min <= 0 and target_kind == "log":
        with pytest.raises(DataError, match=f"above 0, and the smallest .* is {moments.target_min:g}"):
            normalization(spec, kind, target_kind, moments)
        return
    scaled = normalization(spec, kind, target_kind, moments)
    np.testing.assert_allclose(scaled.restore(scaled.target(target_N, "f8")), target_N, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spec", [spec_of("product", 1000), DatasetSpec(**FORMULAS["positive"], rows=500)])
def test_logarithms_reach_from_minus_one_to_one(spec):
    """From the ends of the range: declared for inputs and tasks' targets, measured for formulas' targets."""
    moments = measure_facts(spec).moments if spec.formula else None
    scaled = normalization(spec, "log", moments=moments)
    ends_2I = np.array(spec.input_ranges("train")).T
    assert close(scaled.inputs(ends_2I, "f8"), [[-1] * spec.inputs, [1] * spec.inputs])
    low, high = (moments.target_min, moments.target_max) if moments else (1, 10**6)
    assert close(scaled.target(np.array([low, high]), "f8"), [-1, 1])
    middle = np.sqrt(low * high)
    assert scaled.restore(np.zeros(1))[0] == pytest.approx(middle)


def test_numbers_without_a_logarithm_become_nan_and_answers_without_bound_infinite():
    """Without a warning, as such rows lie beyond the range."""
    scaled = normalization(spec_of("square", 100), "log")
    assert np.isnan(scaled.inputs(np.array([[0], [-1], [-(2**31)]]), "f4")).all()
    assert np.isnan(scaled.target(np.array([0, -5]), "f8")).all()
    assert scaled.restore(np.array([1e9, -1e9])).tolist() == [math.inf, 0.0]
    wide = DatasetSpec(formula="x", low=-1e100, high=1e100, rows=5)
    assert np.isinf(normalization(wide, "none").inputs(block(wide, "train", 0)[0], "f4")).all()


@given(st.integers(1, 2000))
def test_moments_of_a_tasks_digits_are_exact(largest):
    """Mean and deviation of every digit over 1..largest, so that no rows are needed."""
    spec = DatasetSpec(task="square", largest=largest, rows=10, digits=2)
    digits_NI = spec.inputs_of(np.arange(1, largest + 1)[:, None])
    scaled = normalization(spec, "zscore")
    assert not needs_moments(spec, "zscore")
    assert close(scaled.input_shift, digits_NI.mean(0))
    assert close(scaled.input_scale, [std or 1.0 for std in digits_NI.std(0)])
    assert (normalization(spec, "unit").inputs(digits_NI, "f8") == digits_NI).all()
    assert (normalization(spec, "symmetric").inputs(digits_NI, "f8") == 2 * digits_NI - 1).all()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_scale_of_a_target_by_itself_is_that_of_its_kind(task, kind):
    """Whatever the kind of the inputs, which stay as they are."""
    spec = spec_of(task, 50)
    for target_kind in get_args(TargetKind):
        mixed, inputs = normalization(spec, kind, target_kind), normalization(spec, kind)
        target = inputs if target_kind == "same" else normalization(spec, target_kind)
        assert (mixed.input_shift, mixed.input_scale, mixed.log_inputs) == (
            inputs.input_shift,
            inputs.input_scale,
            inputs.log_inputs,
        )
        assert (mixed.target_shift, mixed.target_scale, mixed.log_target) == (
            target.target_shift,
            target.target_scale,
            target.log_target,
        )


def test_columns_of_one_scale_are_normalised_as_columns_of_their_own():
    """To the bit: the fast path takes one number for all columns."""
    raw_NI = np.random.default_rng(1).uniform(-5, 5, (100, 3))
    same = Normalization((1.25,) * 3, (0.7,) * 3, 0.0, 1.0)
    mixed = Normalization((1.25, 1.25, 9.0), (0.7, 0.7, 2.0), 0.0, 1.0)
    assert (same.inputs(raw_NI, "f4")[:, :2] == mixed.inputs(raw_NI, "f4")[:, :2]).all()
    assert (mixed.inputs(raw_NI, "f8")[:, 2] == (raw_NI[:, 2] - 9.0) / 2.0).all()


@pytest.mark.parametrize(
    ("given_spec", "kind", "said"),
    [
        (FORMULAS["real"], "question", 'write "unit"'),
        (FORMULAS["real"], "log", "down to -3"),
        (FORMULAS["digits"], "log", "remove digits"),
        ({"formula": "x", "low": 0, "high": 1}, "log", "a low above 0"),
        (FORMULAS["positive"], "log", None),
        ({"task": "sum", "largest": 5}, "log", None),
        ({"task": "sum", "largest": 5}, "question", None),
        (FORMULAS["real"], "none", None),
    ],
)
def test_what_a_dataset_cannot_be_scaled_by_is_said(given_spec, kind, said):
    """With the value and what to write."""
    found = problem_of(DatasetSpec(**given_spec, rows=5), kind)
    assert found is None if said is None else f'normalize = "{kind}"' in found and said in found


def test_a_formula_needs_the_moments_of_its_rows_only_where_its_ranges_are_not_enough():
    """Raw targets, and inputs in their declared range, need none; a task never does."""
    spec = DatasetSpec(**FORMULAS["positive"], rows=5)
    without = {(a, b) for a in OF_FORMULAS for b in get_args(TargetKind) if not needs_moments(spec, a, b)}
    assert without == {*((kind, "none") for kind in ("unit", "symmetric", "log", "none")), ("none", "same")}
    assert not any(needs_moments(spec_of("sum", 9), kind) for kind in KINDS)


def moments_of(inputs_NI, target_N):
    meter = Meter()
    list(meter.watch([(inputs_NI, target_N)]))
    return meter.moments()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "question"])
@pytest.mark.parametrize("target_kind", get_args(TargetKind))
def test_a_table_is_scaled_by_the_moments_of_its_training_rows(kind, target_kind):
    """Which are all that is known of it; a constant column stays finite."""
    (split,) = table_of(noisy(50)).splits
    draw = np.random.default_rng(0)
    inputs_NI, target_N = draw.uniform(1, 9, (50, 3)), draw.integers(1, 100, 50)
    inputs_NI[:, 1] = 4.0
    moments = moments_of(inputs_NI, target_N)
    assert needs_moments(split, kind, target_kind) == ((kind, target_kind) not in {("none", "none"), ("none", "same")})
    scale = normalization(split, kind, target_kind, moments)
    assert problem_of(split, kind) is None
    for values_NI, way in (
        (scale.inputs(inputs_NI, np.float64), kind),
        (scale.target(target_N, np.float64)[:, np.newaxis], kind if target_kind == "same" else target_kind),
    ):
        low_I, high_I = values_NI.min(axis=0)[[0, -1]], values_NI.max(axis=0)[[0, -1]]
        if way == "zscore":
            np.testing.assert_allclose(values_NI.mean(axis=0), 0, atol=1e-12)
            np.testing.assert_allclose(values_NI.std(axis=0)[[0, -1]], 1)
        elif way != "none":
            np.testing.assert_allclose(low_I, 0 if way == "unit" else -1, atol=1e-12)
            np.testing.assert_allclose(high_I, 1, atol=1e-12)
        assert np.isfinite(values_NI).all()
    if kind != "none":
        np.testing.assert_array_equal(scale.inputs(inputs_NI, np.float64)[:, 1], 0)
    np.testing.assert_allclose(scale.restore(scale.target(target_N, np.float64)), target_N)


def test_what_a_table_cannot_be_scaled_by_is_said():
    """Like the question no table; by a logarithm none with a number that has none, and its column is named."""
    (split,) = table_of(noisy(50)).splits
    assert "this is a table" in problem_of(split, "question")
    moments = moments_of(np.array([[1.0, 2.0, -3.0], [1.0, 0.5, 2.0]]), np.array([0, 1]))
    with pytest.raises(DataError, match='column "c" has -3 in a training row; write another normalize'):
        normalization(split, "log", "unit", moments)
    with pytest.raises(DataError, match="the smallest target of the training rows is 0"):
        normalization(split, "unit", "log", moments)
