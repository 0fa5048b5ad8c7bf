"""The chart of a dataset's best RMSE from night to night.

What happened in a night has a mark of its own shape: a flag with a number for a change of the champion, a cross for a
regression, a hollow square for a night that failed, a short bar for one that was missed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from xml.etree.ElementTree import SubElement

from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.days import Days, across
from sumsquares.jobs.show.charts.keys import line_key, shape_key
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.plot import ACROSS, DOWN, LEFT, TOP, Plot
from sumsquares.jobs.show.charts.scales import Log
from sumsquares.jobs.show.format import counted, number

_DOTS = 62
"""Days up to which each night has a dot of its own, and marks have their full size."""
_SMALL = 0.6
"""Size of the marks of a longer chart."""
_RULES = 24
"""Changes of the champion up to which each has a line from top to bottom, and a number."""
_LISTED = 60
"""Newest nights in the table of numbers."""
_BELOW, _ABOVE = 0.09, 0.2  # of the axis
_LEVELS, _LEVEL = 3, 13  # flags stand below each other where they are close, so many units apart


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened on the nights that a chart shows."""

    days: Days
    """What the charts reach over."""
    moves: Sequence[tuple[date, str, str]] = ()
    """Changes of the champion: day, number in the page's list, and what happened."""
    regressed: Sequence[date] = ()
    failed: Sequence[date] = ()
    """Nights without a verdict."""
    missed: Sequence[date] = ()


def _cross(size: float) -> str:
    half, whole = 6 * size, 12 * size
    return f"m{-half:g} {-half:g} {whole:g} {whole:g}m0 {-whole:g} {-whole:g} {whole:g}"


def _square(size: float) -> str:
    return f"m{-4.5 * size:g} {-4.5 * size:g}h{9 * size:g}v{9 * size:g}h{-9 * size:g}z"


def _upright(size: float) -> str:
    return f"m0 {-5 * size:g}v{10 * size:g}"


def _flag(size: float) -> str:
    step = 3 * size
    return f"v{-9 * size:g}h{8 * size:g}l{-step:g} {step:g} {step:g} {step:g}h{-8 * size:g}"


def rmse_chart(name: str, place: int, best: Sequence[tuple[date, float]], happened: Happened) -> Chart:
    """Returns the best RMSE on a dataset, night by night; `best` has nights with a result alone."""
    known = [(day, rmse) for day, rmse in best if math.isfinite(rmse)]
    label = _rmse_label(name, known, happened)
    plot = Plot(
        f"rmse-{place}",
        label,
        happened.days,
        _height(known),
        ("date of the night", "best median RMSE"),
    )
    _flags(plot, happened)
    points = [(float(day.toordinal()), rmse) for day, rmse in known]
    plot.line(points, "line s1")
    if len(known) <= _DOTS:  # a regression has its cross alone, since a dot would hide its shape
        regressed = {day.toordinal() for day in happened.regressed}
        plot.dots([point for point in points if point[0] not in regressed], "dot s1")
    _marks(plot, happened, dict(known))
    return Chart(
        name=f"rmse-{place}",
        title=f"Best RMSE on {name}",
        caption="The lowest median RMSE of a variant, on the test rows of the night's spec. Lower is better.",
        label=label,
        svg=plot.done(),
        legend=[line_key("line s1", "best of the night"), *_legend(happened)],
        numbers=_rmse_numbers(known, happened),
    )


def _height(known: Sequence[tuple[date, float]]) -> Log:
    """The axis of the RMSE, with room for flags above and for failed and missed nights below."""
    scale = Log.of(rmse for _, rmse in known)
    span = scale.high - scale.low
    return replace(scale, low=scale.low - _BELOW * span, high=scale.high + _ABOVE * span)


def _legend(happened: Happened) -> list[Key]:
    numbered = ", numbered as in the list below" if _has_numbers(happened) else ""
    marks = (
        (happened.moves, "night flag", f"m-3 5{_flag(1)}", f"change of the champion{numbered}"),
        (happened.regressed, "night cross", _cross(1), "regressed, or not comparable"),
        (happened.failed, "night square", _square(1), "failed, or not finished"),
        (happened.missed, "night bar", _upright(1), "missed: no night on that date"),
    )
    return [shape_key(classes, shape, words) for found, classes, shape, words in marks if found]


def _move_days(happened: Happened) -> list[date]:
    return list(dict.fromkeys(day for day, _, _ in happened.moves if happened.days.has(day)))


def _has_numbers(happened: Happened) -> bool:
    """Whether there is room for the numbers of the flags."""
    return len(_move_days(happened)) <= _RULES


def _flags(plot: Plot, happened: Happened) -> None:
    """Changes of the champion: a flag at the top and, unless there are too many, a line below it and its number."""
    days = _move_days(happened)
    if not _has_numbers(happened):
        plot.path("".join(f"M{across(plot, day):.1f} {TOP + 9}{_flag(_SMALL)}" for day in days), "night flag")
        return
    ends = [-math.inf] * _LEVELS
    for day in days:
        x = across(plot, day)
        numbers = [number for on, number, _ in happened.moves if on == day]
        words = numbers[0] if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
        level = next((level for level, end in enumerate(ends) if end < x), ends.index(min(ends)))
        y = TOP + 9 + _LEVEL * level
        plot.path(f"M{x:.1f} {TOP}v{DOWN}", "night rule")
        plot.path(f"M{x:.1f} {y}{_flag(1)}", "night flag")
        is_left = x + 12 + 8 * len(words) > LEFT + ACROSS
        where = {"x": f"{x - 3 if is_left else x + 10:.1f}", "y": f"{y}", "class": "note"}
        SubElement(plot.svg, "text", where | ({"text-anchor": "end"} if is_left else {})).text = words
        ends[level] = x + 12 + 9 * len(words)


def _marks(plot: Plot, happened: Happened, rmse: dict[date, float]) -> None:
    """Regressions where their RMSE is, failed and missed nights at the bottom."""
    size = 1.0 if happened.days.count <= _DOTS else _SMALL
    bottom = TOP + DOWN - 7
    for days, shape, classes in (
        (happened.missed, _upright(size), "night bar"),
        (happened.failed, _square(size), "night square"),
        (happened.regressed, _cross(size), "night cross"),
    ):
        inside = sorted({day for day in days if happened.days.has(day)})
        values = rmse if classes == "night cross" else {}
        heights = [TOP + DOWN * (1 - plot.y.at(values[day])) if day in values else bottom for day in inside]
        if inside:
            places = zip(inside, heights, strict=True)
            plot.path("".join(f"M{across(plot, day):.1f} {y:.1f}{shape}" for day, y in places), classes)


def _rmse_label(name: str, known: Sequence[tuple[date, float]], happened: Happened) -> str:
    """The chart in a sentence or two."""
    if not known:
        return f"No night has a result on {name}."
    (least_day, least), (last_day, last) = min(known, key=lambda each: each[1]), known[-1]
    counts = [
        counted(len(found), word)
        for found, word in (
            (happened.moves, "change of the champion"),
            (happened.regressed, "regression"),
            (happened.failed, "failed night"),
            (happened.missed, "missed night"),
        )
        if found
    ]
    counts = [each.replace("change of the champions", "changes of the champion") for each in counts]
    events = f" Marked: {', '.join(counts)}." if counts else ""
    first_day, first = known[0]
    values = f"{number(first)} in the first, {number(last)} in the last, lowest {number(least)} on {least_day}"
    return f"Best RMSE on {name} in {counted(len(known), 'night')} from {first_day} to {last_day}: {values}.{events}"


def _rmse_numbers(known: Sequence[tuple[date, float]], happened: Happened) -> Numbers:
    """The newest nights, the latest first."""
    events: dict[date, list[str]] = {}
    for day, place, what in happened.moves:
        events.setdefault(day, []).append(f"{place}: {what}")
    for days, what in ((happened.regressed, "regressed"), (happened.failed, "failed"), (happened.missed, "missed")):
        for day in days:
            events.setdefault(day, []).append(what)
    values = dict(known)
    days = sorted({*values, *events}, reverse=True)
    shown = days[:_LISTED]
    texts = column_text([values.get(day) for day in shown])
    rows = [(f"{day}", text, ", ".join(events.get(day, []))) for day, text in zip(shown, texts, strict=True)]
    return Numbers(("date", "best RMSE", "what happened"), rows, len(days) - len(shown))
