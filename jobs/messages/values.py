"""How people write values, and how messages show them."""

from __future__ import annotations

import math
import re

_REAL = re.compile(r"-?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,4})?")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_MINUS_ZERO = re.compile(r"-[0.]*(?:[eE].*)?")
_LONGEST = 40  # characters of a value that a message shows


def is_plain(text: str, pattern: re.Pattern[str] = _REAL) -> bool:
    """Whether a text is a number in ASCII digits, and not minus zero."""
    return bool(pattern.fullmatch(text)) and not _MINUS_ZERO.fullmatch(text)


def number_in(text: str) -> int | float | None:
    """Returns the finite number that a text is, an integer without a point or an exponent; None if it is none."""
    if is_plain(text, _WHOLE):
        return int(text)
    return float(text) if is_plain(text) and math.isfinite(float(text)) else None


def shown(text: str) -> str:
    """The text quoted, in ASCII, shortened."""
    return ascii(text) if len(text) <= _LONGEST else f"{text[:_LONGEST]!a}... ({len(text)} characters)"
