"""Residuals: what a network predicts for test rows against what is expected."""

from __future__ import annotations

import math

import numpy as np

from sumsquares.jobs.results.figures.data import Floats, Residuals
from sumsquares.jobs.show.charts.chart import Chart, Numbers
from sumsquares.jobs.show.charts.keys import dot_key, line_key
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.plot import Plot
from sumsquares.jobs.show.charts.scales import Linear, finite
from sumsquares.jobs.show.charts.subject import Subject
from sumsquares.jobs.show.format import counted, number

_DRAWN = 300
_LISTED = 10
_PAD = 0.04


def residuals_chart(subject: Subject, residuals: Residuals, place: int) -> Chart | None:
    """Returns the chart of one network, the one with this place; None without finite numbers."""
    is_known_R = np.isfinite(residuals.expected_R) & np.isfinite(residuals.predicted_R)
    expected_R, predicted_R = (part[is_known_R] for part in (residuals.expected_R, residuals.predicted_R))
    if not len(expected_R):
        return None
    step = math.ceil(len(expected_R) / _DRAWN)
    words, name = subject.chosen(residuals.chosen), f"residuals-{place + 1}"
    label = f"The best trial of {words}, {counted(len(expected_R), subject.tested)}: {_label(expected_R, predicted_R)}"
    scale = Linear.of(finite(expected_R), _PAD)
    plot = Plot(subject.id(name), label, scale, scale, (f"expected {subject.target}", f"predicted {subject.target}"))
    plot.line([(scale.low, scale.low), (scale.high, scale.high)], "line zero")
    shown_R = zip(expected_R[::step].tolist(), predicted_R[::step].tolist(), strict=True)
    drawn = plot.dots(shown_R, "dot row")
    return Chart(
        name=name,
        title=f"Predicted and expected, {subject.role(residuals.chosen)}",
        caption=f"The best trial of {words}. " + _caption(subject, residuals, drawn, len(expected_R[::step])),
        label=label,
        svg=plot.done(),
        legend=[dot_key("dot row", f"a {subject.tested}"), line_key("line zero", "predicted is expected")],
        numbers=_numbers(expected_R, predicted_R),
    )


def _caption(subject: Subject, residuals: Residuals, drawn: int, shown: int) -> str:
    """How to read it, and how many rows are drawn, of one split where there are several."""
    of, split = counted(residuals.of, subject.tested), residuals.chosen.split
    part = f"{drawn:,} of {of}" if drawn < residuals.of else of
    where = f" of split {split}" if split is not None else ""
    off = shown - drawn
    beyond = (
        f" {counted(off, 'prediction')} of {shown:,} {'lies' if off == 1 else 'lie'} beyond the axis." if off else ""
    )
    return f"{part}{where}: on the diagonal the prediction is right, above it is too high.{beyond}"


def _label(expected_R: Floats, predicted_R: Floats) -> str:
    error_R = predicted_R - expected_R
    worst = int(np.argmax(np.abs(error_R)))
    ends = f"{number(float(predicted_R[worst]))} for {number(float(expected_R[worst]))}"
    return f"the typical error (RMSE) is {number(float(np.sqrt(np.mean(error_R**2))))}, the largest that of {ends}."


def _numbers(expected_R: Floats, predicted_R: Floats) -> Numbers:
    """Rows from the smallest expected value to the largest."""
    order = np.argsort(expected_R, kind="stable")
    places = order[np.unique(np.linspace(0, len(order) - 1, _LISTED).round().astype(int))]
    columns = [expected_R[places], predicted_R[places], predicted_R[places] - expected_R[places]]
    rows = list(zip(*(column_text(column.tolist()) for column in columns), strict=True))
    return Numbers(["expected", "predicted", "predicted minus expected"], rows, len(order) - len(rows))
