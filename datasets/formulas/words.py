"""The words of a formula, checked before anything parses it: values and operators in turns, parentheses in pairs."""

from __future__ import annotations

import keyword
import re
from itertools import pairwise
from typing import NamedTuple

from sumsquares.datasets.formulas.characters import FormulaError, refuse, refuse_character
from sumsquares.datasets.formulas.names import example_of, is_input, is_told
from sumsquares.datasets.formulas.operations import FUNCTIONS

MOST_CHARACTERS = 20_000
"""Of a formula, as it is written and in canonical form."""
MOST_NESTED = 100
"""Parentheses inside each other."""
MOST_DIGITS = 400
"""Characters of a number; float64 has 309 before the point."""
_TOKEN = re.compile(
    r"(?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator>\*\*|//|<=|>=|==|!=|<>|=<|=>|\.{2,}|[-+*/%<>=!(),.])",
    re.ASCII,
)
_BETWEEN = frozenset(["*", "/", "//", "%", "**", "<", "<=", ">", ">=", "==", "!=", ",", "and", "or"])
"""Operators that have a value on either side."""
_OPERATORS = {  # that formulas don't know: what to write
    "<>": "write !=",
    "=<": "write <=",
    "=>": "write >=",
    "=": "to compare write ==; arguments have no names, and of y = x**2 write x**2 alone",
    "!": "write not for a condition, != to compare; there is no factorial",
    "..": "write each input, or sum(x) with n_numbers for all inputs",
    ".": "names have no parts; write the function alone, such as sqrt(x)",
}
_WORDS = {
    "if": "for a choice write where(condition, a, b)",
    "else": "for a choice write where(condition, a, b)",
    "is": "write ==",
    "in": "write == or != between two values, joined by or",
    "for": "there are no loops; write each term, or sum(x) with n_numbers for all inputs",
    "lambda": "write the expression alone",
    "True": "write 1, or 1 > 0 for a condition",
    "False": "write 0, or 1 < 0 for a condition",
    "None": "write a number",
}


_ELSEWHERE = {"mod": "%", "div": "//", "xor": "!=", "and": "and", "or": "or", "not": "not"}
"""Names that others give to operators, in small or in capital letters."""


class Token(NamedTuple):
    """A number, a name or an operator."""

    kind: str
    text: str
    at: int

    @property
    def ends_value(self) -> bool:
        """Whether a value ends here, so that an operator has to follow."""
        return self.kind in ("number", "name") or self.text == ")"

    @property
    def starts_value(self) -> bool:
        """Whether a value starts here."""
        return self.kind in ("number", "name") or self.text in ("(", "not")


def check_text(text: str) -> None:
    """Raises FormulaError for what no parser should see."""
    if len(text) > MOST_CHARACTERS:
        raise FormulaError(f"it has {len(text)} characters, the most is {MOST_CHARACTERS}; write a shorter one")
    tokens = _tokens(text)
    if not tokens:
        raise FormulaError("it is empty; write an expression of x, or of x1, x2 and so on, such as x**2")
    _check_parentheses(tokens)
    if (first := tokens[0]).text in _BETWEEN:
        example = f", such as x > 0 {first.text} x < 1" if first.text in ("and", "or") else ""
        refuse(first.at, first.text, f"a value is missing before it; write one{example}")
    for token, following in pairwise(tokens):
        _check_pair(text, token, following)
    if not tokens[-1].ends_value:
        refuse(tokens[-1].at, tokens[-1].text, "a value is missing after it; write one")


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
        elif match := _TOKEN.match(text, at):
            tokens.append(_token(str(match.lastgroup), match[0], at))
            at = match.end()
        else:
            refuse_character(text, at)
    return tokens


def _token(kind: str, text: str, at: int) -> Token:
    if (known := ".." if text.startswith("..") else text) in _OPERATORS:
        refuse(at, text, _OPERATORS[known])
    if text in ("and", "or", "not"):
        return Token("operator", text, at)
    if keyword.iskeyword(text):
        refuse(at, text, _WORDS.get(text, "this is a word of Python; write x, or x1, x2 and so on, for inputs"))
    if kind == "number" and len(text) > MOST_DIGITS:
        refuse(at, text, f"this number has {len(text)} characters, the most is {MOST_DIGITS}; write it like 1e300")
    if kind == "number" and text.isdigit() and text != (shortest := text.lstrip("0") or "0"):
        refuse(at, text, f"a number doesn't begin with 0; write {shortest}")
    return Token(kind, text, at)


def _check_parentheses(tokens: list[Token]) -> None:
    opened: list[Token] = []
    for token in tokens:
        if token.text == "(":
            opened.append(token)
            if len(opened) > MOST_NESTED:
                refuse(token.at, "(", f"more than {MOST_NESTED} parentheses lie inside each other; write fewer")
        elif token.text == ")":
            if not opened:
                refuse(token.at, ")", "no parenthesis is open here; remove it")
            opened.pop()
    if opened:
        refuse(opened[-1].at, "(", "this parenthesis is never closed; write )")


def _check_pair(text: str, token: Token, following: Token) -> None:
    part = text[token.at : following.at + len(following.text)]
    if token.text in FUNCTIONS and following.text == "**":
        refuse(token.at, part, f"a power stands behind the arguments; write {example_of(token.text)}**2")
    if token.ends_value and following.starts_value:
        _check_join(token, following, part)
    elif not token.ends_value and (following.text in _BETWEEN or following.text == ")"):
        refuse(token.at, part, "a value is missing between them; write one")


def _check_join(token: Token, following: Token, part: str) -> None:
    """Refuses two values that no operator joins. A name before a parenthesis is a call."""
    first, second = token.text, following.text
    if token.kind == "name" and second == "(":
        if is_input(first):
            refuse(token.at, part, f"{first} is no function; write {first} * (")
        return
    is_joined = token.at + len(first) == following.at
    if is_joined and first == "0" and second[0] in "xXbBoO":
        refuse(token.at, part, f"write numbers in decimal digits; for a product 0 * {second}")
    if is_joined and second in ("j", "J"):
        refuse(token.at, part, "there are no complex numbers; write a real one")
    if second == "not":
        refuse(token.at, part, "an operator is missing; write one before not, such as and")
    if name := next((name for name in (second, first) if name.lower() in _ELSEWHERE), None):
        refuse(token.at, part, f"an operator is missing; write {_ELSEWHERE[name.lower()]} in place of {name}")
    if first in FUNCTIONS:
        refuse(token.at, part, f"parentheses are missing; write {first}({second})")
    for each in (token, following):
        if each.kind == "name" and not is_told(each.text):
            refuse(
                each.at, each.text, "there is no such name; write operators between numbers and x, or x1, x2 and so on"
            )
    refuse(token.at, part, f"an operator is missing; write {first} * {second}")
