"""datasets/formulas/range_check.py: where a formula has no finite value is found before anything is generated."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from formula_texts import formulas
from hypothesis import given, settings
from hypothesis import strategies as st

from sumsquares.datasets.formulas.boxes import Boxes, step_bounds
from sumsquares.datasets.formulas.formula import Formula, parse
from sumsquares.datasets.formulas.range_check import MOST_COMBINATIONS, check_range

FAULTS = (
    "1 / ({0})",
    "({0}) % ({1})",
    "({0}) // ({1})",
    "log({0})",
    "sqrt({0})",
    "({0})**-2",
    "({1})**({0})",
    "tan({0})",
)
FAULTS += ("exp(99 * ({0}))", "where({0} > 1, log({0}), {1})", "where({0} != 0 and 1 / ({0}) > 0, {1}, {0})")


def message(text, low, high, numbers="real"):
    """What is said of a formula on one range of all its inputs."""
    expression = parse(text)
    count = expression.n_numbers
    return check_range(Formula(expression, (low,) * count, (high,) * count, numbers == "real"))


@st.composite
def faulty(draw):
    """Formulas that may divide by zero and the like, somewhere."""
    parts = st.sampled_from(["x1", "x2", "x1 - x2", "x1 + 2.5", "x1 * x2", "3", "abs(x1) + 1", "x2**2 - 4", "sin(x1)"])
    inner = st.builds(str.format, st.sampled_from(FAULTS), parts, parts)
    return f"{draw(st.one_of(inner, st.builds(str.format, st.sampled_from(FAULTS), inner, parts)))} + 0 * x1 * x2"


def has_value(text, row):
    """Whether plain Python finds a finite value; it evaluates what it needs alone."""
    found = parse(text).of(np.array([row], dtype=np.float64))
    return bool(np.isfinite(found[0]))


@given(text=faulty(), low=st.integers(-3, 2), width=st.integers(0, 3))
def test_integers_are_all_tried(text, low, width):
    """Where nothing is said, each row of integers has a finite value; else the place is named."""
    found = message(text, low, low + width, "integer")
    every = list(itertools.product(range(low, low + width + 1), repeat=2))
    if found is None:
        assert all(has_value(text, row) for row in every)
    else:
        assert " at x" in found or "whatever the inputs are" in found


@given(text=faulty(), low=st.floats(-3, 3), width=st.floats(0.1, 3), rows=st.lists(st.tuples(*[st.floats(0, 1)] * 2)))
@settings(max_examples=50)
def test_where_nothing_is_said_random_rows_have_values(text, low, width, rows):
    """Of real numbers, none that is drawn has no finite value, unless the search told so."""
    if message(text, low, low + width) is None:
        assert all(has_value(text, tuple(low + width * u for u in row)) for row in rows)


@given(
    text=st.one_of(faulty(), formulas()),
    low=st.tuples(*[st.floats(-4, 4)] * 2),
    width=st.tuples(*[st.floats(0, 2)] * 2),
    share=st.lists(st.tuples(*[st.floats(0, 1)] * 2), min_size=1, max_size=4),
)
def test_bounds_hold_for_each_step(text, low, width, share):
    """For every point of a box, every part of a formula lies within the bounds that are computed for the box."""
    program = parse(text).program
    low_K, width_K = np.array(low), np.array(width)
    with np.errstate(all="ignore"):
        bounds, is_done = step_bounds(program, Boxes(low_K[np.newaxis], (low_K + width_K)[np.newaxis]))
        points_PK = np.clip(low_K + width_K * np.array(share), low_K, low_K + width_K)
        values = program.values(list(points_PK.T))
    has_values = ~np.isnan(
        np.sum([np.where(np.isinf(each), 0, each) + np.zeros(len(points_PK)) for each in values.values()], axis=0)
    )
    for index, value in values.items():
        assert ((bounds[index].low <= value) | ~has_values).all(), (text, index)
        assert ((value <= bounds[index].high) | ~has_values).all(), (text, index)
    if is_done[0]:
        assert np.isfinite(values[program.root]).all()


FINITE = [
    ("x**2", -1e6, 1e6),
    ("1 / x", 0.1, 1),
    ("1 / x", -2, -1),
    ("log(x)", 1e-100, 1e100),
    ("sqrt(x)", 0, 1),
    ("x**0.5", 0, 1),
    ("tan(x)", -1.5, 1.5),
    ("tanh(exp(x))", -1000, 1000),
    ("1 / (1 + exp(-x))", -1000, 1000),
    ("exp(x)", -1000, 230),
    ("1 / (x**2 + 1e-9)", -1, 1),
    ("1 / (x1**2 + x2**2 + 0.01)", -3, 2),
    ("1 / where(x > 0, 1, -1)", -1, 1),
    ("1 / floor(x)", 1, 3),
    ("1 / (2 + sin(x1 * x2))", -9, 9),
    ("where(x != 0, sin(x) / x, 1)", -1, 2),
    ("where(x == 0, 1, sin(x) / x)", -1, 2),
    ("where(x1 != x2, 1 / (x1 - x2), 0)", -1, 2),
    ("where(abs(x) > 0.1, 1 / x, 0)", -1, 2),
    ("where(x > 0, log(x), 0)", -1, 1),
    ("where(x > 0 and log(x) > -1, 1, 0)", -1, 1),
    ("where(x <= 0 or log(x) > -1, 1, 0)", -1, 1),
    ("where(0.01 < x < 1, 1 / x, x)", -1, 2),
    ("where(x1**2 + x2**2 < 1, sqrt(1 - x1**2 - x2**2), 0)", -1, 1),
    ("where(abs(cos(x)) > 0.01, tan(x), 0)", -9, 9),
    ("x - 0 / 1", -1, 1),
    ("x % 3 // 2", -5, 5),
]


@pytest.mark.parametrize(("text", "low", "high"), FINITE)
def test_what_is_finite_is_accepted(text, low, high):
    """A formula with a finite value everywhere is accepted, with guards of every kind."""
    assert message(text, low, high) is None


POLES = [
    ("1 / x", -1, 2, "at x = 0"),
    ("1 / x", 0, 1, "at x = 0"),
    ("1 / (x - 0.3)", 0, 1, "at x = 0.3;"),
    ("1 / (x**2 - 2)", 0, 2, "near x = 1.41421"),
    ("1 / (x**2 - 2)**2", 0, 2, "near x = 1.41421"),
    ("1 / abs(x**3 - 5)", 0, 2, "near x = 1.70998"),
    ("1 / ((x - 3) * (x**2 - 2))", 0, 2, "near x = 1.41421"),
    ("x // (x**2 - 2)", 0, 2, "near x = 1.41421"),
    ("x % (x**2 - 2)", 0, 2, "near x = 1.41421"),
    ("(x**2 - 2)**-1", 0, 2, "near x = 1.41421"),
    ("(x**2 - 2)**-0.5", 1, 1.3, "at x = 1"),
    ("log(abs(x**2 - 2))", 0, 2, "near x = 1.41421"),
    ("tan(x)", 0, 2, "near x = 1.5708"),
    ("1 / cos(x)", 0, 2, "near x = 1.5708"),
    ("sin(x) / cos(x)", 0, 2, "near x = 1.5708"),
    ("1 / tan(x)", -1, 1, "at x = 0"),
    ("1 / (x - 1 / 3)", 0, 1, "x = 0.3333"),
    ("1 / (log(x) - 0.5)", 0.1, 3, "x = 1.64872"),
    ("where(x > 1, 1 / (x**2 - 2), 0)", 0, 2, "near x = 1.41421"),
    ("1 / (x1 - 1.7 * x2)", 0.1, 1, "divides by 0 at x1 = "),
    ("sin(x1) / (x1 - x2)", -1, 1, "at x1 = 0, x2 = 0"),
    ("x2 + 1 / x1", -1, 1, "at x1 = 0;"),
    ("atan(1 / x)", -1, 2, "at x = 0"),
    ("min(1 / x, 5)", -1, 2, "at x = 0"),
    ("log(x)", 0, 1, "at x = 0"),
    ("log(x - 0.01)", 0, 1, "at x = 0"),
    ("sqrt(x)", -1, 1, "at x = -1"),
    ("sqrt(x) > 2", -1, 1, "at x = -1"),
    ("sqrt(1 - x1**2 - x2**2)", -1, 1, "at x1 = -1, x2 = -1"),
    ("log(abs(x - 500.3) - 0.000001)", 0, 1000, "logarithm of 0 or of a negative number at x = 500.29999"),
    ("1 / ((x - 500.3)**2 - 0.000001)", 0, 1000, "near x = 500."),
    ("x**0.5", -1, 1, "a power that is no integer at x = -1"),
    ("x1**x2", -1, 1, "0 to a negative power at x1 = 0, x2 = -1"),
    ("exp(x)", 0, 1000, "exp(x) is beyond 1e+100, the largest target, at x = 23"),
    ("tanh(exp(x)) * 2**(x * x)", 0, 100, "is beyond"),
    ("x**3", -1e40, 1e40, "x**3 is beyond 1e+100, the largest target, at x = -1e+40"),
    ("x**200", -100, 100, "beyond the numbers of float64, which end at 1.8e308, at x = -100"),
    ("prod(x1, x2, x3, x4)", -1e90, 1e90, "beyond the numbers of float64"),
    ("10**10000 * x", 0, 1, "10**10000 is beyond the numbers of float64, which end at 1.8e308, whatever the inputs"),
    ("9**9**9 * x", 0, 1, "9**9**9 is beyond"),
    ("x + 1 / 0", 0, 1, "1 / 0 divides by 0, whatever the inputs are; write another number there"),
    ("x % 0", 0, 1, "x % 0 divides by 0 at x = 0; write another number than 0 there"),
    ("0 / 0 * x", 0, 1, "0 / 0 divides by 0"),
    ("exp(x) - exp(x)", 0, 1000, "beyond"),
]


@pytest.mark.parametrize(("text", "low", "high", "words"), POLES)
def test_what_is_not_finite_is_told_with_its_place(text, low, high, words):
    """The part, the inputs and a remedy are named, poles between two numbers of float64 and small parts too."""
    found = message(text, low, high)
    assert found is not None
    assert words in found
    assert "; write " in found


@pytest.mark.parametrize(
    ("text", "low", "high", "words"), [pole for pole in POLES if pole[0] not in ("min(1 / x, 5)",)]
)
def test_the_remedy_works(text, low, high, words):
    """What the message says to write is accepted for that part."""
    found = message(text, low, high)
    if ", or where(" in found and "condition" not in found:
        guarded = found.partition(", or ")[2]
        part = guarded.removeprefix("where(").removesuffix(", 0)").partition(", ")[2]
        assert part in parse(text).text
        assert message(parse(text).text.replace(part, guarded), low, high) is None


@pytest.mark.parametrize(
    ("text", "low", "high", "words"),
    [
        ("1 / (x - 700000)", 1, MOST_COMBINATIONS, "at x = 700000"),
        ("1 / (x - 700000)", 1, 10**9, "at x = 700000"),
        ("x1 / (x1 - x2 - 500)", 0, 999, "at x1 = 500, x2 = 0"),
        ("1 / (x % 7)", 1, 10, "at x = 7"),
        ("sqrt(10 - x)", 0, 11, "at x = 11"),
        ("2**(x * 31)", 0, 11, "at x = 11"),
    ],
)
def test_integers_that_are_not_finite(text, low, high, words):
    """The only bad integer of a million, or of a billion, is found."""
    assert words in message(text, low, high, "integer")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("1 / (x**2 - 2)", 0, 10**6), ("1 / (x - 0.5)", -9, 9), ("tan(x)", -99, 99), ("1 / sin(x)", 1, 10**9)],
)
def test_integers_do_not_meet_poles_between_them(text, low, high):
    """A pole between integers is none of theirs."""
    assert message(text, low, high, "integer") is None


@pytest.mark.parametrize("numbers", ["real", "integer"])
def test_the_search_ends_whatever_the_formula(numbers):
    """Long formulas of many inputs, which the search can't decide, are accepted: their rows are checked."""
    pairs = [f"where(x{i} > x{i + 1}, log(x{i} - x{i + 1}), 0)" for i in range(1, 300)]
    assert message("+".join(pairs), -1e6, 1e6, numbers) is None
    assert message("+".join(f"sin(x{i})" for i in range(1, 1025)), -1, 1, numbers) is None


def test_one_integer_is_a_range():
    """A range of one integer, of many inputs, is tried like any other."""
    assert message("+".join(f"x{i}" for i in range(1, 101)), 1, 1, "integer") is None
    assert "x1 = 0" in message("x2 / x1", 0, 0, "integer")


@pytest.mark.parametrize("count", [1, 100, 100_000])
def test_formulas_that_share_the_bounds_are_still_tried(count):
    """However many formulas a spec has, the telling points of each are tried."""
    for text, words in (("1 / x", "at x = 0"), ("log(x)", "at x = -1"), ("exp(999 * x)", "at x = ")):
        found = check_range(Formula(parse(text), (-1.0,), (2.0,), True), count)
        assert found is not None
        assert words in found
