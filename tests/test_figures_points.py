"""Where along an input a line is drawn: few enough points, and steep where the rule jumps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.datasets.source import Range
from sumsquares.jobs.results.figures.points import MOST, Span, along, even, span_of_column

integers = st.integers(-(10**9), 10**9)
spans = st.builds(
    lambda start, widths, is_integer: Span(*np.cumsum([start, *widths]).tolist(), is_integer=is_integer),
    integers,
    st.tuples(*[st.integers(0, 10**6)] * 3),
    st.booleans(),
)


def huge(x_N):
    """Targets at the ends of float64."""
    return np.where(x_N % 2 < 1, -1.7e308, 1.7e308)


@given(spans, st.sampled_from([None, np.sin, np.floor, np.sqrt, np.zeros_like, huge, lambda x: 1 / x, lambda x: x % 7]))
def test_points_increase_from_end_to_end_and_are_few(span, rule):
    """Both ends of the training range are among them; integers are integers, and all of them where there are few."""
    with np.errstate(all="ignore"):
        points_P = along(span, rule)
    assert len(points_P) <= MOST
    assert np.all(np.diff(points_P) > 0)
    assert {span.begin, span.low, span.high, span.end} <= set(points_P.tolist())
    if span.is_integer:
        np.testing.assert_array_equal(points_P, np.rint(points_P))
        if span.end - span.begin < MOST:
            np.testing.assert_array_equal(points_P, np.arange(span.begin, span.end + 1))


@given(st.lists(st.floats(-1, 2), min_size=1, max_size=10), st.integers(0, 2**31))
def test_the_steps_of_a_rule_are_steep(places, seed):
    """On both sides of each there is a point, closer than any pixel."""
    heights = np.random.default_rng(seed).integers(0, 4, len(places) + 1).astype(float)
    edges = np.sort(places)

    def rule(x_N):
        return heights[np.searchsorted(edges, x_N)]

    points_P = along(Span(-1.0, 0.0, 1.0, 2.0, False), rule)
    for left, right in itertools.pairwise(points_P):
        jump = abs(rule(np.array([right])) - rule(np.array([left])))[0]
        crossed = np.count_nonzero((edges >= left) & (edges < right))
        assert right - left < 3 / 1000 or not jump or crossed > 1


@pytest.mark.parametrize("period", [7, 13, 501])
@pytest.mark.parametrize("is_integer", [False, True])
def test_a_rule_that_repeats_itself_quickly_is_drawn_at_its_height(period, is_integer):
    """In every twentieth of the range, though its period is far below the distance of the points."""
    end = 501_000.0
    points_P = along(Span(0.0, 0.0, end, end, is_integer), lambda x: x % period)
    for start in np.arange(20) * end / 20:
        drawn = points_P[(points_P >= start) & (points_P < start + end / 20)] % period
        assert np.ptp(drawn) > 0.75 * (period - 1)


def test_a_smooth_rule_gets_no_more_points_than_an_unknown_one():
    """A line is drawn through them all the same."""
    span = Span(-1.0, 0.0, 1.0, 2.0, False)
    np.testing.assert_array_equal(along(span, np.square), along(span, None))


@given(spans)
def test_a_lattice_is_even_and_has_both_ends(span):
    """Of few integers it has all."""
    points_P = even(span, 48)
    assert (points_P[0], points_P[-1]) == (span.begin, span.end)
    assert len(points_P) <= 48
    gaps_P = np.diff(points_P)
    assert len(points_P) == 1 or np.ptp(gaps_P) <= (1 if span.is_integer else 1e-6 * max(1, *map(abs, span[:4])))


@given(integers, st.integers(0, 10**6), st.booleans())
def test_a_column_is_drawn_beyond_its_range_on_both_sides(low, width, is_integer):
    """By a share of its width, of integers rounded up."""
    span = span_of_column(Range(low, low + width), is_integer, 0.25)
    assert span.low - span.begin == span.end - span.high == (-(-width // 4) if is_integer else 0.25 * width)
    assert not span.is_integer or float(span.begin).is_integer()
