"""Entries of legends: the marks of charts, as small SVGs beside their words."""

from __future__ import annotations

from sumsquares.jobs.show.charts.chart import Key

LINEAR, OTHERS = "linear in the inputs", "not linear in the inputs"
"""The two kinds of variants: after logarithms or a sigmoid, one without an activation is none of the former."""
SERIES = 6
"""Lines that have dashes and a colour of their own."""
_WIDE = 34


def series(place: int) -> str:
    """Returns the classes of the line with this place in a chart, counted from 0."""
    return f"line s{place % SERIES + 1}"


def line_key(classes: str, words: str) -> Key:
    """A line."""
    return _key(_WIDE, f'<path class="{classes}" d="M1 7h{_WIDE - 2}"/>', words)


def dot_key(classes: str, words: str) -> Key:
    """A disc."""
    return _key(14, f'<path class="{classes}" d="M7 7h0"/>', words)


def square_key(words: str) -> Key:
    """A hollow square."""
    return _key(14, '<path class="square" d="M3.5 3.5h7v7h-7z"/>', words)


def shape_key(classes: str, d: str, words: str) -> Key:
    """Any shape around 0, 0."""
    return _key(14, f'<path class="{classes}" transform="translate(7 7)" d="{d}"/>', words)


def area_key(classes: str, words: str) -> Key:
    """A shaded area."""
    return _key(_WIDE, f'<rect class="{classes}" x="1" y="1" width="{_WIDE - 2}" height="12"/>', words)


def _key(width: int, mark: str, words: str) -> Key:
    return Key(f'<svg class="key" width="{width}" height="14" aria-hidden="true">{mark}</svg>', words)
