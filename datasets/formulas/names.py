"""The names of formulas: those of inputs, those that others give to functions, and examples of calls."""

from __future__ import annotations

import re

from sumsquares.datasets.formulas.operations import CONSTANTS, FUNCTIONS

OTHER_NAMES = {  # what others call it: what to write here
    "ln": "log",
    "arctan": "atan",
    "tg": "tan",
    "sgn": "sign",
    "fabs": "abs",
    "expit": "sigmoid",
    "logistic": "sigmoid",
    "product": "prod",
    "average": "mean",
    "maximum": "max",
    "minimum": "min",
    "trunc": "sign(x) * floor(abs(x))",
    "square": "x**2",
    "pow": "x1**x2",
    "power": "x1**x2",
    "mod": "x1 % x2",
    "fmod": "x1 % x2",
    "xor": "!= between two conditions",
    "relu": "max(x, 0)",
    "heaviside": "where(x > 0, 1, 0)",
    "clip": "min(max(x, a), b)",
    "asin": "atan(x / sqrt(1 - x**2))",
    "arcsin": "atan(x / sqrt(1 - x**2))",
    "acos": "pi / 2 - atan(x / sqrt(1 - x**2))",
    "arccos": "pi / 2 - atan(x / sqrt(1 - x**2))",
    "sinc": "where(x != 0, sin(x) / x, 1)",
    "gauss": "exp(-x**2)",
    "cbrt": "sign(x) * abs(x)**(1/3)",
    "log1p": "log(1 + x)",
    "expm1": "exp(x) - 1",
    "exp2": "2**x",
    "hypot": "sqrt(x1**2 + x2**2)",
    "int": "sign(x) * floor(abs(x))",
    "step": "where(x > 0, 1, 0)",
    "cube": "x**3",
    "sec": "1 / cos(x)",
    "csc": "1 / sin(x)",
    "cot": "cos(x) / sin(x)",
    "asinh": "sign(x) * log(abs(x) + sqrt(x**2 + 1))",
    "acosh": "log(x + sqrt(x**2 - 1))",
    "atanh": "log((1 + x) / (1 - x)) / 2",
    "softplus": "log(1 + exp(x))",
    "even": "x % 2 == 0",
    "odd": "x % 2 == 1",
    "inf": "a finite number",
    "nan": "a finite number",
    "tau": "2 * pi",
}


def is_input(name: str) -> bool:
    """Whether a name is that of an input: x, or x and a number."""
    return re.fullmatch(r"x\d*", name, re.ASCII) is not None


def is_told(name: str) -> bool:
    """Whether a name means something, or there is something to write in its place."""
    lower = name.lower()
    return re.fullmatch(r"(x\d*)+", lower, re.ASCII) is not None or lower in {*CONSTANTS, *FUNCTIONS, *OTHER_NAMES}


def example_of(function: str, argument: str = "x") -> str:
    """Returns how a function is called."""
    return "where(condition, a, b)" if function == "where" else f"{function}({argument})"
