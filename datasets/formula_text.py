"""What the text of a formula may hold, checked before anything parses it: its characters, words and parentheses."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise
from typing import NamedTuple, NoReturn

MOST_CHARACTERS = 20_000
"""Of a formula, as it is written and in canonical form."""
MOST_NESTED = 100
"""Parentheses inside each other."""
_TOKEN = re.compile(
    r"(?P<number>(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<operator>\*\*|//|<=|>=|==|!=|<>|=<|=>|[-+*/%<>=!(),.])",
    re.ASCII,
)
WORDS = ("and", "or", "not", "if", "else", "in", "is", "lambda", "for", "import", "yield", "await", "async", "from")
"""Words of Python that are no names. Formulas know three of them."""
_IS_WRITTEN = {  # characters that a formula can't hold, and what to write
    "^": "for a power write **, such as x**2",
    "&": "write and",
    "|": "write or; for an absolute value abs(...)",
    "~": "write not",
    "[": "write ( and )",
    "]": "write ( and )",
    "{": "write ( and )",
    "}": "write ( and )",
    ":": "write an expression alone; for a choice write where(condition, a, b)",
    ";": "write one expression",
    "@": "for a product write *",
    "#": "write a comment behind the formula's closing quote",
    "\\": "write the formula in one line",
    "\n": "write the formula in one line",
    "\r": "write the formula in one line",
    '"': "a formula has no texts; write numbers",
    "'": "a formula has no texts; write numbers",
    "\N{MULTIPLICATION SIGN}": "write *",
    "·": "write *",
    "⋅": "write *",
    "\N{ASTERISK OPERATOR}": "write *",
    "÷": "write /",
    "\N{FRACTION SLASH}": "write /",
    "\N{MINUS SIGN}": "write -",
    "\N{EN DASH}": "write -",
    "—": "write -",
    "√": "write sqrt(...)",
    "π": "write pi",
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
    "∧": "write and",
    "\N{LOGICAL OR}": "write or",
    "¬": "write not",
    "∑": "write sum(...)",
    "∏": "write prod(...)",
    "\u00a0": "write a space",
}
_LOOKS_LIKE = dict(zip("хеасорукіѕаοχ", "xeacopykisaox", strict=True))
_OPERATORS = {"<>": "!=", "=<": "<=", "=>": ">="}


class FormulaError(ValueError):
    """A formula that can't be used. The message says where, what is wrong, and what to write."""


class Token(NamedTuple):
    """A number, a name or an operator."""

    kind: str
    text: str
    at: int

    @property
    def ends_value(self) -> bool:
        """Whether a value may end here, so that an operator has to follow."""
        return self.kind == "number" or self.text == ")" or (self.kind == "name" and self.text not in WORDS)

    @property
    def starts_value(self) -> bool:
        """Whether a value may start here."""
        return self.kind == "number" or self.text == "(" or (self.kind == "name" and self.text not in WORDS)


def refuse(at: int, part: str, what: str) -> NoReturn:
    """Raises FormulaError: at which character, counted from 1, which part, and what is wrong with it."""
    part = ascii(part)[1:-1] if len(part) <= 40 else ascii(part[:37])[1:-1] + "..."
    raise FormulaError(f"at character {at + 1}, {part!r}: {what}")


def check_text(text: str) -> None:
    """Raises FormulaError for what no parser should see."""
    if len(text) > MOST_CHARACTERS:
        raise FormulaError(f"it has {len(text)} characters, the most is {MOST_CHARACTERS}; write a shorter one")
    if not text.strip():
        raise FormulaError("it is empty; write an expression of x, or of x1, x2 and so on, such as x**2")
    tokens = list(_tokens(text))
    _check_parentheses(tokens)
    for token, following in pairwise(tokens):
        _check_pair(text, token, following)


def _tokens(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
        elif match := _TOKEN.match(text, at):
            token = Token(str(match.lastgroup), match[0], at)
            _check_operator(token)
            tokens.append(token)
            at = match.end()
        else:
            _refuse_character(text, at)
    return tokens


def _refuse_character(text: str, at: int) -> NoReturn:
    character = text[at]
    if character in _IS_WRITTEN:
        refuse(at, character, _IS_WRITTEN[character])
    like = _LOOKS_LIKE.get(character.lower()) or unicodedata.normalize("NFKC", character)
    name = unicodedata.name(character, f"the character U+{ord(character):04X}")
    if like.isascii() and like.isalnum():
        raised = "SUPERSCRIPT" in name
        refuse(at, character, f"this is {name}, not {like}; write {'**' if raised else ''}{like}")
    refuse(at, character, f"this is {name}; write letters, digits and operators of ASCII alone")


def _check_operator(token: Token) -> None:
    if token.text in _OPERATORS:
        refuse(token.at, token.text, f"write {_OPERATORS[token.text]}")
    if token.text == "=":
        refuse(token.at, "=", "write == to compare; a formula assigns nothing: write what comes after y = alone")
    if token.text == "!":
        refuse(token.at, "!", "write not for a condition, != to compare; there is no factorial")
    if token.text == ".":
        refuse(token.at, ".", "names have no parts; write the function alone, such as sqrt(x)")


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
    """Refuses values that no operator joins, but the call of a function."""
    if not (token.ends_value and following.starts_value):
        if token.text == "(" and following.text == ")":
            refuse(token.at, "()", "nothing is between the parentheses; write a value")
        return
    part = text[token.at : following.at + len(following.text)]
    joined = token.at + len(token.text) == following.at
    if token.kind == "name" and following.text == "(":
        if is_input(token.text):
            refuse(token.at, part, f"{token.text} is no function; write {token.text} * (")
        return
    if joined and token.kind == "number" and following.text[0] in "xXbBoO" and token.text == "0":
        refuse(token.at, part, f"write numbers in decimal digits, or 0 * {following.text}")
    if joined and token.kind == "number" and following.text in ("j", "J"):
        refuse(token.at, part, "there are no complex numbers; write a real one")
    refuse(token.at, part, f"an operator is missing; write {token.text} * {following.text}")


def is_input(name: str) -> bool:
    """Whether a name is that of an input: x, or x and a number."""
    return re.fullmatch(r"x\d*", name, re.ASCII) is not None
