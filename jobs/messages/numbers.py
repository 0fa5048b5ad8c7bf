"""How sentences write numbers, counts, lists and the values of hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def number(value: float | None) -> str:
    """Four significant digits, without an exponent where that is readable."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.4g}"


def at_most(value: float) -> str:
    """A lower bound, rounded down to four significant digits."""
    if not value:
        return "0"
    below = math.nextafter(value * (1 - 1e-9), 0)
    unit = 1.0 if below >= 1000 else 10.0 ** (math.floor(math.log10(below)) - 3)
    return number(math.floor(below / unit) * unit) if 1e-300 < below < 1e9 else f"{below * (1 - 5e-4):.4g}"


def share(fraction: float | None) -> str:
    """A percentage; only exact shares are shown as 0% or 100%."""
    if fraction is None or fraction in (0.0, 1.0):
        return "-" if fraction is None else f"{100 * fraction:.0f}%"
    return f"{100 * min(max(fraction, 0.001), 0.999):.1f}%"


def percent(fraction: float) -> str:
    """A percentage with four significant digits: `0.02134%`."""
    return f"{number(100 * fraction)}%"


def counted(count: int, noun: str) -> str:
    """`1 trial`, `1,362 trials`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def plain(value: Any) -> str:
    """The value of an axis by itself."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def size(count: int) -> str:
    """A number of bytes with two digits at least: `812 bytes`, `4.2 kB`, `310 MB`."""
    if count < 1000:
        return counted(count, "byte")
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB", "PB"):
        if value >= 999.5:
            value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:,.0f} {unit}"


def clock(seconds: float) -> str:
    """Such as 0:07, 12:30 or 3:05:00; hours once there are any."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
