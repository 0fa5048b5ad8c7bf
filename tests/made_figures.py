"""Figures and rows of variants for tests of charts: made up, as if a run had given them."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
from result_rows import row_of
from specs import SMALL

from sumsquares.jobs.results.axis_effects import Effect
from sumsquares.jobs.results.figures.data import Chosen, Curves, ErrorMap, Figures, Losses, Residuals
from sumsquares.jobs.results.importance import AxisShare, Importance
from sumsquares.jobs.results.pack_files import SCHEMA
from sumsquares.jobs.results.summary import summarize
from sumsquares.jobs.show.charts.of_dataset import charts_of
from sumsquares.jobs.show.format import best_first
from sumsquares.jobs.spec.job_spec import parse_spec
from sumsquares.jobs.spec.variants import trials

BASELINES = ({"name": "mean", "rmse_mean": 420.0}, {"name": "least squares", "rmse_mean": 0.0})
MATTERS = Importance(
    axes=(AxisShare("activation", 0.6, Effect("activation", "tanh", "identity", 47.2, 2, 2, 0.2, 900.0)),),
    interactions=0.1,
    seeds=0.3,
    shared=0.0,
    method="full grid",
)


def rows_of(text=SMALL, name="squares", changes=lambda _index, _trial: {}):
    """A dataset's entry in the summary, its variants, best first, and the RMSEs of their trials."""
    expected = trials(parse_spec(text.encode(), "spec.toml"))
    table = [row_of(trial, **changes(index, trial)) for index, trial in enumerate(expected)]
    summary = summarize(expected, pa.Table.from_pylist(table, schema=SCHEMA))
    rows = [row for row in best_first(summary.table.to_pylist()) if row["dataset"] == name]
    rmse = {row["variant_id"]: () for row in rows}
    for trial in summary.trials.to_pylist():
        if trial["variant_id"] in rmse and trial["rmse"] is not None:
            rmse[trial["variant_id"]] += (trial["rmse"],)
    return {**summary.datasets[name], "baselines": BASELINES}, rows, rmse


def chosen_of(rows):
    """The first network, the best one and another one."""
    picked = zip((rows[-1], rows[0], rows[len(rows) // 2]), (("first",), ("best",), ("other",)), strict=True)
    return [Chosen(row, roles, "0" * 64, 0, None) for row, roles in picked]


def figures_of(rows, rmse, values=None, points=33):
    """Every kind of figure; `values(n)` gives their n numbers, by default smooth ones."""
    made = values or (lambda n: np.cos(np.arange(n) / 5.0) + np.arange(n) / 7.0)
    chosen, inputs_P = chosen_of(rows), np.linspace(-10.0, 20.0, points)
    answers = tuple((each, made(points)) for each in chosen)
    lattice = ErrorMap(
        chosen[0], ("x1", "x2"), inputs_P, inputs_P, made(points**2).reshape(points, points), (0, 0), (9, 9)
    )
    losses = [
        Losses(each, (0, 1), np.arange(1.0, points + 1), np.abs(made(2 * points)).reshape(2, points)) for each in chosen
    ]
    return Figures(
        curves=Curves("x", inputs_P, made(points), 0.0, 10.0, answers, None),
        maps=(lattice,),
        residuals=(Residuals(chosen[1], made(points), made(points), points),),
        losses=tuple(losses),
        rmse=rmse,
    )


def all_charts(values=None, points=33, **changes):
    """All charts of a dataset."""
    about, rows, rmse = rows_of()
    figures = replace(figures_of(rows, rmse, values, points), **changes)
    return charts_of("squares", about, rows, figures, MATTERS)


def chart_named(charts, name):
    """The chart with this name."""
    (found,) = [chart for chart in charts if chart.name == name]
    return found


def svgs_of(chart):
    """The outermost SVGs of a chart."""
    top = ElementTree.fromstring(f"<div>{chart.svg}</div>")  # noqa: S314  our own
    return [element for element in top.iter("svg") if {"plot", "row"} & set(element.get("class", "").split())]


def points_of(d):
    """Every point of a path that has our few commands."""
    x = y = 0.0
    for command, numbers in re.findall(r"([MLHhvlz])([^MLHhvlz]*)", d):
        values = [float(number) for number in re.findall(r"-?\d*\.?\d+(?:e-?\d+)?", numbers)]
        if command in "ML":
            for x, y in zip(values[::2], values[1::2], strict=True):
                yield x, y
            continue
        for value in values:
            x, y = (value, y) if command == "H" else (x + value, y) if command == "h" else (x, y + value)
            yield x, y
