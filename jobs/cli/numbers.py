"""Numbers as options take them: written in the digits 0 to 9, finite, in a range that is told. Else exit code 2.

Python's own int() and float() take more than a person means: `inf`, `nan`, `1_0`, digits of any script, spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import typer

from sumsquares.jobs.messages.values import is_plain, shown

_WHOLE = re.compile(r"-?[0-9]{1,19}")


def whole(low: int | None = None, high: int | None = None) -> Callable[[Any], int]:
    """What reads a whole number, both ends of the range included; a default is passed on."""

    def integer(given: Any) -> int:
        if not isinstance(given, str):
            return int(given)
        if not is_plain(given, _WHOLE) or not _is_within(int(given), low, high):
            raise typer.BadParameter(f"{shown(given)} is no number for it; write a whole number{_range(low, high)}")
        return int(given)

    return integer


def real(low: float, high: float) -> Callable[[Any], float]:
    """What reads a finite number, as `whole` does."""

    def number(given: Any) -> float:
        if not isinstance(given, str):
            return float(given)
        if not is_plain(given) or not _is_within(float(given), low, high):
            raise typer.BadParameter(f"{shown(given)} is no number for it; write a number{_range(low, high)}")
        return float(given)

    return number


def _is_within(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or low <= number) and (high is None or number <= high)


def _range(low: float | None, high: float | None) -> str:
    ends = [str(end) if isinstance(end, int) else f"{end:g}" for end in (low, high) if end is not None]
    return f"{' from ' if ends else ''}{' to '.join(ends)}, in the digits 0 to 9"
