"""Least squares, block by block, gives what numpy's solver gives for all rows at once."""

from __future__ import annotations

import numpy as np
import pytest

from sumsquares.jobs.results.least_squares import fit


def errors_of(inputs_NI, target_N, blocks=1):
    """The errors of the fit on its own rows, and those of numpy.linalg.lstsq with a column of ones."""
    cut = np.array_split(np.arange(len(target_N)), blocks)
    linear = fit(lambda: ((inputs_NI[rows], target_N[rows]) for rows in cut if len(rows)))
    ours_N = (linear.scale.columns(inputs_NI) @ linear.weights_C - linear.scale.target(target_N)) * linear.scale.half
    columns = np.column_stack([inputs_NI, np.ones(len(target_N))]).astype(float)
    centred = columns - [*columns[:, :-1].mean(axis=0), 0.0]  # the same functions, in columns that suit the solver
    length = np.linalg.norm(centred, axis=0)
    weights, *_ = np.linalg.lstsq(centred / np.where(length > 0, length, 1.0), target_N, rcond=1e-12)
    return ours_N, centred / np.where(length > 0, length, 1.0) @ weights - target_N, linear


@pytest.mark.parametrize("seed", range(20))
def test_errors_are_those_of_numpys_solver(seed):
    """Whatever the units of the columns and the number of blocks."""
    draw = np.random.default_rng(seed)
    rows, inputs = int(draw.integers(20, 400)), int(draw.integers(1, 12))
    units = 10.0 ** draw.integers(-12, 12, inputs)
    inputs_NI = (draw.normal(size=(rows, inputs)) + draw.normal(size=inputs) * 100) * units
    target_N = inputs_NI @ (draw.normal(size=inputs) / units) + draw.normal(size=rows) * 10.0 ** draw.integers(-6, 3)
    ours_N, theirs_N, linear = errors_of(inputs_NI, target_N, int(draw.integers(1, 5)))
    np.testing.assert_allclose(ours_N, theirs_N, atol=1e-9 * np.abs(target_N).max())
    assert linear.rows == rows


@pytest.mark.parametrize("power", [2, 4, 6])
def test_nearly_dependent_columns_keep_their_digits(power):
    """Two inputs that differ by a millionth of their size both count, as the squares of a normal equation would not."""
    draw = np.random.default_rng(power)
    first_N = draw.normal(size=500)
    inputs_NI = np.column_stack([first_N, first_N + 10.0**-power * draw.normal(size=500)])
    target_N = 10.0**power * (inputs_NI[:, 1] - inputs_NI[:, 0])
    ours_N, _, _ = errors_of(inputs_NI, target_N, 3)
    assert np.abs(ours_N).max() < 1e-8


def test_columns_that_follow_from_others_and_constants_do_no_harm():
    """The fit is that without them, also where there are fewer rows than columns."""
    draw = np.random.default_rng(1)
    first_NI = draw.normal(size=(60, 3))
    target_N = first_NI @ [1.0, 2.0, 3.0] + draw.normal(size=60)
    more_NI = np.column_stack([first_NI, first_NI[:, 0] + first_NI[:, 1], np.full(60, 7.0), first_NI[:, 2]])
    np.testing.assert_allclose(errors_of(more_NI, target_N, 2)[0], errors_of(first_NI, target_N)[0], atol=1e-9)
    few_NI, few_N = more_NI[:2], target_N[:2]
    assert np.abs(errors_of(few_NI, few_N)[0]).max() < 1e-9


@pytest.mark.parametrize("size", [1e-90, 1e90])
def test_numbers_of_any_size_are_fitted(size):
    """Their squares stay within float64."""
    inputs_NI = np.arange(50.0)[:, None] * size
    ours_N, _, linear = errors_of(inputs_NI, 3 * inputs_NI[:, 0] + size, 4)
    assert np.abs(ours_N).max() < 1e-9 * size
    assert np.isfinite(linear.weights_C).all()


def test_the_mean_is_that_of_all_rows():
    """Not of the first block."""
    target_N = np.arange(100, dtype=np.int64) ** 2
    _, _, linear = errors_of(np.ones((100, 1)), target_N, 7)
    assert linear.mean * linear.scale.half + linear.scale.centre == pytest.approx(target_N.mean())
