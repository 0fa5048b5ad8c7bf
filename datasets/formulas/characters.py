"""Characters that a formula can't hold, and what to write instead; and the error of a formula."""

from __future__ import annotations

import unicodedata
from typing import NoReturn

_INSTEAD = {
    "^": "for a power write **, such as x**2; for exclusive or write != between two conditions",
    "&": "write and",
    "|": "write or; for an absolute value abs(...)",
    "~": "write not",
    "[": "inputs are called x1, x2 and so on; to group write ( and )",
    "]": "inputs are called x1, x2 and so on; to group write ( and )",
    "{": "to group write ( and )",
    "}": "to group write ( and )",
    ":": "write an expression alone; for a choice write where(condition, a, b), for all inputs sum(x) with n_numbers",
    ";": "write one expression alone; between arguments a comma",
    "$": "remove it",
    "?": "for a choice write where(condition, a, b)",
    "@": "for a product write *",
    "#": "write a comment behind the formula's closing quote",
    "\\": "write the formula in one line, and functions like sqrt(x)",
    "\n": "write the formula in one line",
    "\r": "write the formula in one line",
    '"': "a formula has no texts; write numbers",
    "'": "a formula has no texts; write numbers",
    "`": "a formula has no texts; write numbers",
    "\N{MULTIPLICATION SIGN}": "write *",
    "\N{MIDDLE DOT}": "write *",
    "\N{DOT OPERATOR}": "write *",
    "\N{ASTERISK OPERATOR}": "write *",
    "\N{DIVISION SIGN}": "write /",
    "\N{FRACTION SLASH}": "write /",
    "\N{DIVISION SLASH}": "write /",
    "\N{MINUS SIGN}": "write -",
    "\N{EN DASH}": "write -",
    "\N{EM DASH}": "write -",
    "\N{SQUARE ROOT}": "write sqrt(...)",
    "\N{GREEK SMALL LETTER PI}": "write pi",
    "\N{LESS-THAN OR EQUAL TO}": "write <=",
    "\N{GREATER-THAN OR EQUAL TO}": "write >=",
    "\N{NOT EQUAL TO}": "write !=",
    "\N{LOGICAL AND}": "write and",
    "\N{LOGICAL OR}": "write or",
    "\N{NOT SIGN}": "write not",
    "\N{N-ARY SUMMATION}": "write sum(...)",
    "\N{N-ARY PRODUCT}": "write prod(...)",
    "\N{INFINITY}": "write a finite number",
    "\N{NO-BREAK SPACE}": "write a space",
}
_LATIN = {  # what letters of other alphabets look like
    "\N{CYRILLIC SMALL LETTER HA}": "x",
    "\N{CYRILLIC SMALL LETTER IE}": "e",
    "\N{CYRILLIC SMALL LETTER A}": "a",
    "\N{CYRILLIC SMALL LETTER ES}": "c",
    "\N{CYRILLIC SMALL LETTER O}": "o",
    "\N{CYRILLIC SMALL LETTER ER}": "p",
    "\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}": "i",
    "\N{CYRILLIC SMALL LETTER DZE}": "s",
    "\N{GREEK SMALL LETTER OMICRON}": "o",
    "\N{GREEK SMALL LETTER ALPHA}": "a",
    "\N{GREEK SMALL LETTER CHI}": "x",
    "\N{GREEK SMALL LETTER RHO}": "p",
    "\N{LATIN SMALL LETTER DOTLESS I}": "i",
}
_MOST_QUOTED = 40


class FormulaError(ValueError):
    """A formula that can't be used. The message says where, what is wrong, and what to write."""


def refuse(at: int, part: str, what: str) -> NoReturn:
    """Raises FormulaError: at which character, counted from 1, which part, and what is wrong with it."""
    shown = part if len(part) <= _MOST_QUOTED else f"{part[: _MOST_QUOTED - 3]}..."
    raise FormulaError(f"at character {at + 1}, {shown!a}: {what}")


def refuse_character(text: str, at: int) -> NoReturn:
    """Refuses a character that no formula holds."""
    character = text[at]
    if character in _INSTEAD:
        refuse(at, character, _INSTEAD[character])
    latin = _LATIN.get(character.lower()) or unicodedata.normalize("NFKC", character)
    name = unicodedata.name(character, f"the character U+{ord(character):04X}")
    if latin.isascii() and latin.isalnum():
        power = "**" if "SUPERSCRIPT" in name else ""
        refuse(at, character, f"this is {name}, not {latin}; write {power}{latin}")
    refuse(at, character, f"this is {name}; write letters, digits and operators of ASCII")
