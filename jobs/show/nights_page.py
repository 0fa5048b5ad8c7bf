"""The page of nights: one self-contained HTML file that shows how a store's nights went, and which one is champion.

Its data are given, its look is in page/nights.html.jinja. The same data give the same page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from sumsquares.jobs.show.charts.chart import Chart
from sumsquares.jobs.show.charts.days import Days
from sumsquares.jobs.show.charts.durations import Took, duration_chart
from sumsquares.jobs.show.charts.history import Happened, rmse_chart
from sumsquares.jobs.show.charts.numbers import column_text
from sumsquares.jobs.show.format import counted
from sumsquares.jobs.show.night_words import (
    JUDGED,
    REGRESSED,
    age_words,
    missing_words,
    move_words,
    result_words,
    spans,
    when_words,
)
from sumsquares.jobs.show.page.render import render
from sumsquares.jobs.show.progress import clock

T = TypeVar("T")
_CHARTS, _COLUMNS = 12, 3  # most datasets that are drawn, and that have a column in the table
_DRAWN = 4000  # nights in all charts together: 1,000 nights of one chart take up to 80 kB
_LISTED = 40  # entries of a list, the newest
_DETAILED, _TOLD = 20, 8  # regressions that have details, and lines of each
_LONGEST = 200  # characters of a line that was written by others or by an earlier version
_STAGES = {"train": "training", "generate": "making rows", "summarize": "summary", "plan": "planning", "start": "start"}


@dataclass(frozen=True, slots=True)
class ShownNight:
    """One night as the page shows it."""

    night: str
    day: date
    result: str
    """Of a judged night its result, else its state."""
    exit_code: int | None = None
    message: str = ""
    details: Sequence[str] = ()
    best: Mapping[str, float] | None = None
    """The lowest median RMSE by dataset."""
    seconds: float | None = None
    stages: Mapping[str, float] | None = None
    """Seconds by stage, as far as they are recorded."""
    report: str | None = None
    """Address of its report relative to the page, if that exists."""

    @property
    def training(self) -> float | None:
        """Seconds of training, if they are recorded."""
        return (self.stages or {}).get("train")


@dataclass(frozen=True, slots=True)
class ShownMove:
    """One change of the champion."""

    kind: str
    night: str
    at: str
    """Time such as 2026-11-22T03:00:00Z."""


@dataclass(frozen=True, slots=True)
class Nights:
    """What the page shows."""

    spec: str
    """Name of the spec whose nights these are; empty if it is not known."""
    today: date
    champion: str | None
    nights: Sequence[ShownNight]
    """By date, the newest last."""
    moves: Sequence[ShownMove]
    """The latest last."""
    missed: Sequence[date]
    left_out: int
    """Older nights of the store that are not shown."""
    deleted: date | None
    """Date up to which retention has deleted nights."""
    problems: Sequence[str] = ()


def nights_page(shown: Nights) -> str:
    """Returns the page."""
    numbered = list(enumerate(shown.moves, 1))
    happened = _happened(shown, numbered)
    names = sorted({name for night in shown.nights for name in night.best or {}})
    drawn = min(_CHARTS, _DRAWN // max(1, len(shown.nights)))
    regressed = [night for night in reversed(shown.nights) if night.result in REGRESSED]
    unfinished = [night for night in reversed(shown.nights) if night.result not in JUDGED]
    reports = {night.night: night.report for night in shown.nights}
    return render(
        "nights.html.jinja",
        spec=shown.spec,
        today=shown.today,
        state=_state(shown),
        when_words=when_words,
        problems=shown.problems,
        charts=[_rmse(name, place, shown, happened) for place, name in enumerate(names[:drawn], 1)],
        not_drawn=names[drawn:],
        durations=_durations(shown, happened),
        stages=_stages(shown.nights),
        moves=_cut(
            [(place, _day(move.at), move, move_words(move.kind, place - 1)) for place, move in reversed(numbered)]
        ),
        regressed=_cut(_told(regressed)),
        unfinished=_cut([(night, result_words(night.result), short(night.message)) for night in unfinished]),
        missed=spans(shown.missed)[::-1][:_LISTED],
        n_missed=len(shown.missed),
        n_spans=len(spans(shown.missed)),
        columns=names[:_COLUMNS],
        not_listed=names[_COLUMNS:],
        rows=_rows(shown, names[:_COLUMNS]),
        champion=shown.champion,
        left_out=shown.left_out,
        deleted=shown.deleted,
        reports=reports,
        result_words=result_words,
    )


def short(line: str) -> str:
    """Returns a line, cut where an earlier version wrote a long one."""
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _state(shown: Nights) -> list[str]:
    """The store's nights in a few sentences: the champion, its age, and how the last night ended."""
    sentences = [_champion_words(shown)]
    if shown.nights:
        last = shown.nights[-1]
        words = short(last.message).rstrip(".") or result_words(last.result)
        sentences.append(f"The newest night, {last.night}: {words}.")
    if shown.missed:
        sentences.append(f"Missed: {missing_words(shown.missed, 3)}.")
    return sentences


def _champion_words(shown: Nights) -> str:
    if shown.champion is None:
        return "There is no champion." if not shown.problems else "The champion is not known: see the problem below."
    words = f"The champion is night {shown.champion}, {age_words(date.fromisoformat(shown.champion[:10]), shown.today)}"
    if not shown.moves:
        return f"{words}."
    last = shown.moves[-1]
    return f"{words}, {move_words(last.kind, len(shown.moves) - 1)} {when_words(last.at)}."


def _happened(shown: Nights, numbered: Iterable[tuple[int, ShownMove]]) -> Happened:
    first = Days.of((night.day for night in shown.nights), shown.today).first
    moves = [
        (day, f"{place}", f"{move.night} {move_words(move.kind, place - 1)}")
        for place, move in numbered
        if (day := _day(move.at)) is not None and first <= day
    ]
    moved = [day for day, _, _ in moves if day <= shown.today]
    missed = [day for day in shown.missed if first <= day]
    return Happened(
        days=Days.of([*(night.day for night in shown.nights), *moved, *missed], shown.today),
        moves=moves,
        regressed=[night.day for night in shown.nights if night.result in REGRESSED],
        failed=[night.day for night in shown.nights if night.result not in JUDGED],
        missed=missed,
    )


def _rmse(name: str, place: int, shown: Nights, happened: Happened) -> Chart:
    best = [(night.day, night.best[name]) for night in shown.nights if night.best and name in night.best]
    return rmse_chart(name, place, best, happened)


def _durations(shown: Nights, happened: Happened) -> Chart | None:
    took = [Took(night.day, night.seconds, night.training) for night in shown.nights if night.seconds is not None]
    return duration_chart(took, happened.days) if took else None


def _stages(nights: Sequence[ShownNight]) -> tuple[str, list[tuple[str, str]]] | None:
    """The stages of the newest night that has recorded them, with the time of each."""
    newest = next((night for night in reversed(nights) if night.stages), None)
    if newest is None or newest.stages is None:
        return None
    parts = [(_STAGES.get(name, name), clock(seconds)) for name, seconds in newest.stages.items()]
    rest = None if newest.seconds is None else newest.seconds - sum(newest.stages.values())
    others = [] if rest is None or rest < 0.5 else [("measuring, judging and all else", clock(rest))]
    return newest.night, [*parts, *others]


def _day(at: str) -> date | None:
    """The date of a time; None if it isn't one."""
    try:
        return date.fromisoformat(at[:10])
    except ValueError:
        return None


def _told(regressed: Sequence[ShownNight]) -> list[tuple[ShownNight, str, list[str]]]:
    """Regressions with what is said of them; older ones have their line alone."""
    return [
        (night, short(night.message), _details(night) if place < _DETAILED else [])
        for place, night in enumerate(regressed)
    ]


def _details(night: ShownNight) -> list[str]:
    more = len(night.details) - _TOLD
    return [short(line) for line in night.details[:_TOLD]] + (
        [f"and {counted(more, 'line')} more, in night.json"] if more > 0 else []
    )


def _cut(entries: list[T]) -> tuple[list[T], int]:
    """The first entries, and how many are left out."""
    return entries[:_LISTED], max(0, len(entries) - _LISTED)


def _rows(shown: Nights, columns: Sequence[str]) -> list[tuple[ShownNight, str, str, list[str]]]:
    """The table of all nights, the newest first: night, result, duration, best RMSE by dataset."""
    nights = list(reversed(shown.nights))
    numbers = [column_text([(night.best or {}).get(name) for night in nights]) for name in columns]
    return [
        (
            night,
            result_words(night.result),
            "-" if night.seconds is None else clock(night.seconds),
            [column[place] for column in numbers],
        )
        for place, night in enumerate(nights)
    ]
