"""Scales, lines and numbers of charts: order is kept, nothing leaves the plot, and numbers are written alike."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sumsquares.jobs.show.charts.lines import cut, simplified
from sumsquares.jobs.show.charts.numbers import LEAST, MINUS, MOST, axis_text, column_text, digits_text
from sumsquares.jobs.show.charts.scales import Linear, Log, Scale, SymLog, nice

ANY = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(min_value=-1e300, max_value=1e300)
FRACTION = st.floats(min_value=-3, max_value=4)


def scales_of(values: list[float]) -> list[Scale]:
    """Every kind of scale of these numbers; the logarithmic one of their sizes."""
    return [Linear.of(values), Log.of([abs(value) for value in values]), SymLog.of(values, 1.0)]


@given(st.lists(ANY, max_size=8))
def test_ticks_lie_on_the_axis_in_order_with_different_labels(values):
    """This holds for any numbers, none at all and infinite ones among them."""
    for scale in scales_of(values):
        places = [place for place, _ in scale.ticks()]
        labels = [label for _, label in scale.ticks()]
        assert places == sorted(places)
        assert all(-1e-6 <= place <= 1 + 1e-6 for place in places)
        assert len(set(labels)) == len(labels), (scale, labels)
        assert len(labels) <= 12


@given(st.lists(FINITE, min_size=1, max_size=8))
def test_places_have_the_order_of_the_numbers_and_lie_on_the_axis(values):
    """A larger number is never to the left of a smaller one."""
    for scale in scales_of(values):
        known = sorted({abs(value) for value in values} if isinstance(scale, Log) else set(values))
        places = [scale.at(value) for value in known]
        assert places == sorted(places)
        assert all(-1e-6 <= place <= 1 + 1e-6 for place in places)


@pytest.mark.parametrize("scale", [Linear.of([]), Log.of([]), SymLog.of([], math.nan), Log.of([0.0, 0.0])])
def test_what_is_no_number_has_no_place(scale):
    """NaN and the infinities are at NaN, where nothing is drawn."""
    assert all(math.isnan(scale.at(value)) for value in (math.nan, math.inf, -math.inf))


def test_zero_has_a_place_of_its_own_on_a_logarithmic_axis():
    """It is before all positive numbers; without a zero among the numbers it has none."""
    scale = Log.of([0.0, 1e-6, 10.0])
    assert scale.at(0.0) == 0 < scale.at(1e-6)
    assert scale.ticks()[0] == (0.0, "0")
    assert math.isnan(Log.of([1e-6, 10.0]).at(0.0))


@given(st.floats(min_value=1e-290, max_value=1e290))
def test_a_nice_number_is_the_next_larger_one(value):
    """It is 1, 2 or 5 times a power of ten, and less than 2.5 times the number."""
    found = nice(value)
    assert value <= found * (1 + 1e-8)
    assert found < 2.5 * value * (1 + 1e-8)
    assert f"{found:.3e}"[:5] in ("1.000", "2.000", "5.000")


@given(st.lists(st.tuples(FRACTION, FRACTION | st.just(math.nan) | st.just(math.inf)), max_size=20))
def test_what_is_cut_lies_inside_and_on_the_line(points):
    """Points inside stay as they are, others are left out, and nothing is outside."""
    parts = cut(points)
    kept = [point for part in parts for point in part]
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in kept)
    for first, second in pairwise(points):
        if all(0 <= part <= 1 for part in (*first, *second)):
            assert first in kept
            assert second in kept


def test_a_line_that_leaves_and_returns_is_two_parts():
    """It is cut at the edge, where it crosses it."""
    assert cut([(0.0, 0.5), (0.5, 1.5), (1.0, 0.5)]) == [[(0.0, 0.5), (0.25, 1.0)], [(0.75, 1.0), (1.0, 0.5)]]


@given(st.lists(st.tuples(st.integers(0, 480), st.integers(0, 300)), min_size=1, max_size=40))
def test_a_simplified_line_is_near_all_points_that_it_lacks(points):
    """Its points are some of the line's, in order, with both ends."""
    kept = simplified(points, 0.25)
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    rest = iter(points)
    assert all(point in rest for point in kept)
    pairs = list(pairwise(kept)) or [(kept[0], kept[0])]
    assert all(min(distance(point, *pair) for pair in pairs) <= 0.25 + 1e-9 for point in points)


def distance(point, first, second):
    """From a point to a segment, by its closest of many points."""
    along = (second[0] - first[0], second[1] - first[1])
    square = along[0] ** 2 + along[1] ** 2
    share = ((point[0] - first[0]) * along[0] + (point[1] - first[1]) * along[1]) / square if square else 0.0
    share = min(1.0, max(0.0, share))
    return math.dist(point, (first[0] + share * along[0], first[1] + share * along[1]))


@given(st.lists(FINITE | st.none(), min_size=1, max_size=8))
def test_numbers_of_a_column_are_written_alike(values):
    """Each is right to four digits; below 0.001 and from 1e9 on all have an exponent, and between them none has."""
    texts = column_text(values)
    whole = all(float(value).is_integer() and abs(value) < MOST for value in values if value is not None)
    for value, text in zip(values, texts, strict=True):
        if value is None or value == 0:
            assert text == ("-" if value is None else "0")
            continue
        assert float(text.replace(",", "")) == pytest.approx(value, rel=0 if whole else 5.1e-4)
        size = abs(float(f"{value:.3e}"))
        assert ("e" in text) == (not whole and not LEAST <= size < MOST)
        if not whole and size < 1000:
            digits = re.sub(r"e.*|[-,.]", "", text).lstrip("0")
            assert len(digits) == 4, text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([8.323e-05, 0.0001425, 0.5, 75777.3], ["8.323e-05", "1.425e-04", "0.5000", "75,777"]),
        ([999.96, 1.0, 0.00099999], ["1,000", "1.000", "0.001000"]),
        ([3, 0, 1200, None], ["3", "0", "1,200", "-"]),
        ([math.nan, math.inf, -math.inf, 0.25], ["-", "infinite", "-infinite", "0.2500"]),
        ([-0.0, 0.5], ["0", "0.5000"]),
        ([], []),
    ],
)
def test_columns_look_like_this(values, texts):
    """Small numbers have an exponent, also those that would be short without; integers have no decimals."""
    assert column_text(values) == texts


def test_a_number_of_fewer_digits_follows_the_same_rule():
    """Of a large number all digits before the decimal point are told."""
    assert [digits_text(value, 1) for value in (0.0002, 5e-5, 0.5, 20, 0)] == ["2e-04", "5e-05", "0.5", "20", "0"]
    assert [digits_text(value, 2) for value in (-12345, 0.0999, 0.996, 99.6)] == ["-12,345", "0.10", "1.0", "100"]


def test_labels_of_an_axis_have_the_same_decimals_and_exponent():
    """Large and small ones have a power of ten, and a true minus sign."""
    assert axis_text([0, 500_000, 1_000_000], 500_000) == ["0", "0.5·10⁶", "1.0·10⁶"]
    assert axis_text([-0.5, 0, 0.5], 0.5) == [f"{MINUS}0.5", "0", "0.5"]
    assert axis_text([0, 1e-5, 2e-5], 1e-5) == ["0", "1·10⁻⁵", "2·10⁻⁵"]
    assert axis_text([0, 50_000], 50_000) == ["0", "50,000"]
