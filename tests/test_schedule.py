"""Factors of the learning rate and Adam's bias corrections, against mpmath."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from sumsquares.jobs.engines.schedule import BETA1, BETA2, bias_corrections, lr_factors


@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_a_cosine_decays_from_one_to_zero(steps):
    """The error is at most 2 ulps of 1."""
    exact = [(1 + mpmath.cos(mpmath.pi * t / steps)) / 2 for t in range(steps)]
    np.testing.assert_allclose(lr_factors("cosine", 0, steps, steps), np.array(exact, float), rtol=0, atol=4.5e-16)
    assert lr_factors("cosine", 0, 1, steps)[0] == 1.0


def test_a_constant_schedule_stays_at_one():
    """This holds for any range of steps."""
    assert lr_factors("constant", 5, 9, 100).tolist() == [1.0] * 4


@pytest.mark.parametrize("begin", [0, 1, 999, 39_999, 10**9])
def test_bias_corrections_are_those_of_adam(begin):
    """They are 1 / (1 - beta1^t) and 1 / sqrt(1 - beta2^t) for t from 1, to 1e-11 in spite of the cancellation."""
    first, second = bias_corrections(begin, begin + 3)
    for index, t in enumerate(range(begin + 1, begin + 4)):
        assert first[index] == pytest.approx(float(1 / (1 - mpmath.mpf(BETA1) ** t)), rel=1e-11)
        assert second[index] == pytest.approx(float(1 / mpmath.sqrt(1 - mpmath.mpf(BETA2) ** t)), rel=1e-11)


def test_any_range_of_steps_has_the_numbers_of_all_steps():
    """A training that resumes therefore has the same bits."""
    np.testing.assert_array_equal(bias_corrections(3, 9), bias_corrections(0, 20)[:, 3:9])
    np.testing.assert_array_equal(lr_factors("cosine", 3, 9, 20), lr_factors("cosine", 0, 20, 20)[3:9])
