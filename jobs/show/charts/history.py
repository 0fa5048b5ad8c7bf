"""Charts of nights: how the best RMSE of a dataset went from night to night, and how long the nights took.

What happened in a night has a mark of its own shape: a flag with a number for a change of the champion, a cross for a
regression, a hollow square for a night that failed, a short bar for one that was missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from xml.etree.ElementTree import SubElement

from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.keys import line_key, shape_key
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.plot import ACROSS, DOWN, LEFT, TOP, Plot
from sumsquares.jobs.show.charts.scales import Linear, Log
from sumsquares.jobs.show.format import counted, number
from sumsquares.jobs.show.progress import clock

_DOTS = 62
"""Days up to which each night has a dot of its own, and marks have their full size."""
_SMALL = 0.6
"""Size of the marks of a longer chart."""
_RULES = 24
"""Changes of the champion up to which each has a line from top to bottom, and a number."""
_NARROW = 3.0
"""Width of a bar below which lines are drawn instead."""
_LISTED = 60
"""Newest nights in the table of numbers."""
_LEVELS, _LEVEL = 3, 13  # flags stand below each other where they are close, so many units apart
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Happened:
    """What happened on the nights that a chart shows."""

    first: date
    last: date
    moves: Sequence[tuple[date, str, str]] = ()
    """Changes of the champion: day, number in the page's list, and what happened."""
    regressed: Sequence[date] = ()
    failed: Sequence[date] = ()
    """Nights without a verdict."""
    missed: Sequence[date] = ()


@dataclass(frozen=True, slots=True)
class Took:
    """How long one night took."""

    day: date
    seconds: float
    training: float | None
    """Seconds of it that it trained; None if they are not recorded."""


@dataclass(frozen=True, slots=True)
class Days:
    """A scale of dates, by their ordinals, with half a day of room at both ends."""

    first: date
    last: date

    def at(self, value: float) -> float:
        """Returns its fraction."""
        low, high = self.first.toordinal() - 0.5, self.last.toordinal() + 0.5
        return (value - low) / (high - low)

    def ticks(self) -> list[tuple[float, str]]:
        """Returns days, weeks or the first days of months."""
        span = (self.last - self.first).days
        if span <= 45:
            step = 1 if span < 6 else 2 if span < 12 else 7 if span < 30 else 14
            days = [self.first + timedelta(days=number) for number in range(0, span + 1, step)]
            return [(self.at(day.toordinal()), f"{day.day} {_MONTHS[day.month - 1]}") for day in days]
        months = [
            (n // 12, n % 12 + 1) for n in range(_month(self.first) + (self.first.day > 1), _month(self.last) + 1)
        ]
        kept = months[:: max(1, math.ceil(len(months) / 5))]
        return [(self.at(date(year, month, 1).toordinal()), f"{_MONTHS[month - 1]} {year}") for year, month in kept]


def _cross(size: float) -> str:
    half, whole = 5 * size, 10 * size
    return f"m{-half:g} {-half:g} {whole:g} {whole:g}m0 {-whole:g} {-whole:g} {whole:g}"


def _square(size: float) -> str:
    return f"m{-4 * size:g} {-4 * size:g}h{8 * size:g}v{8 * size:g}h{-8 * size:g}z"


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
        Days(happened.first, happened.last),
        Log.of(rmse for _, rmse in known),
        ("date of the night", "best median RMSE"),
    )
    _flags(plot, happened)
    points = [(float(day.toordinal()), rmse) for day, rmse in known]
    plot.line(points, "line s1")
    if len(known) <= _DOTS:
        plot.dots(points, "dot s1")
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


def duration_chart(nights: Sequence[Took], happened: Happened) -> Chart:
    """Returns how long each night took, and how much of that was training."""
    unit, seconds = _unit(max((night.seconds for night in nights), default=0.0))
    y = Linear(0.0, max([night.seconds / seconds for night in nights if night.seconds > 0], default=1.0) * 1.05)
    label = _duration_label(nights)
    plot = Plot("durations", label, Days(happened.first, happened.last), y, ("date of the night", unit))
    width = min(18.0, 0.8 * ACROSS / ((happened.last - happened.first).days + 1))
    legend = _bars(plot, nights, seconds, width) if width >= _NARROW else _curves(plot, nights, seconds)
    return Chart(
        name="durations",
        title="How long nights took",
        caption="Of finished nights. If one was continued after an interruption, it is the time of its last attempt.",
        label=label,
        svg=plot.done(),
        legend=legend,
        numbers=_duration_numbers(nights),
    )


def _bars(plot: Plot, nights: Sequence[Took], seconds: float, width: float) -> list[Key]:
    """A bar for each night, filled as far as it trained; returns the legend."""
    for classes, heights in (
        ("night whole", [night.seconds for night in nights]),
        ("night part", [night.training or 0.0 for night in nights]),
    ):
        shares = [
            (_across(plot, night.day), plot.y.at(height / seconds))
            for night, height in zip(nights, heights, strict=True)
        ]
        plot.path("".join(_bar(x, share, width) for x, share in shares if share > 0), classes)
    return [
        shape_key("night part", "m-4 5v-8h8v8z", "training, filled"),
        shape_key("night whole", "m-4 5v-10h8v10z", "the rest, outlined"),
    ]


def _curves(plot: Plot, nights: Sequence[Took], seconds: float) -> list[Key]:
    """Lines, where bars would touch; returns the legend."""
    plot.line([(float(night.day.toordinal()), night.seconds / seconds) for night in nights], "line s1")
    known = [(float(night.day.toordinal()), night.training / seconds) for night in nights if night.training is not None]
    plot.line(known, "line s2")
    return [line_key("line s1", "whole night"), line_key("line s2", "training, dashed")]


def mark_key(kind: str) -> Key:
    """The mark of a kind of event: champion, regressed, failed or missed."""
    classes, shape, words = _KINDS[kind]
    return shape_key(classes, shape, words)


_KINDS = {
    "champion": ("night flag", f"m-3 5{_flag(1)}", "change of the champion, by its number below"),
    "regressed": ("night cross", _cross(1), "regressed, or not comparable"),
    "failed": ("night square", _square(1), "failed, or not finished"),
    "missed": ("night bar", _upright(1), "missed: no night on that date"),
}


def _legend(happened: Happened) -> list[Key]:
    there = {
        "champion": happened.moves,
        "regressed": happened.regressed,
        "failed": happened.failed,
        "missed": happened.missed,
    }
    return [mark_key(kind) for kind, found in there.items() if found]


def _flags(plot: Plot, happened: Happened) -> None:
    """Changes of the champion: a flag at the top and, unless there are too many, a line below it and its number."""
    days = dict.fromkeys(day for day, _, _ in happened.moves if happened.first <= day <= happened.last)
    if len(days) > _RULES:
        plot.path("".join(f"M{_across(plot, day):.1f} {TOP + 9}{_flag(_SMALL)}" for day in days), "night flag")
        return
    ends = [-math.inf] * _LEVELS
    for day in days:
        x = _across(plot, day)
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
    size = 1.0 if (happened.last - happened.first).days < _DOTS else _SMALL
    bottom = TOP + DOWN - 7
    for days, shape, classes in (
        (happened.missed, _upright(size), "night bar"),
        (happened.failed, _square(size), "night square"),
        (happened.regressed, _cross(size), "night cross"),
    ):
        inside = sorted({day for day in days if happened.first <= day <= happened.last})
        values = rmse if classes == "night cross" else {}
        heights = [TOP + DOWN * (1 - plot.y.at(values[day])) if day in values else bottom for day in inside]
        if inside:
            places = zip(inside, heights, strict=True)
            plot.path("".join(f"M{_across(plot, day):.1f} {y:.1f}{shape}" for day, y in places), classes)


def _across(plot: Plot, day: date) -> float:
    return LEFT + ACROSS * plot.x.at(day.toordinal())


def _bar(x: float, share: float, width: float) -> str:
    height = DOWN * share
    return f"M{x - width / 2:.1f} {TOP + DOWN}v{-height:.1f}h{width:.1f}v{height:.1f}"


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


def _duration_label(nights: Sequence[Took]) -> str:
    if not nights:
        return "No finished night has a recorded time."
    longest = max(nights, key=lambda night: night.seconds)
    return (
        f"Times of {counted(len(nights), 'finished night')}: the last took {clock(nights[-1].seconds)}, "
        f"the longest {clock(longest.seconds)} on {longest.day}."
    )


def _duration_numbers(nights: Sequence[Took]) -> Numbers:
    shown = list(reversed(nights))[:_LISTED]
    rows = [
        (f"{night.day}", clock(night.seconds), "-" if night.training is None else clock(night.training))
        for night in shown
    ]
    return Numbers(("date", "whole night", "training"), rows, len(nights) - len(shown))


def _unit(longest: float) -> tuple[str, float]:
    return ("hours", 3600.0) if longest >= 7200 else ("minutes", 60.0) if longest >= 120 else ("seconds", 1.0)


def _month(day: date) -> int:
    """Months since the year 0."""
    return 12 * day.year + day.month - 1


def bounds(days: Iterable[date], today: date) -> tuple[date, date]:
    """Returns the first and the last day of a chart: those of its nights, a week apart at least."""
    known = sorted(days) or [today]
    return min(known[0], known[-1] - timedelta(days=6)), known[-1]
