"""The curves of a dataset with one input: what chosen networks answer, the target, and what they are off by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sumsquares.jobs.results.figures.data import Curves, Floats
from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.keys import area_key, dot_key, line_key, series
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.plot import Plot
from sumsquares.jobs.show.charts.scales import Linear, SymLog, finite
from sumsquares.jobs.show.charts.subject import Subject
from sumsquares.jobs.show.format import counted, listed, number

_BEYOND = 3.0  # times the span of the target in training, by which the axis may exceed it on each side
_PAD = 0.06
_LISTED = 9  # inputs in the table of numbers
_ROWS = 300  # of a table that are drawn


@dataclass(frozen=True, slots=True)
class _Line:
    """One network's answers."""

    words: str
    answers_P: Floats
    error_P: Floats | None
    """Answer minus target."""


def curves_chart(subject: Subject, curves: Curves) -> Chart:
    """Returns the curves, and where the rule is known a second panel with the errors."""
    lines = [_line(subject.chosen(chosen), answers_P, curves.target_P) for chosen, answers_P in curves.answers]
    label = _label(subject, curves, lines)
    answers, n_cut = _answers(subject, curves, lines, label)
    errors = _errors(subject, curves, lines) if curves.target_P is not None and lines else ""
    return Chart(
        name="curves",
        title="What the networks answer",
        caption=_caption(curves, n_cut, bool(errors)),
        label=label,
        svg=answers + errors,
        legend=_legend(curves, lines),
        numbers=_numbers(subject, curves, lines),
        is_wide=bool(errors),
    )


def _line(words: str, answers_P: Floats, target_P: Floats | None) -> _Line:
    with np.errstate(invalid="ignore", over="ignore"):
        return _Line(words, answers_P, None if target_P is None else answers_P - target_P)


def _answers(subject: Subject, curves: Curves, lines: Sequence[_Line], label: str) -> tuple[str, int]:
    """The panel with the answers, and how many of them are cut off."""
    y = _height(curves, lines)
    titles = curves.name, f"{subject.target} and answers"
    plot = Plot(subject.id("curves"), label, Linear.of(curves.inputs_P), y, titles)
    plot.shade(curves.low, curves.high, "training range")
    if curves.rows is not None:
        step = max(1, math.ceil(len(curves.rows[0]) / _ROWS))
        plot.dots(zip(*(part[::step].tolist() for part in curves.rows), strict=True), "dot row")
    if curves.target_P is not None:
        plot.line(_points(curves, curves.target_P), "line target")
    for place, line in enumerate(lines):
        plot.line(_points(curves, line.answers_P), series(place))
    is_cut = [any(not 0 <= y.at(value) <= 1 for value in finite(line.answers_P)) for line in lines]
    return plot.done(), sum(is_cut)


def _errors(subject: Subject, curves: Curves, lines: Sequence[_Line]) -> str:
    """The panel with the errors."""
    inside_P = _inside(curves)
    errors = [line.error_P for line in lines if line.error_P is not None]
    sizes = [np.abs(np.array(finite(error_P[inside_P]))) for error_P in errors]
    smallest = min((float(np.median(size)) for size in sizes if size.any()), default=math.nan)
    top = max((float(size.max()) for size in sizes if len(size)), default=0.0)
    limit = 100 * top or math.inf
    known = [error for error_P in errors for error in finite(error_P) if abs(error) <= limit]
    label = "The errors of the same networks, answer minus target, on a scale that is logarithmic on both sides of 0."
    titles = curves.name, "answer minus target"
    plot = Plot(subject.id("curve-errors"), label, Linear.of(curves.inputs_P), SymLog.of(known, smallest), titles)
    plot.shade(curves.low, curves.high, "training range")
    plot.line([(float(curves.inputs_P[0]), 0.0), (float(curves.inputs_P[-1]), 0.0)], "line zero")
    for place, error_P in enumerate(errors):
        plot.line(_points(curves, error_P), series(place))
    return plot.done()


def _points(curves: Curves, values_P: Floats) -> list[tuple[float, float]]:
    return list(zip(curves.inputs_P.tolist(), values_P.tolist(), strict=True))


def _inside(curves: Curves) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which inputs are in the training range."""
    inside: np.ndarray[tuple[int], np.dtype[np.bool_]]
    inside = (curves.inputs_P >= curves.low) & (curves.inputs_P <= curves.high)
    return inside


def _height(curves: Curves, lines: Sequence[_Line]) -> Linear:
    """The axis of the answers: the target's values, those beyond the training range within a few of its spans."""
    inside_P = _inside(curves)
    if curves.target_P is not None:
        known, further = finite(curves.target_P[inside_P]), finite(curves.target_P)
    elif curves.rows is not None:
        known = further = finite(curves.rows[1])
    else:
        known = further = []
    if not known or max(known) == min(known):
        known = known + [value for line in lines for value in finite(line.answers_P[inside_P])]
    if not known:
        return Linear.of([])
    room = _BEYOND * (max(known) - min(known))
    ends = [max(min(known) - room, min(max(known) + room, value)) for value in further]
    return Linear.of([*known, *ends], _PAD)


def _caption(curves: Curves, n_cut: int, has_errors: bool) -> str:
    beyond = "; beyond it no network was trained" if _goes_beyond(curves) else ""
    what = "The target" if curves.target_P is not None else "Test rows"
    words = f"{what}, and what the best trial of each variant answers. The training range is shaded{beyond}."
    if n_cut:
        words += f" The axis follows the target: the answers of {counted(n_cut, 'variant')} leave it and are cut off."
    if has_errors:
        right = "The second panel has what they are off by, logarithmic on both sides of 0"
        words += f" {right}: a line on 0 is right."
    return words


def _goes_beyond(curves: Curves) -> bool:
    return bool(len(curves.inputs_P)) and not bool(_inside(curves).all())


def _label(subject: Subject, curves: Curves, lines: Sequence[_Line]) -> str:
    """The largest errors within the training range, and beyond it."""
    opening = f"{subject.target} by {curves.name}, trained from {number(curves.low)} to {number(curves.high)}."
    inside_P = _inside(curves)
    words = []
    for line in lines:
        if line.error_P is None:
            known = finite(line.answers_P[inside_P])
            words += [f"{line.words} answers {number(min(known))} to {number(max(known))} there"] if known else []
            continue
        near, far = _largest(line.error_P[inside_P]), _largest(line.error_P[~inside_P])
        beyond = "" if far is None else f" and {number(far)} beyond"
        words += [f"{line.words} is off by at most {number(near)} there{beyond}"] if near is not None else []
    return f"{opening} {listed(words)}." if words else opening


def _largest(error_P: Floats) -> float | None:
    known = finite(error_P)
    return max(map(abs, known)) if known else None


def _legend(curves: Curves, lines: Sequence[_Line]) -> list[Key]:
    keys = [line_key("line target", "target")] if curves.target_P is not None else []
    keys += [dot_key("dot row", "test rows")] if curves.rows is not None else []
    keys += [line_key(series(place), line.words) for place, line in enumerate(lines)]
    return [*keys, area_key("shade", "training range")]


def _numbers(subject: Subject, curves: Curves, lines: Sequence[_Line]) -> Numbers:
    """Target and answers at some inputs: the ends of the training range among them."""
    places = _listed(curves)
    columns = [column_text(curves.inputs_P[places].tolist())]
    columns += [column_text(curves.target_P[places].tolist())] if curves.target_P is not None else []
    columns += [column_text(line.answers_P[places].tolist()) for line in lines]
    headings = [curves.name, *([subject.target] if curves.target_P is not None else [])]
    rows = list(zip(*columns, strict=True))
    return Numbers([*headings, *(line.words for line in lines)], rows, len(curves.inputs_P) - len(rows))


def _listed(curves: Curves) -> list[int]:
    last = len(curves.inputs_P) - 1
    if last < 0:
        return []
    even = np.linspace(0, last, _LISTED).round().astype(int).tolist()
    ends = [int(np.argmin(np.abs(curves.inputs_P - end))) for end in (curves.low, curves.high)]
    return sorted({*even, *ends})
