"""What accuracy costs: RMSE against the number of parameters and against the seconds of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sumsquares.jobs.results.case import rmse_of
from sumsquares.jobs.results.middle import middle
from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.keys import LINEAR, OTHERS, dot_key, line_key, square_key
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.plot import Plot
from sumsquares.jobs.show.charts.scales import Log
from sumsquares.jobs.show.charts.subject import Subject
from sumsquares.jobs.show.findings import is_linear
from sumsquares.jobs.show.format import Row, counted, number

DRAWN = 400
"""Variants that are drawn at most: those of the front, and others evenly from best to worst."""
_MANY = 100  # marks from which on they are smaller
_LISTED = 12


@dataclass(frozen=True, slots=True)
class _Cost:
    """What is on the horizontal axis."""

    name: str
    title: str
    axis: str
    words: str


_PARAMETERS = _Cost("parameters", "RMSE and size", "parameters", "parameters")
_SECONDS = _Cost("seconds", "RMSE and training time", "seconds per trial", "seconds per trial")


def cost_charts(subject: Subject) -> list[Chart]:
    """Returns both charts, each if its numbers differ between variants."""
    measured = [row for row in subject.rows if middle(row) is not None]
    found = [(_PARAMETERS, [float(row["parameters"]) for row in measured])]
    found.append((_SECONDS, [row["train_seconds"] / (row["n"] + row["n_diverged"]) for row in measured]))
    return [_chart(subject, measured, cost, xs) for cost, xs in found if len(set(xs)) > 1]


def _chart(subject: Subject, measured: Sequence[Row], cost: _Cost, xs: Sequence[float]) -> Chart:
    rmse = [rmse_of(row) for row in measured]
    front = pareto(xs, rmse)
    drawn = _drawn(len(measured), front)
    label = _label(subject, measured, cost, xs, front)
    x, y = Log.of([xs[v] for v in drawn]), Log.of([rmse[v] for v in drawn])
    plot = Plot(subject.id(cost.name), label, x, y, (cost.axis, "RMSE"))
    linear = [v for v in drawn if is_linear(measured[v])]
    others = sorted(set(drawn) - set(linear))
    side, many = (7, "") if len(drawn) <= _MANY else (5, " many")
    plot.squares([(xs[v], rmse[v]) for v in linear], f"square{many}", side)
    plot.dots([(xs[v], rmse[v]) for v in others], f"dot other{many}")
    plot.line(_steps([(xs[v], rmse[v]) for v in front], max(xs)), "line front")
    plot.note((xs[front[-1]], rmse[front[-1]]), "best")
    return Chart(
        name=cost.name,
        title=cost.title,
        caption=_caption(len(measured), len(drawn)),
        label=label,
        svg=plot.done(),
        legend=_legend(bool(others), bool(linear)),
        numbers=_numbers(subject, measured, cost, xs, front),
    )


def pareto(xs: Sequence[float], ys: Sequence[float]) -> list[int]:
    """Returns the places of the pairs that no other undercuts in both numbers, by ascending x."""
    front: list[int] = []
    for place in sorted(range(len(xs)), key=lambda v: (xs[v], ys[v], v)):
        if not front or ys[place] < ys[front[-1]]:
            front.append(place)
    return front


def _drawn(count: int, front: Sequence[int]) -> list[int]:
    """The front, and others evenly by rank."""
    even = np.linspace(0, count - 1, min(count, max(0, DRAWN - len(front)))).round().astype(int).tolist()
    return sorted({*front, *even})


def _steps(front: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """The front as a line: it goes on to the right until the next is better."""
    points = []
    for (x, y), (following, _) in zip(front, [*front[1:], (end, 0.0)], strict=True):
        points += [(x, y), (following, y)]
    return points


def _caption(count: int, drawn: int) -> str:
    words = "Each mark is a variant; both axes are logarithmic. The line joins those that are best for their cost."
    if drawn < count:
        words += f" Drawn are {drawn:,} of {count:,} variants: these, and others evenly from the best to the worst."
    return words


def _label(subject: Subject, measured: Sequence[Row], cost: _Cost, xs: Sequence[float], front: Sequence[int]) -> str:
    """The two ends of the front."""
    ends = [
        f"{subject.words(measured[v])} with RMSE {number(rmse_of(measured[v]))} at {number(xs[v])} {cost.words}"
        for v in dict.fromkeys((front[0], front[-1]))
    ]
    opening = f"RMSE against {cost.axis} of {counted(len(measured), 'variant')}"
    if len(ends) == 1:
        return f"{opening}: the best for its cost is {ends[0]}."
    return f"{opening}: {counted(len(front), 'variant')} are best for their cost, from {ends[0]} to {ends[1]}."


def _legend(has_others: bool, has_linear: bool) -> list[Key]:
    keys = [dot_key("dot other", OTHERS)] if has_others else []
    keys += [square_key(LINEAR)] if has_linear else []
    return [*keys, line_key("line front", "best for its cost")]


def _numbers(
    subject: Subject, measured: Sequence[Row], cost: _Cost, xs: Sequence[float], front: Sequence[int]
) -> Numbers:
    """The front, from the best on."""
    listed = front[::-1][:_LISTED]
    columns = column_text([xs[v] for v in listed]), column_text([rmse_of(measured[v]) for v in listed])
    rows = [[subject.words(measured[v]), x, y] for v, x, y in zip(listed, *columns, strict=True)]
    return Numbers(["best for its cost", cost.axis, "RMSE"], rows, len(measured) - len(rows))
