"""Errors of predictions against plain Python's arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.engines.metrics import measure


def measured(answers_MN, target_N, pieces, chosen_N=None):
    """Measures predictions that are looked up by row number, with the rows cut into pieces."""
    rows = np.arange(len(target_N))[:, None].astype(np.float64)
    cuts = np.array_split(np.arange(len(target_N)), pieces)
    return measure(
        lambda x_NI: answers_MN[:, x_NI[:, 0].astype(int)],
        ((rows[cut], target_N[cut]) for cut in cuts if len(cut)),
        lambda predictions: predictions.astype(np.float64, copy=False),
        chosen_N,
    )


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(1, 10**6)), min_size=1, max_size=600),
    st.integers(1, 5),
    st.lists(st.booleans(), max_size=600),
)
@settings(max_examples=40, deadline=None)
def test_every_sum_is_what_exact_arithmetic_gives(rows, pieces, chosen):
    """For two models, with the rows in any number of pieces, and any of the first rows chosen."""
    answers_MN = np.array([[row[0] for row in rows], [row[1] for row in rows]])
    target = [row[2] for row in rows]
    chosen = chosen[: len(rows)]
    errors = measured(answers_MN, np.array(target), pieces, np.array(chosen, bool))
    mean = Fraction(sum(target), len(target))
    spread = float(sum((Fraction(t) - mean) ** 2 for t in target))
    for model, answers in enumerate(answers_MN.tolist()):
        exact = [Fraction(a) - t for a, t in zip(answers, target, strict=True)]
        rounded = [round(a) - t for a, t in zip(answers, target, strict=True)]
        squares = float(sum(e * e for e in exact))
        assert errors.rmse[model] == pytest.approx(math.sqrt(squares / len(target)), rel=1e-9, abs=1e-9)
        assert errors.rmse_rounded[model] == pytest.approx(
            math.sqrt(sum(r * r for r in rounded) / len(target)), rel=1e-12
        )
        assert errors.largest_M[model] == pytest.approx(float(max(map(abs, exact))), abs=1e-9)
        assert errors.mae[model] == pytest.approx(float(sum(map(abs, exact)) / len(target)), rel=1e-9, abs=1e-9)
        picked = [e for e, is_chosen in zip(exact, chosen, strict=False) if is_chosen]
        if picked:
            alone = math.sqrt(float(sum(e * e for e in picked)) / len(picked))
            assert errors.rmse_chosen[model] == pytest.approx(alone, rel=1e-9, abs=1e-9)
        else:
            assert np.isnan(errors.rmse_chosen[model])
        assert errors.exact_fraction[model] == sum(r == 0 for r in rounded) / len(target)
        if spread > 1e-3:
            assert errors.r2[model] == pytest.approx(1 - squares / spread, rel=1e-6, abs=1e-6)


def test_one_model_that_is_not_finite_leaves_the_other_as_it_is():
    """Only its own sums are not finite."""
    errors = measured(np.array([[1.0, np.nan], [1.0, 2.0]]), np.array([1, 2]), 1)
    assert np.isnan(errors.rmse[0])
    assert errors.rmse[1] == 0


def test_targets_that_do_not_vary_have_no_r2():
    """R2 is NaN, not infinite."""
    assert np.isnan(measured(np.array([[3.0, 4.0]]), np.array([3, 3]), 1).r2[0])


def test_targets_too_large_to_be_squared_have_no_errors_and_warn_of_nothing(recwarn):
    """Beyond its range a formula may have any finite value."""
    errors = measured(np.zeros((1, 4)), np.array([1e200, -1e250, 3e180, 1.0]), 2)
    assert not np.isfinite([errors.rmse[0], errors.r2[0]]).any()
    assert errors.mae[0] == pytest.approx(2.5e249)
    assert not recwarn.list


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=50), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_accuracy_counts_the_answers_on_the_targets_side_of_one_half(rows, pieces):
    """One half itself is above."""
    answers_N, target_N = np.array(rows).T
    right = [(answer >= 0.5) == (target >= 0.5) for answer, target in rows]
    assert measured(answers_N[None], target_N, pieces).accuracy[0] == sum(right) / len(rows)


@given(st.lists(st.booleans(), min_size=1, max_size=3000), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_rows_without_a_finite_target_are_left_out(is_known, pieces):
    """The errors are those of the other rows; of none of them, nothing is known."""
    draw, is_known_N = np.random.default_rng(0), np.array(is_known)
    target_N, answers_MN = draw.normal(size=len(is_known)), draw.normal(size=(2, len(is_known)))
    found = measured(answers_MN, np.where(is_known_N, target_N, np.nan), pieces, is_known_N[:7])
    assert found.count == is_known_N.sum()
    if not found.count:
        assert all(np.isnan(values).all() for values in (found.rmse, found.mae, found.r2, found.exact_fraction))
        return
    expected = measured(answers_MN[:, is_known_N], target_N[is_known_N], 1, np.ones(is_known_N[:7].sum(), bool))
    for name in ("rmse", "mae", "r2", "rmse_chosen", "exact_fraction", "accuracy"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9)


@given(st.integers(0, 99), st.integers(1, 60), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_a_models_errors_are_the_same_bits_beside_any_others(seed, models, pieces):
    """They are the same alone and among so many that they are compared in blocks."""
    draw = np.random.default_rng(seed)
    target = draw.integers(1, 10**6, size=1500)
    answers_MN = target + draw.normal(scale=3.0, size=(models, len(target)))
    answers_MN[draw.integers(models)] *= 1e200  # the squares overflow
    together = measured(answers_MN, target, pieces)
    model = int(draw.integers(models))
    alone = measured(answers_MN[model : model + 1], target, pieces)
    for name in ("squares_M", "rounded_squares_M", "largest_M", "exact_M"):
        assert getattr(alone, name)[0].tobytes() == getattr(together, name)[model].tobytes()


@given(st.integers(0, 99), st.integers(1, 70), st.sampled_from([1, 7, 8, 500, 1000]), st.sampled_from(["f4", "f8"]))
@settings(max_examples=30, deadline=None)
def test_every_sum_has_the_bits_of_the_plain_one_of_its_model(seed, models, rows, dtype):
    """Of predictions in float64 or float32, which are left as they are."""
    draw = np.random.default_rng(seed)
    target_N, chosen_N = draw.integers(-2, 3, size=rows), draw.random(rows) < 0.5
    answers_MN = (target_N + draw.normal(scale=0.6, size=(models, rows))).astype(dtype)
    answers_MN[draw.integers(models), draw.integers(rows)] = draw.choice([np.nan, np.inf, 0.5])
    before = answers_MN.tobytes()
    found = measured(answers_MN, target_N, 1, chosen_N)
    assert answers_MN.tobytes() == before
    for model, answer_N in enumerate(answers_MN.astype(np.float64)):
        error_N, rounded_N = answer_N - target_N, np.rint(answer_N) - target_N
        plain = {
            "squares_M": np.square(error_N).sum(),
            "chosen_squares_M": np.square(error_N)[chosen_N].sum(),
            "rounded_squares_M": np.square(rounded_N).sum(),
            "largest_M": np.abs(error_N).max(),
            "absolute_M": np.abs(error_N).sum(),
            "exact_M": np.count_nonzero(rounded_N == 0),
            "right_side_M": np.count_nonzero((answer_N >= 0.5) == (target_N >= 0.5)),
        }
        for name, value in plain.items():
            np.testing.assert_array_equal(getattr(found, name)[model], value)
