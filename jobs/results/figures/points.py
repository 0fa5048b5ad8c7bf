"""Where along an input answers are drawn: evenly, and closer where the rule bends or jumps. Pure.

Suffixes: P points of the line, F points of a fine grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.source import Range
from sumsquares.datasets.spec import SPLITS, NamedDataset
from sumsquares.jobs.results.figures.data import Floats

MOST = 400
"""Points of a line: more than a chart has pixels to tell apart."""
_INSIDE, _OUTSIDE = 128, 64
"""Evenly spaced points in the training range, and on each side of it."""
_FINE = 4096
"""Points at which the rule is looked at; all integers where there are no more of them."""
_GOLDEN = 0.6180339887498949
_SEEN = 1e-3
"""Share of the height of a chart below which a distance can't be seen."""
_HEIGHTS = 3.0
"""Targets count up to this many heights above and below nearly all others: poles would get all points otherwise."""


class Span(NamedTuple):
    """The stretch of an input that is drawn."""

    begin: float
    low: float
    """Where the training range begins."""
    high: float
    end: float
    is_integer: bool


def span_of(dataset: NamedDataset, number: int) -> Span:
    """Returns what is drawn of a number of generated rows: its range, and beyond it that of the extrapolation split.

    A task, whose numbers begin at 1, is drawn from 0 on: it has no numbers below, and `predict` answers for none.
    """
    ranges = [part[number] for split in SPLITS for part in dataset.source.parts(split)]
    low, high = ranges[0]
    begin = 0.0 if dataset.formula is None else min(each.low for each in ranges)
    return Span(begin, low, high, max(each.high for each in ranges), not dataset.is_real)


def span_of_column(trained: Range, is_integer: bool, beyond: float) -> Span:
    """Returns the range of a table's column, and beyond it a share of its width on both sides."""
    wide = beyond * (trained.high - trained.low)
    wide = math.ceil(wide) if is_integer else wide
    return Span(trained.low - wide, *trained, trained.high + wide, is_integer)


def even(span: Span, count: int) -> Floats:
    """Returns points from end to end, evenly spaced; of few integers all."""
    return _distinct(np.linspace(span.begin, span.end, count), span)


def along(span: Span, rule: Callable[[Floats], Floats] | None) -> Floats:
    """Returns the points of a line: of few integers all, else evenly spaced ones and those where the rule bends."""
    if span.is_integer and span.end - span.begin < MOST:
        return np.arange(span.begin, span.end + 1)
    pieces = (
        np.linspace(span.begin, span.low, _OUTSIDE),
        np.linspace(span.low, span.high, _INSIDE),
        np.linspace(span.high, span.end, _OUTSIDE),
    )
    evenly_P = _distinct(np.concatenate(pieces), span)
    if rule is None:
        return evenly_P
    with np.errstate(over="ignore", invalid="ignore"):  # targets may be as large as float64 allows
        return _refined(span, evenly_P, rule)


def _refined(span: Span, evenly_P: Floats, rule: Callable[[Floats], Floats]) -> Floats:
    """Adds the points that are farthest from the line through the points so far, so that steps stay steep."""
    x_F = np.union1d(evenly_P, _fine(span))
    height, y_F = _clipped(rule(x_F))
    is_point_F = np.isin(x_F, evenly_P)
    while len(added := _farthest(x_F, y_F, is_point_F, _SEEN * height)):
        is_point_F[added] = True
    points_P: Floats = x_F[is_point_F]
    return points_P


def _clipped(y_F: Floats) -> tuple[float, Floats]:
    """Returns how high nearly all targets lie, and the targets without what is far above or below."""
    known_F = y_F[np.isfinite(y_F)]
    bottom, top = np.percentile(known_F, (2, 98)) if len(known_F) else (0.0, 0.0)
    height = float(top - bottom)
    return height, np.clip(y_F, bottom - _HEIGHTS * height, top + _HEIGHTS * height) if height else y_F


def _farthest(x_F: Floats, y_F: Floats, is_point_F: NDArray[np.bool_], near: float) -> NDArray[np.intp]:
    """Returns the places of what to add: between any two points what is farthest from their line, unless it is near."""
    is_known_F = is_point_F & np.isfinite(y_F)
    if not is_known_F.any():
        return np.empty(0, np.intp)
    far_F = np.nan_to_num(np.abs(y_F - np.interp(x_F, x_F[is_known_F], y_F[is_known_F])))
    by_distance = np.argsort(-far_F, kind="stable")
    _, first = np.unique(np.cumsum(is_point_F)[by_distance], return_index=True)
    farthest = by_distance[np.sort(first)]
    return farthest[far_F[farthest] > near][: MOST - np.count_nonzero(is_point_F)]


def _fine(span: Span) -> Floats:
    """Returns a fine grid, unevenly spaced: an even one shows a wrong period of a rule that repeats itself quickly."""
    if span.is_integer and span.end - span.begin < _FINE:
        return np.arange(span.begin, span.end + 1)
    shares_F = (np.arange(_FINE) + np.arange(_FINE) * _GOLDEN % 1) / _FINE
    return _distinct(span.begin + shares_F * (span.end - span.begin), span)


def _distinct(points_P: Floats, span: Span) -> Floats:
    """Returns increasing points, between the ends in spite of rounding."""
    points_P = np.rint(points_P) if span.is_integer else points_P
    return np.unique(np.clip(points_P, span.begin, span.end))
