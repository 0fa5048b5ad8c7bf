"""Parsers for numbers in options: ASCII digits, finite, within a range. Anything else is exit code 2.

Python's int() and float() accept more than a person means: `inf`, `nan`, `1_0`, digits of any script, spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import typer

from sumsquares.jobs.messages.values import is_plain, shown

_WHOLE = re.compile(r"-?[0-9]{1,19}")


def whole(low: int | None = None, high: int | None = None) -> Callable[[Any], int]:
    """Returns a parser for whole numbers from `low` to `high`, both included; it passes a default on."""

    def integer(given: Any) -> int:
        if not isinstance(given, str):
            return int(given)
        if not is_plain(given, _WHOLE) or not _is_within(int(given), low, high):
            raise typer.BadParameter(f"{shown(given)} is not valid; write a whole number{_range(low, high)}")
        return int(given)

    return integer


def real(low: float, high: float) -> Callable[[Any], float]:
    """Returns a parser for finite numbers; otherwise as `whole`."""

    def number(given: Any) -> float:
        if not isinstance(given, str):
            return float(given)
        if not is_plain(given) or not _is_within(float(given), low, high):
            raise typer.BadParameter(f"{shown(given)} is not valid; write a number{_range(low, high)}")
        return float(given)

    return number


def _is_within(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or low <= number) and (high is None or number <= high)


def _range(low: float | None, high: float | None) -> str:
    ends = [str(end) if isinstance(end, int) else f"{end:g}" for end in (low, high) if end is not None]
    return f"{' from ' if ends else ''}{' to '.join(ends)}, in the digits 0 to 9"
