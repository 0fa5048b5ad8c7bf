import math
import statistics
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.jobs.results.grouped import Grouped
from sumsquares.jobs.results.student_t import student_t975

NUMBERS = st.sampled_from([0.0, math.nan, math.inf]) | st.floats(min_value=1e-100, max_value=1e100)
GROUPS = st.lists(st.lists(NUMBERS, max_size=9), min_size=1, max_size=6)


def grouped(groups: list[list[float]]) -> Grouped:
    pairs = [(value, group) for group, values in enumerate(groups) for value in values]
    return of_pairs(pairs, len(groups))


def of_pairs(pairs: list[tuple[float, int]], groups: int) -> Grouped:
    values = np.array([value for value, _ in pairs], dtype=np.float64)
    return Grouped.of(values, np.array([group for _, group in pairs], dtype=np.intp), groups)


@settings(max_examples=100, deadline=None)
@given(groups=GROUPS)
def test_every_statistic_is_the_one_that_plain_python_computes(groups: list[list[float]]) -> None:
    """Each group's statistics are those of Python's module for its finite numbers; NaN where there are too few."""
    found = grouped(groups)
    for group, values in enumerate(groups):
        finite = [value for value in values if math.isfinite(value)]
        assert found.count[group] == len(finite)
        if not finite:
            assert all(math.isnan(s[group]) for s in (found.mean, found.median, found.std, found.min, found.max))
            continue
        assert (found.min[group], found.max[group]) == (min(finite), max(finite))
        assert found.mean[group] == pytest.approx(statistics.fmean(finite), rel=1e-14, abs=0)
        assert found.median[group] == pytest.approx(statistics.median(finite), rel=1e-14, abs=1e-300)
        if len(finite) == 1:
            assert math.isnan(found.std[group])
        else:
            exact = statistics.stdev([Fraction(value) for value in finite])
            assert found.std[group] == pytest.approx(float(exact), rel=1e-9, abs=1e-14 * max(finite))
            half = student_t975(np.array([len(finite) - 1]))[0] * found.std[group] / math.sqrt(len(finite))
            assert found.ci95_half[group] == pytest.approx(half, rel=1e-14)


@settings(max_examples=50, deadline=None)
@given(groups=GROUPS, data=st.data())
def test_the_order_of_the_numbers_changes_no_bit(groups: list[list[float]], data: st.DataObject) -> None:
    """Any order of the same numbers gives the same statistics to the bit."""
    pairs = [(value, group) for group, values in enumerate(groups) for value in values]
    other = of_pairs(data.draw(st.permutations(pairs)), len(groups))
    for name in ("count", "mean", "std", "median", "min", "max", "ci95_half"):
        assert getattr(grouped(groups), name).tobytes() == getattr(other, name).tobytes()


def t_probability(t: float, df: int) -> float:
    """P(|T| < t): the finite sums for whole degrees of freedom, Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(df))
    odd = df % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1 + odd, df, 2):
        total += term
        term *= math.cos(angle) ** 2 * k / (k + 1)
    total *= math.sin(angle)
    return 2 / math.pi * (angle + total) if odd else total


def test_students_t_holds_95_percent_for_every_number_of_seeds() -> None:
    """The quantiles enclose 95 % of the distribution, computed by exact sums, for 1 to 1000 degrees of freedom."""
    quantiles = student_t975(np.arange(1, 1001))
    assert all(t_probability(t, df) == pytest.approx(0.95, abs=1.2e-6) for df, t in enumerate(quantiles, start=1))


def test_students_t_agrees_with_printed_tables() -> None:
    """The values that every textbook prints, for 1, 2, 4, 9, 29 and 120 degrees of freedom."""
    found = student_t975(np.array([0, 1, 2, 4, 9, 29, 120]))
    assert np.isnan(found[0])
    assert found[1:].round(3).tolist() == [12.706, 4.303, 2.776, 2.262, 2.045, 1.980]
