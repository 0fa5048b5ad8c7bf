"""Random formulas, and what plain Python makes of them."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import strategies as st

FUNCTIONS = {
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "round": round,
    "sign": lambda value: (value > 0) - (value < 0),
    "min": lambda *values: min(values),
    "max": lambda *values: max(values),
    "sum": lambda *values: sum(values),
    "prod": lambda *values: math.prod(values),
}
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
blanks = st.sampled_from(["", " ", "  ", "\t"])
leaves = st.sampled_from(["x1", "x2", "x1**2", "x2**3", "0", "1", "2.5", "4", "x1 // 3", "x2 % 4", "x1 % -3"])


def _joined(draw, operators, parts):
    left, right = draw(parts), draw(parts)
    return f"{left}{draw(blanks)}{draw(st.sampled_from(operators))}{draw(blanks)}{right}"


@st.composite
def _conditions(draw, numbers):
    compared = " ".join([draw(leaves), draw(st.sampled_from(COMPARISONS)), f"({draw(numbers)})"])
    kind = draw(st.sampled_from(["plain", "chain", "not", "and", "or"]))
    if kind == "chain":
        return f"{compared} {draw(st.sampled_from(COMPARISONS))} {draw(leaves)}"
    if kind in ("and", "or"):
        return f"{compared} {kind} {draw(leaves)} < ({draw(numbers)})"
    return f"not {compared}" if kind == "not" else compared


@st.composite
def _grown(draw, numbers):
    """A larger formula of numbers, as text that Python reads as we do."""
    kind = draw(st.sampled_from(["plain", "parentheses", "negative", "call", "calls", "where", "condition"]))
    if kind == "parentheses":
        return f"({_joined(draw, '+-*', numbers)}){draw(blanks)}*{draw(blanks)}{draw(numbers)}"
    if kind == "negative":
        return f"-{draw(blanks)}{draw(numbers)}"
    if kind == "call":
        return f"{draw(st.sampled_from(['abs', 'floor', 'ceil', 'round', 'sign']))}({draw(numbers)})"
    if kind == "calls":
        several = draw(st.lists(numbers, min_size=2, max_size=3))
        return f"{draw(st.sampled_from(['min', 'max', 'sum', 'prod']))}({', '.join(several)})"
    condition = draw(_conditions(numbers))
    if kind == "where":
        return f"where({condition}, {draw(numbers)}, {draw(numbers)})"
    return f"({condition})" if kind == "condition" else _joined(draw, "+-*", numbers)


@st.composite
def formulas(draw):
    """Formulas of x1 and x2 that are small integers, whose every value float64 holds exactly."""
    return f"{draw(st.recursive(leaves, _grown, max_leaves=8))} + 0 * x1 * x2"


def plain(text, *numbers):
    """The value by Python's own rules, in exact fractions."""
    names = {f"x{i}": Fraction(number) for i, number in enumerate(numbers, 1)}
    functions = FUNCTIONS | {"where": lambda condition, a, b: a if condition else b}
    return eval(text.strip(), {"__builtins__": {}}, names | functions)  # noqa: S307  our own text
