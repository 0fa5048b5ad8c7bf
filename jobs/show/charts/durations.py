"""The chart of how long nights took: a bar for each, or lines where bars would touch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sumsquares.jobs.show.charts.chart import Chart, Key, Numbers
from sumsquares.jobs.show.charts.days import Days, across
from sumsquares.jobs.show.charts.keys import line_key, shape_key
from sumsquares.jobs.show.charts.plot import ACROSS, DOWN, TOP, Plot
from sumsquares.jobs.show.charts.scales import Linear
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.progress import clock

_LISTED = 60
"""Newest nights in the table of numbers."""
_NARROW = 3.0
"""Width of a bar below which lines are drawn instead."""


@dataclass(frozen=True, slots=True)
class Took:
    """How long one night took."""

    day: date
    seconds: float
    training: float | None
    """Seconds of it that it trained; None if they are not recorded."""


def duration_chart(nights: Sequence[Took], days: Days) -> Chart:
    """Returns how long each night took, and how much of that was training."""
    unit, seconds = _unit(max((night.seconds for night in nights), default=0.0))
    y = Linear(0.0, max([night.seconds / seconds for night in nights if night.seconds > 0], default=1.0) * 1.05)
    label = _duration_label(nights)
    plot = Plot("durations", label, days, y, ("date of the night", unit))
    width = min(18.0, 0.8 * ACROSS / days.count)
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
            (across(plot, night.day), plot.y.at(height / seconds))
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


def _bar(x: float, share: float, width: float) -> str:
    height = DOWN * share
    return f"M{x - width / 2:.1f} {TOP + DOWN}v{-height:.1f}h{width:.1f}v{height:.1f}"


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
