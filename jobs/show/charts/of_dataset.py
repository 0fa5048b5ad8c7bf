"""The charts of a dataset, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from sumsquares.jobs.results.figures.data import Figures
from sumsquares.jobs.results.importance import Importance
from sumsquares.jobs.show.charts.chart import Chart
from sumsquares.jobs.show.charts.costs import cost_charts
from sumsquares.jobs.show.charts.curves import curves_chart
from sumsquares.jobs.show.charts.error_map import map_chart
from sumsquares.jobs.show.charts.losses import losses_chart
from sumsquares.jobs.show.charts.matters import matters_chart
from sumsquares.jobs.show.charts.residuals import residuals_chart
from sumsquares.jobs.show.charts.rmse import rmse_chart
from sumsquares.jobs.show.charts.subject import Subject
from sumsquares.jobs.show.format import Row


def charts_of(
    name: str, about: Row, rows: Sequence[Row], figures: Figures, matters: Importance | None
) -> tuple[Chart, ...]:
    """Returns the charts of a dataset: what its networks answer, what they reach, and why.

    `about` is the dataset's entry in the summary, with its baselines, and `rows` are its variants in the summary's
    table, best first. A chart without numbers is left out.
    """
    subject = Subject.of(name, about, rows)
    found = [
        curves_chart(subject, figures.curves) if figures.curves is not None else None,
        *(map_chart(subject, each, place) for place, each in enumerate(figures.maps)),
        *(residuals_chart(subject, each, place) for place, each in enumerate(figures.residuals)),
        rmse_chart(subject, figures.rmse),
        matters_chart(subject, matters) if matters is not None else None,
        losses_chart(subject, figures.losses),
        *cost_charts(subject),
    ]
    return tuple(_paired([chart for chart in found if chart is not None]))


def _paired(charts: Sequence[Chart]) -> Iterator[Chart]:
    """Yields the charts, those that have no other half beside them with their words there instead."""
    for layout, group in groupby(charts, key=lambda chart: chart.layout):
        halves = list(group)
        is_odd = layout == "half" and len(halves) % 2 == 1
        yield from halves[:-1]
        yield replace(halves[-1], layout="beside") if is_odd else halves[-1]
