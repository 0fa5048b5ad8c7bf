"""Facts of a dataset against a plain reference: sets of Python tuples, and exact least squares."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.datasets import seen as module
from sumsquares.datasets.facts import largest_target, linear_fit, measure_facts
from sumsquares.datasets.rows import block, block_count
from sumsquares.datasets.spec import DatasetSpec
from sumsquares.jobs.spec.job_spec import load_spec

SPECS = st.builds(
    lambda task, numbers, largest, rows, test_rows, unused, seed: DatasetSpec(
        task=task,
        n_numbers=1 if task == "square" else numbers,
        largest=largest,
        rows=rows,
        test_rows=test_rows,
        unused=unused,
        seed=seed,
    ),
    st.sampled_from(["sum", "product", "square", "sum_of_squares"]),
    st.integers(1, 3),
    st.one_of(st.integers(1, 12), st.sampled_from([100, 60_000, 1_000_000])),
    st.integers(1, 400),
    st.integers(1, 60),
    st.integers(0, 2),
    st.integers(0, 3),
)


FORMULAS = st.builds(
    lambda formula, ends, rows, test_rows, unused, seed, numbers, digits: DatasetSpec(
        formula=formula,
        low=ends[0],
        high=ends[1],
        numbers="integer" if digits else numbers,
        digits=2 if digits else None,
        unused=0 if digits else unused,
        rows=rows,
        test_rows=test_rows,
        seed=seed,
    ),
    st.sampled_from(["3 * x - 1", "x**2", "x % 2", "4.5 + 0 * x", "max(x, 2) / 7"]),
    st.sampled_from([(0, 1), (0, 12), (3, 700), (1, 2**20)]),
    st.integers(1, 400),
    st.integers(1, 60),
    st.integers(0, 2),
    st.integers(0, 3),
    st.sampled_from(["integer", "real"]),
    st.booleans(),
)


def rows_of(spec, split):
    """All rows as Python's numbers: (inputs, target)."""
    found = []
    for index in range(block_count(spec, split)):
        inputs_NI, target_N = block(spec, split, index)
        found += zip(map(tuple, inputs_NI.tolist()), target_N.tolist(), strict=True)
    return found


def exact_fit(rows):
    """The squared error of the best linear function, by exact elimination on the normal equations."""
    matrix = [[*map(Fraction, inputs), Fraction(1), Fraction(target)] for inputs, target in rows]
    size = len(matrix[0])
    normal = [[sum(row[i] * row[j] for row in matrix) for j in range(size)] for i in range(size)]
    for pivot in range(size - 1):
        if normal[pivot][pivot]:
            for other in range(pivot + 1, size):
                factor = normal[other][pivot] / normal[pivot][pivot]
                normal[other] = [a - factor * b for a, b in zip(normal[other], normal[pivot], strict=True)]
    return normal[-1][-1]


@given(SPECS | FORMULAS)
@settings(max_examples=240, deadline=None)
def test_facts_are_what_a_plain_reference_finds(spec):
    """Which test rows were seen, what they cover, whether the target varies, and how far a linear function gets."""
    train, test = rows_of(spec, "train"), rows_of(spec, "test")
    seen = {inputs for inputs, _ in train}
    facts = measure_facts(spec)
    assert facts.seen_N.tolist() == [inputs in seen for inputs, _ in test]
    assert facts.unseen == sum(inputs not in seen for inputs, _ in test)
    used = spec.n_digits or spec.n_numbers
    numbers = {inputs[:used] for inputs, _ in train}
    assert facts.unseen_numbers == sum(inputs[:used] not in numbers for inputs, _ in test)
    different = {inputs[:used] for inputs, _ in test}
    assert facts.distinct == len(different)
    low, high = spec.source.parts("train")[0][0]
    assert facts.covers_range == (not spec.source.is_real and len(different) == (high - low + 1) ** spec.n_numbers)
    assert facts.constant == (len({target for _, target in train + test}) == 1)
    largest = max(abs(target) for _, target in test)
    assert facts.largest_target == largest_target(spec) == largest
    expected = math.sqrt(float(exact_fit(test)) / len(test))
    assert facts.linear_rmse == pytest.approx(expected, rel=1e-6, abs=1e-9 * largest)


@given(SPECS | FORMULAS)
@settings(max_examples=60, deadline=None)
def test_hashed_keys_find_the_same_rows(spec):
    """Rows too wide for 64 bits are found by a hash and then compared: the same as by their place."""
    expected = measure_facts(spec).seen_N
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._RowKeys, "exact", property(lambda _: False))
        assert (measure_facts(spec).seen_N == expected).all()


def test_rows_of_sixteen_large_numbers_are_compared_by_all_of_them():
    """Their range has 496 bits."""
    spec = DatasetSpec(task="sum", n_numbers=16, largest=2**31 - 1, rows=100, test_rows=50)
    assert measure_facts(spec).unseen == 50


def test_the_questions_squares_have_the_known_share_of_seen_rows():
    """Of the 1,000 test numbers of examples/question.toml 643 are in training, by DuckDB and by us."""

    spec = load_spec(Path(__file__).parent.parent / "examples/question.toml")
    (squares,) = (dataset for dataset in spec.datasets if dataset.name == "squares")
    facts = measure_facts(squares)
    assert (len(facts.seen_N), facts.unseen) == (1000, 357)


def test_only_the_first_rows_of_a_large_test_split_are_looked_for(monkeypatch):
    """So that memory is bounded; how many were measured is the length of the answer."""
    monkeypatch.setattr(module, "MEASURED_ROWS", 70_000)
    spec = DatasetSpec(task="square", largest=1_000_000, rows=10, test_rows=140_000)
    facts = measure_facts(spec)
    assert len(facts.seen_N) == 70_000
    assert facts.unseen >= 69_000
    assert np.isfinite(facts.linear_rmse)


@pytest.mark.parametrize("task", ["square", "product"])
def test_the_fit_to_many_rows_is_that_of_all_rows_at_once(task):
    """By the normal equations, where the rows take more than one block; sums stay exact."""
    spec = DatasetSpec(task=task, largest=1000, rows=10, test_rows=150_000, unused=1)
    parts = [block(spec, "test", index) for index in range(block_count(spec, "test"))]
    columns = np.column_stack([np.concatenate([x_NI for x_NI, _ in parts]), np.ones(spec.test_rows)]).astype(float)
    target_N = np.concatenate([y_N for _, y_N in parts]).astype(float)
    weights, *_ = np.linalg.lstsq(columns, target_N)
    expected = math.sqrt(np.square(columns @ weights - target_N).mean())
    assert linear_fit(spec)[2] == pytest.approx(expected, rel=1e-9)
    assert linear_fit(spec.model_copy(update={"task": "sum", "n_numbers": spec.n_numbers}))[2:] == (0.0, True)


def test_a_line_through_targets_beyond_floats_is_no_limit():
    """Two rows of products near 2^61 lie on a line; the error of float64 is not the line's."""
    spec = DatasetSpec(task="product", largest=1_518_500_249, rows=50, test_rows=2)
    low, high, rmse, is_exact = linear_fit(spec)
    assert high > low > 2**53
    assert (rmse, is_exact) == (0.0, False)  # whether each answer is right can't be told either


def test_real_numbers_are_found_by_their_value():
    """A test row with the bits of a training row is seen; a zero of the other sign is the same number."""
    keys = module._RowKeys(2, None, mix=module._MIX[0])
    rows_NI = np.array([[0.0, 0.5], [-0.0, 0.5], [0.5, 0.0], [np.nextafter(0.0, 1), 0.5]])
    first, minus, other, near = keys.of(rows_NI).tolist()
    assert first == minus
    assert len({first, other, near}) == 3


def test_only_integer_targets_can_be_met_exactly():
    """A line through real targets fits them, but no answer is right after rounding."""
    line = {"low": -5, "high": 5, "numbers": "integer", "rows": 60, "test_rows": 60}
    exact, real = (measure_facts(DatasetSpec(formula=text, **line)) for text in ("2 * x - 1", "2.5 * x - 1"))
    assert (exact.linear_rmse, exact.linear_exact) == (0.0, True)
    assert (real.linear_rmse, real.linear_exact) == (0.0, False)


@pytest.mark.parametrize("power", [-200, -20, 0, 20, 90])
def test_the_fit_has_the_scale_of_the_targets(power):
    """However large or small they are: no square leaves the range of floats."""
    spec = DatasetSpec(formula=f"1e{power} * x**2", low=-1.0, high=2.0, rows=10, test_rows=1000)
    plain = DatasetSpec(formula="x**2", low=-1.0, high=2.0, rows=10, test_rows=1000)
    assert linear_fit(spec).rmse == pytest.approx(float(f"1e{power}") * linear_fit(plain).rmse, rel=1e-9)


def test_the_fit_to_many_inputs_is_that_of_all_rows_at_once(monkeypatch):
    """By the normal equations, which take a tenth of the time."""
    spec = DatasetSpec(formula="sum(x) + x1 * x2", n_numbers=100, low=-1.0, high=3.0, rows=10, test_rows=900)
    found = linear_fit(spec).rmse
    monkeypatch.setattr("sumsquares.datasets.linear_fit._MANY_INPUTS", 1000)
    assert found == pytest.approx(linear_fit(spec).rmse, rel=1e-9)


def test_a_thousand_inputs_are_measured():
    """1,024 of them, as many as a dataset may have."""
    spec = DatasetSpec(formula="mean(x)", n_numbers=1024, low=0.0, high=1.0, rows=300, test_rows=200)
    facts = measure_facts(spec)
    assert (facts.unseen, facts.distinct, len(facts.moments.input_mean)) == (200, 200, 1024)


def test_noise_is_measured_on_the_training_rows():
    """As the root mean square of what was added to their targets; the test rows have none."""
    noisy = DatasetSpec(formula="x**2", low=-1.0, high=1.0, noise=0.25, rows=70_000)
    plain = noisy.model_copy(update={"noise": 0.0})
    added_N = np.concatenate([block(noisy, "train", index)[1] - block(plain, "train", index)[1] for index in range(2)])
    facts = measure_facts(noisy)
    assert facts.noise_rmse == pytest.approx(np.sqrt(np.mean(added_N**2)), rel=1e-12)
    assert facts.noise_rmse == pytest.approx(0.25, rel=0.02)
    assert facts.largest_target == measure_facts(plain).largest_target <= 1
    assert measure_facts(plain).noise_rmse == 0
