"""Loss curves: the training loss of chosen variants by epoch, a thin line for each trial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sumsquares.jobs.results.figures.data import Losses
from sumsquares.jobs.show.charts.chart import Chart, Numbers
from sumsquares.jobs.show.charts.keys import line_key, series
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.plot import Plot
from sumsquares.jobs.show.charts.scales import Log, finite
from sumsquares.jobs.show.charts.subject import Subject
from sumsquares.jobs.show.format import number

_SEEDS = 5  # lines of a variant
_LISTED = 8  # epochs in the table of numbers


def losses_chart(subject: Subject, losses: Sequence[Losses]) -> Chart | None:
    """Returns the chart; None if no loss above 0 is known."""
    known = [value for each in losses for value in finite(each.loss_SE.ravel()) if value > 0]
    epochs = [value for each in losses for value in finite(each.epochs_E) if value > 0]
    if not known or not epochs:
        return None
    label = _label(subject, losses)
    plot = Plot(subject.id("losses"), label, Log.of(epochs), Log.of(known), ("epoch", "training loss"))
    for place, each in enumerate(losses):
        for loss_E in each.loss_SE[:_SEEDS]:
            points = zip(each.epochs_E.tolist(), np.where(loss_E > 0, loss_E, np.nan).tolist(), strict=True)
            plot.line(points, f"{series(place)} thin")
    return Chart(
        name="losses",
        title="Training loss",
        caption=_caption(losses),
        label=label,
        svg=plot.done(),
        legend=[line_key(f"{series(place)} thin", subject.chosen(each.chosen)) for place, each in enumerate(losses)],
        numbers=_numbers(subject, losses),
    )


def _caption(losses: Sequence[Losses]) -> str:
    words = "The loss on the training rows, as the networks see them, by epoch; a line is a trial. Both axes are"
    words += " logarithmic."
    most = max(len(each.loss_SE) for each in losses)
    if most > _SEEDS:
        words += f" Of a variant's trials the first {_SEEDS} are drawn."
    if any(each.chosen.split is not None for each in losses):
        words += " The trials of a variant are those on the split of its best one."
    drawn = [each.loss_SE[:_SEEDS] for each in losses if each.loss_SE.size]
    stopped = sum(int(np.isnan(loss_SE[:, -1]).sum()) for loss_SE in drawn)
    if any((loss_SE == 0).any() for loss_SE in drawn):
        words += " A loss of 0 is not on the axis."
    return f"{words} Lines that end early are of trials that diverged: {stopped}." if stopped else words


def _label(subject: Subject, losses: Sequence[Losses]) -> str:
    """Where the median trial of each variant begins and ends."""
    words = []
    for each in losses:
        ends = _medians(each)[[0, -1]] if each.loss_SE.size else np.full(2, np.nan)
        if np.isfinite(ends).all():
            fall = f"from {number(float(ends[0]))} to {number(float(ends[1]))}"
            words.append(f"of {subject.chosen(each.chosen)} {fall} in {number(float(each.epochs_E[-1]))} epochs")
    return f"Training loss, the median of these trials: {'; '.join(words)}." if words else "Training loss by epoch."


def _medians(losses: Losses) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The median of the trials at each epoch; NaN where none has a loss."""
    columns = [finite(column) for column in losses.loss_SE.T]
    return np.array([float(np.median(column)) if column else np.nan for column in columns])


def _numbers(subject: Subject, losses: Sequence[Losses]) -> Numbers:
    epochs = sorted({epoch for each in losses for epoch in finite(each.epochs_E)})
    chosen = sorted({epochs[place] for place in np.linspace(0, len(epochs) - 1, _LISTED).round().astype(int)})
    columns = [column_text(chosen)]
    for each in losses:
        medians = dict(zip(each.epochs_E.tolist(), _medians(each).tolist(), strict=True))
        columns.append(column_text([medians.get(epoch) for epoch in chosen]))
    headings = ["epoch", *(f"{subject.chosen(each.chosen)}, median" for each in losses)]
    return Numbers(headings, list(zip(*columns, strict=True)), len(epochs) - len(chosen))
