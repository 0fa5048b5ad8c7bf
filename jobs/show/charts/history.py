"""Charts of nights: how the best RMSE of a dataset went from night to night, and how long the nights took.

What happened in a night has a mark of its own shape: a flag with a number for a change of the champion, a cross for a
regression, a hollow square for a night that failed, a short bar for one that was missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.keys import line_key, shape_key
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.charts.plot import ACROSS, DOWN, LEFT, TOP, Plot
from sumsquares.jobs.show.charts.scales import Linear, Log
from sumsquares.jobs.show.format import counted, number
from sumsquares.jobs.show.progress import clock

_DOTS = 62
"""Nights up to which each has a dot of its own."""
_LISTED = 60
"""Newest nights in the table of numbers."""
_APART = 14  # units between two numbers of flags
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CROSS = "m-5-5 10 10m0-10-10 10"
_SQUARE = "m-4-4h8v8h-8z"
_BAR = "m0-5v10"
_FLAG = "m0 0v-9h8l-3 3 3 3h-8"


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
        caption="The lowest median RMSE of a variant, on the rows that all nights are measured on. Lower is better.",
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
    width = max(1.0, min(18.0, 0.8 * ACROSS / ((happened.last - happened.first).days + 1)))
    bars = [(_across(plot, night.day), y.at(night.seconds / seconds)) for night in nights]
    parts = [(_across(plot, night.day), y.at((night.training or 0.0) / seconds)) for night in nights]
    plot.path("".join(_bar(x, share, width) for x, share in bars), "night whole")
    plot.path("".join(_bar(x, share, width) for x, share in parts if share > 0), "night part")
    return Chart(
        name="durations",
        title="How long nights took",
        caption="Of finished nights. If one was continued after an interruption, it is the time of its last attempt.",
        label=label,
        svg=plot.done(),
        legend=[
            shape_key("night part", "m-4 5v-8h8v8z", "training, filled"),
            shape_key("night whole", "m-4 5v-10h8v10z", "the rest, outlined"),
        ],
        numbers=_duration_numbers(nights),
    )


def mark_key(kind: str) -> Key:
    """The mark of a kind of event: champion, regressed, failed or missed."""
    classes, shape, words = _KINDS[kind]
    return shape_key(classes, shape, words)


_KINDS = {
    "champion": ("night flag", "m-3 5v-10h8l-3 3 3 3h-8", "change of the champion, by its number below"),
    "regressed": ("night cross", _CROSS, "regressed, or not comparable"),
    "failed": ("night square", _SQUARE, "failed, or not finished"),
    "missed": ("night bar", _BAR, "missed: no night on that date"),
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
    """Changes of the champion: a line from top to bottom, a flag at the top and, where there is room, its number."""
    taken = -math.inf
    inside = [each for each in happened.moves if happened.first <= each[0] <= happened.last]
    for day in dict.fromkeys(day for day, _, _ in inside):
        x = _across(plot, day)
        plot.path(f"M{x:.1f} {TOP}v{DOWN}", "night rule")
        plot.path(f"M{x:.1f} {TOP + 9}{_FLAG}", "night flag")
        numbers = [number for on, number, _ in inside if on == day]
        words = numbers[0] if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
        if x - taken >= _APART + 4 * len(words):
            plot.text(x + 10, TOP + 9, words)
            taken = x


def _marks(plot: Plot, happened: Happened, rmse: dict[date, float]) -> None:
    """Regressions where their RMSE is, failed and missed nights at the bottom."""
    bottom = TOP + DOWN - 7
    for days, shape, classes in (
        (happened.missed, _BAR, "night bar"),
        (happened.failed, _SQUARE, "night square"),
        (happened.regressed, _CROSS, "night cross"),
    ):
        inside = sorted({day for day in days if happened.first <= day <= happened.last})
        is_placed = classes == "night cross"
        places = [
            (day, TOP + DOWN * (1 - plot.y.at(rmse[day])) if is_placed and day in rmse else bottom) for day in inside
        ]
        d = "".join(f"M{_across(plot, day):.1f} {y:.1f}{shape}" for day, y in places)
        if d:
            plot.path(d, classes)


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
    return (
        f"Best RMSE on {name} in {counted(len(known), 'night')} from {known[0][0]} to {last_day}: "
        f"{number(known[0][1])} in the first, {number(last)} in the last, lowest {number(least)} on {least_day}.{events}"
    )


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
