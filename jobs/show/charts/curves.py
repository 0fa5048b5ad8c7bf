"""The curves of a dataset with one input: what chosen networks answer, the target, and what they are off by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sumsquares.jobs.results.figures.data import Curves, Floats
from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.curve_axes import Drawn, Line, leaves
from sumsquares.jobs.show.charts.keys import area_key, dot_key, line_key, series
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.plot import Plot
from sumsquares.jobs.show.charts.scales import Linear, finite
from sumsquares.jobs.show.charts.subject import Subject, sentence_start
from sumsquares.jobs.show.format import counted, number

_LISTED = 9  # inputs in the table of numbers, and the ends of the training range
_ROWS = 300  # of a table that are drawn


def curves_chart(subject: Subject, curves: Curves) -> Chart | None:
    """Returns the curves, and where the rule is known a second panel with the errors; None without any input."""
    if not len(curves.inputs_P):
        return None
    lines = [Line.of(subject.chosen(chosen), answers_P, curves.target_P) for chosen, answers_P in curves.answers]
    drawn = Drawn(curves, lines)
    label = _label(subject, drawn)
    errors = _errors(subject, drawn) if drawn.errors else ""
    return Chart(
        name="curves",
        title="What the networks answer",
        caption=_caption(subject, drawn),
        label=label,
        svg=_answers(subject, drawn, label) + errors,
        legend=_legend(subject, drawn),
        numbers=_numbers(subject, drawn),
        layout="wide" if errors else "half",
    )


def _answers(subject: Subject, drawn: Drawn, label: str) -> str:
    """The panel with the answers."""
    curves = drawn.curves
    titles = curves.name, f"{subject.target} and answers"
    plot = Plot(subject.id("curves"), label, Linear.of(curves.inputs_P), drawn.answer_axis, titles)
    plot.shade(curves.low, curves.high, "training range")
    if curves.rows is not None:
        step = max(1, math.ceil(len(curves.rows[0]) / _ROWS))
        plot.dots(zip(*(part[::step].tolist() for part in curves.rows), strict=True), "dot row")
    if curves.target_P is not None:
        plot.line(_points(curves, curves.target_P), "line target")
    for place, line in enumerate(drawn.lines):
        plot.line(_points(curves, line.answers_P), series(place))
    return plot.done()


def _errors(subject: Subject, drawn: Drawn) -> str:
    """The panel with the errors."""
    curves = drawn.curves
    label = "The errors of the same networks, answer minus target, on an axis that is logarithmic on both sides of 0."
    titles = curves.name, "answer minus target"
    plot = Plot(subject.id("curve-errors"), label, Linear.of(curves.inputs_P), drawn.error_axis, titles)
    plot.shade(curves.low, curves.high, "training range")
    plot.line([(float(curves.inputs_P[0]), 0.0), (float(curves.inputs_P[-1]), 0.0)], "line zero")
    for place, error_P in enumerate(drawn.errors):
        plot.line(_points(curves, error_P), series(place))
    return plot.done()


def _points(curves: Curves, values_P: Floats) -> list[tuple[float, float]]:
    return list(zip(curves.inputs_P.tolist(), values_P.tolist(), strict=True))


def _caption(subject: Subject, drawn: Drawn) -> str:
    """How to read it, and what is cut off."""
    target_P = drawn.curves.target_P
    beyond = "" if drawn.inside.all() else "; beyond it no network was trained"
    what = "The target" if target_P is not None else sentence_start(f"{subject.tested}s")
    words = f"{what}, and what the best trial of each variant answers. The training range is shaded{beyond}."
    n_cut = sum(leaves(drawn.answer_axis, line.answers_P) for line in drawn.lines)
    if n_cut:
        words += f" The axis follows the target: the answers of {counted(n_cut, 'variant')} leave it and are cut off."
    if target_P is not None and leaves(drawn.answer_axis, target_P):
        words += " The target is cut off where it is far from its values in the training range."
    if not drawn.errors:
        return words
    words += " The second panel has what they are off by, logarithmic on both sides of 0: a line on 0 is right."
    is_cut = any(leaves(drawn.error_axis, error_P) for error_P in drawn.errors)
    return words + (" Errors far larger than any in the training range are cut off." if is_cut else "")


def _label(subject: Subject, drawn: Drawn) -> str:
    """The largest errors within the training range, and beyond it."""
    curves = drawn.curves
    trained = f"trained from {number(curves.low)} to {number(curves.high)}"
    opening = f"{subject.target} by {curves.name} at {counted(len(curves.inputs_P), 'point')}, {trained}"
    words = [words for line in drawn.lines if (words := _line_words(line, drawn))]
    return f"{opening}: {'; '.join(words)}." if words else f"{opening}."


def _line_words(line: Line, drawn: Drawn) -> str:
    if line.error_P is None:
        known = finite(line.answers_P[drawn.inside])
        return f"{line.words} answers {number(min(known))} to {number(max(known))} there" if known else ""
    near, far = _largest(line.error_P[drawn.inside]), _largest(line.error_P[~drawn.inside])
    beyond = "" if far is None else f" and {number(far)} beyond"
    return f"{line.words} is off by at most {number(near)} there{beyond}" if near is not None else ""


def _largest(error_P: Floats) -> float | None:
    return max(map(abs, finite(error_P)), default=None)


def _legend(subject: Subject, drawn: Drawn) -> list[Key]:
    keys = [line_key("line target", "target")] if drawn.curves.target_P is not None else []
    keys += [dot_key("dot row", f"{subject.tested}s")] if drawn.curves.rows is not None else []
    keys += [line_key(series(place), line.words) for place, line in enumerate(drawn.lines)]
    return [*keys, area_key("shade", "training range")]


def _numbers(subject: Subject, drawn: Drawn) -> Numbers:
    """Target and answers at some inputs."""
    curves, places = drawn.curves, _listed(drawn.curves)
    target = [] if curves.target_P is None else [(subject.target, curves.target_P)]
    columns = [(curves.name, curves.inputs_P), *target, *((line.words, line.answers_P) for line in drawn.lines)]
    rows = list(zip(*(column_text(values_P[places].tolist()) for _, values_P in columns), strict=True))
    return Numbers([heading for heading, _ in columns], rows, len(curves.inputs_P) - len(rows))


def _listed(curves: Curves) -> Sequence[int]:
    even = np.linspace(0, len(curves.inputs_P) - 1, _LISTED).round().astype(int).tolist()
    ends = [int(np.argmin(np.abs(curves.inputs_P - end))) for end in (curves.low, curves.high)]
    return sorted({*even, *ends})
