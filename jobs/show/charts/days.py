"""A scale of dates, for charts of nights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from sumsquares.jobs.show.charts.plot import ACROSS, LEFT, Plot

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Days:
    """A scale of dates, by their ordinals, with half a day of room at both ends."""

    first: date
    last: date

    @classmethod
    def of(cls, days: Iterable[date], today: date) -> Days:
        """The scale of these dates, of today if there are none; a week at least."""
        known = sorted(days) or [today]
        week = date.fromordinal(max(1, known[-1].toordinal() - 6))
        return cls(min(known[0], week), known[-1])

    @property
    def count(self) -> int:
        """Days from the first to the last, both included."""
        return (self.last - self.first).days + 1

    def has(self, day: date) -> bool:
        """Whether a date lies on the scale."""
        return self.first <= day <= self.last

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


def across(plot: Plot, day: date) -> float:
    """Returns where a date lies in a plot with such a scale, in units."""
    return LEFT + ACROSS * plot.x.at(day.toordinal())


def _month(day: date) -> int:
    """Months since the year 0."""
    return 12 * day.year + day.month - 1
