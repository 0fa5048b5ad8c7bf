"""Headings of the summary's numbers: which of them the tables of variants show, in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sumsquares.jobs.results.described import spec_of
from sumsquares.jobs.show.format import Row, at_most, number, share


class Heading(NamedTuple):
    """One column of numbers."""

    column: str
    """Of the summary's table."""
    terminal: str
    """In two lines, as short as can be."""
    report: tuple[str, str]
    """The two lines in the report."""
    gives_way: int | None = 0
    """If the terminal is too narrow, columns are dropped from the lowest number on, and None never."""
    text: Callable[[Any], str] = number
    """The cell."""


def _spaced(name: str | None) -> str:
    return "-" if name is None else name.replace("_", " ")


def _bound(value: float | None) -> str:
    return "-" if value is None else at_most(value)


HEADINGS = (
    Heading("rmse_median", "RMSE\nmedian", ("RMSE", "median"), gives_way=None),
    Heading("rmse_unseen_median", "unseen\nmedian", ("unseen rows", "median"), gives_way=2),
    Heading("rmse_train_median", "train\nmedian", ("training", "median"), gives_way=4),
    Heading("rmse_solved_median", "solved\nmedian", ("readout solved", "median"), gives_way=7),
    Heading("floor", "floor", ("floor", ""), gives_way=5, text=_bound),
    Heading("rmse_best", "RMSE\nbest", ("RMSE", "best"), gives_way=6),
    Heading("rmse_rounded_best", "rounded\nbest", ("rounded", "best"), gives_way=1),
    Heading("rmse_extrapolation_median", "beyond\nrange", ("beyond range", "median"), gives_way=3),
    Heading("exact_fraction_best", "exact\nbest", ("exact", "best"), gives_way=None, text=share),
    Heading("accuracy_median", "accuracy\nmedian", ("accuracy", "median"), gives_way=None, text=share),
    Heading("cause", "cause", ("cause", ""), gives_way=8, text=_spaced),
)
"""In the order in which they are shown. The report explains what a heading means, under "The words"."""
_OF_INTEGERS = frozenset({"rmse_rounded_best", "exact_fraction_best"})
_OF_ACCURACY = frozenset({"accuracy_median"})


def headings_of(about: Row, rows: Sequence[Row]) -> list[Heading]:
    """Returns those for a dataset's variants: rounded answers are of integers, and accuracy is of cross-entropy."""
    rounded = frozenset() if spec_of(about).has_integer_target else _OF_INTEGERS
    accuracy = frozenset() if any(row["loss"] == "bce" for row in rows) else _OF_ACCURACY
    return [each for each in HEADINGS if each.column not in rounded | accuracy]
