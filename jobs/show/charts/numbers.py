"""Numbers of one column and of one axis: written alike, so that they can be compared at a glance.

A column has four significant digits, e-notation below 0.001 and from 1e9 on, and thousands separators. A column of
integers has no decimals. Labels of an axis are shorter, since they are round numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sumsquares.jobs.messages.numbers import at_most

LEAST, MOST = 0.001, 1e9
"""Numbers outside are written with an exponent."""
_LONGEST = 100_000  # from which on the labels of an axis have powers of ten
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "\N{MINUS SIGN}"


def column_text(values: Sequence[float | None]) -> list[str]:
    """Returns the numbers of a column as text; a missing one or NaN is `-`."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    is_whole = all(float(value).is_integer() and abs(value) < MOST for value in known)
    return [_cell(value, is_whole) for value in values]


def _cell(value: float | None, is_whole: bool) -> str:
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return f"{value + 0.0:,.0f}" if is_whole else digits_text(value, 4)


def rounded_down(value: float | None) -> float | None:
    """Returns a lower bound as a column shows it: never above what it was."""
    return None if value is None else float(at_most(value).replace(",", ""))


def digits_text(value: float, digits: int) -> str:
    """Returns a number with so many significant digits, and all before its decimal point, by the rule of columns."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    if not LEAST <= abs(rounded) < MOST:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{decimals}f}"


def axis_text(values: Sequence[float], step: float) -> list[str]:
    """Returns the labels of a linear axis whose ticks are so far apart: all with the same decimals and exponent."""
    top = max(map(abs, values), default=0.0)
    power = math.floor(math.log10(top)) if top and not LEAST <= top < _LONGEST else 0
    decimals = max(0, power - math.floor(math.log10(step) + 1e-9))
    return [_tick(value, power, decimals) for value in values]


def _tick(value: float, power: int, decimals: int) -> str:
    scaled = value / 10.0**power
    text = f"{abs(scaled):,.{decimals}f}"
    if not text.strip("0."):
        return "0"
    return f"{MINUS if value < 0 else ''}{text}{_times_ten(power)}"


def _times_ten(power: int) -> str:
    return f"·10{str(power).translate(_SUPERSCRIPT)}" if power else ""


def power_of_ten(power: int, times: int = 1) -> str:
    """Returns a label of a logarithmic axis: plain where that is short, since labels stand side by side on a phone."""
    if -3 <= power <= 4:
        return f"{times * 10.0**power:,.{max(0, -power)}f}"
    return ("" if times == 1 else f"{times}·") + "10" + str(power).translate(_SUPERSCRIPT)
