"""datasets/formulas/formula.py against plain Python: what formulas are worth, and their canonical text."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from formula_texts import formulas, plain
from hypothesis import assume, given
from hypothesis import strategies as st

from sumsquares.datasets.formulas.formula import PIECE, Formula, FormulaError, parse
from sumsquares.datasets.formulas.operations import FUNCTIONS, OF_ALL_INPUTS, OPERATIONS
from sumsquares.datasets.formulas.parser import MOST_DEPTH, MOST_LEVELS, MOST_NODES
from sumsquares.datasets.formulas.words import MOST_CHARACTERS
from sumsquares.datasets.source import MOST_INPUTS

numbers = st.integers(-4, 4)
FLOATS = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "tanh": math.tanh,
    "sinh": math.sinh,
    "cosh": math.cosh,
    "atan": math.atan,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
}


def value(text, *row):
    """The formula's value of one row."""
    return float(parse(text, len(row)).of(np.array([row]))[0])


def bits(values):
    """Floats as integers, so that NaN and the sign of 0 count."""
    return values.view(np.int64).tolist()


@given(text=formulas(), rows=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4))
def test_values_are_those_of_exact_fractions(text, rows):
    """Whatever the formula, its blanks and parentheses, each value is the one by Python's rules."""
    expected = [plain(text, *row) for row in rows]
    assume(all(abs(exact) < 2**50 for exact in expected))
    found = parse(text).of(np.array(rows))
    assert [Fraction(each) for each in found.tolist()] == expected


@given(text=formulas(), rows=st.lists(st.tuples(*[st.floats(-9, 9)] * 2), min_size=1, max_size=4))
def test_the_canonical_text_is_the_same_formula(text, rows):
    """The canonical text is its own canonical text, and has the same value to the bit in every row."""
    once = parse(text)
    again = parse(once.text)
    assert again.text == once.text
    assert bits(again.of(np.array(rows))) == bits(once.of(np.array(rows)))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  x**2 ", "x**2"),
        ("((x))+(1)", "x + 1"),
        ("x+-1", "x + -1"),
        ("+x", "x"),
        ("x*2.0", "x * 2"),
        ("1_000*x", "1000 * x"),
        ("x*1e300", "x * 1e+300"),
        ("x*.5", "x * 0.5"),
        ("(-x)**2", "(-x)**2"),
        ("-x**2", "-x**2"),
        ("-(x**2)", "-x**2"),
        ("2**-x", "2**-x"),
        ("(x**2)**3", "(x**2)**3"),
        ("x**(2**3)", "x**2**3"),
        ("x-(1-x)", "x - (1 - x)"),
        ("(x-1)-x", "x - 1 - x"),
        ("x*(2/x)", "x * (2 / x)"),
        ("where(not(x<1),1,2)", "where(not x < 1, 1, 2)"),
        ("(1<x)<2", "(1 < x) < 2"),
        ("1<x<2", "1 < x < 2"),
        ("(x>1 or x<0) and x!=5", "(x > 1 or x < 0) and x != 5"),
        ("(x>1)*2", "(x > 1) * 2"),
        ("x1", "x"),
        ("max(x2,x1)", "max(x2, x1)"),
    ],
)
def test_canonical_texts(text, canonical):
    """Blanks and parentheses are as few as the meaning allows, numbers are as short as they can be."""
    assert parse(text).text == canonical


@pytest.mark.parametrize("name", sorted(FLOATS))
def test_functions_are_those_of_python(name):
    """Each function of one real number is Python's, up to the last bits; tests/test_elementary.py has those."""
    for x in (0.1, 0.7, 1.0, 2.5, 9.0):
        assert value(f"{name}(x)", x) == pytest.approx(FLOATS[name](x), rel=1e-14)


def test_every_function_has_its_reference():
    """A new function fails here until plain Python says what it is."""
    exact = {"abs", "floor", "ceil", "round", "sign", "min", "max", "sum", "mean", "prod", "where"}
    assert set(FUNCTIONS) == exact | FLOATS.keys()


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("mean(x1, x2, 6)", (1, 2), 3.0),
        ("x1 / x2", (1, 4), 0.25),
        ("x1**x2", (2, -1), 0.5),
        ("round(x)", (2.5,), 2.0),
        ("round(x)", (3.5,), 4.0),
        ("x // 1", (-0.5,), -1.0),
        ("x % 3", (-1,), 2.0),
        ("pi * x", (1,), math.pi),
        ("e * x", (1,), math.e),
        ("x**0", (0,), 1.0),
    ],
)
def test_values_of_operations(text, row, expected):
    """Operations mean what they mean in Python."""
    assert value(text, *row) == expected


@pytest.mark.parametrize("name", OF_ALL_INPUTS)
def test_a_bare_x_is_all_inputs_where_the_spec_has_several(name):
    """With n_numbers = 3, sum(x) is sum(x1, x2, x3); with one number it is that of x."""
    assert parse(f"{name}(x)", 3).text == f"{name}(x1, x2, x3)"
    assert parse(f"{name}(x)", 1).text == parse(f"{name}(x)").text == f"{name}(x)"
    assert parse(f"1 + {name}(x)", MOST_INPUTS).n_numbers == MOST_INPUTS


def test_rows_are_independent():
    """A row's value doesn't depend on the rows beside it, on their number, their type or their order in memory."""
    rows = np.random.default_rng(1).integers(1, 50, (PIECE + 3, 2))
    expression = parse("sin(x1) / x2 + where(x1 > x2, x1**-3, x2**x1 % 7)")
    found = bits(expression.of(rows))
    assert bits(expression.of(np.asfortranarray(rows.astype(np.float64)))) == found
    assert [bits(expression.of(rows[i : i + 1]))[0] for i in (0, 7, PIECE - 1, PIECE, PIECE + 2)] == [
        found[i] for i in (0, 7, PIECE - 1, PIECE, PIECE + 2)
    ]


def test_what_has_no_value_is_not_finite_and_warns_of_nothing():
    """Division by zero, logarithms of negative numbers and overflow give NaN or infinity; pytest fails on a warning."""
    for text in ("1 / (x - x)", "log(-x)", "sqrt(-x)", "exp(1000 * x)", "x % (x - x)", "x // (x - x)", "(-x)**0.5"):
        assert not math.isfinite(value(text, 2.0)), text
    source = Formula(parse("1 / x"), (-1.0,), (1.0,), True)
    assert math.isnan(source.target(np.array([[0.0]]))[0])


@pytest.mark.parametrize("order", ["(x1, x2)", "(x2, x1)"])
def test_the_smaller_of_two_zeros_is_the_first(order):
    """min and max of 0.0 and -0.0 return the first, on every machine; NaN stays NaN."""
    rows = np.array([[0.0, -0.0], [-0.0, 0.0], [np.nan, 1.0], [1.0, np.nan]])
    for name in ("min", "max"):
        found = parse(f"{name}{order}").of(rows)
        assert np.signbit(found[:2]).tolist() == ([False, True] if order == "(x1, x2)" else [True, False])
        assert np.isnan(found[2:]).all()


@given(text=formulas(), rows=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=4))
def test_what_is_said_to_be_an_integer_is_one(text, rows):
    """Where the operations promise an integer, every value is one."""
    found = parse(text)
    if found.is_integer(True):
        assert all(each.is_integer() for each in found.of(np.array(rows)).tolist())


@pytest.mark.parametrize(
    ("text", "of_integers", "of_reals"),
    [
        ("x**2 + 3 * x", True, False),
        ("x / 2", False, False),
        ("x * 0.5", False, False),
        ("floor(x / 2)", True, True),
        ("where(x > 0.5, 1, 0)", True, True),
        ("where(x > 0.5, 1, x)", True, False),
        ("x**-1", False, False),
        ("2**x", False, False),
        ("x % 2 == 0", True, True),
        ("abs(x) % 7", True, False),
        ("sin(x)", False, False),
        ("mean(x, 1)", False, False),
    ],
)
def test_which_formulas_have_integer_targets(text, of_integers, of_reals):
    """It follows from the operations and the inputs alone."""
    assert (parse(text).is_integer(True), parse(text).is_integer(False)) == (of_integers, of_reals)


def test_the_limits_are_reached():
    """A formula at its limits is parsed, evaluated and written; one beyond is refused."""
    long = "+".join(["x"] * (MOST_LEVELS - 2))
    assert value(long, 1) == MOST_LEVELS - 2
    assert parse(parse(long).text).text == parse(long).text
    for longer in (f"{long}+x+x", "+".join(["x"] * 9_999)):
        with pytest.raises(FormulaError, match=f"more than {MOST_LEVELS}"):
            parse(longer)
    with pytest.raises(FormulaError, match=f"more than {MOST_NODES}"):
        parse("max(" + ",".join(["x"] * MOST_NODES) + ")")
    assert value("(" * MOST_DEPTH + "x" + ")" * MOST_DEPTH, 3) == 3
    assert value("-" * MOST_DEPTH + "x", 3) == 3
    with pytest.raises(FormulaError, match=f"more than {MOST_DEPTH}"):
        parse("-" * (MOST_DEPTH + 1) + "x")
    with pytest.raises(FormulaError, match=f"the most is {MOST_CHARACTERS}"):
        parse("x" + " " * MOST_CHARACTERS)
    with pytest.raises(FormulaError, match="in canonical form"):
        parse(" + ".join(["sum(x)"] * 4), MOST_INPUTS)


def test_operations_have_one_list():
    """Functions are the operations with a name; none is named like an input or a constant."""
    assert set(FUNCTIONS) < OPERATIONS.keys()
    assert not {"x", "pi", "e"} & OPERATIONS.keys()
