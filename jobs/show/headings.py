"""Headings of the summary's numbers: which of them the tables of variants show, in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sumsquares.jobs.results.described import is_of_integers, is_table
from sumsquares.jobs.results.middle import middle_column
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
    Heading("rmse_mean", "RMSE\nmean", ("RMSE", "mean"), gives_way=None),
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
_OF_RANGES = frozenset({"rmse_extrapolation_median"})
_MIDDLES = frozenset({"rmse_median", "rmse_mean"})


def headings_of(about: Row, rows: Sequence[Row]) -> list[Heading]:
    """Returns those for a dataset's variants: rounded answers are of integers, and accuracy is of cross-entropy.

    A table has no range. Variants on several of its splits are compared by their mean.
    """
    rounded = frozenset() if is_of_integers(about) else _OF_INTEGERS
    accuracy = frozenset() if any(row["loss"] == "bce" for row in rows) else _OF_ACCURACY
    beyond = _OF_RANGES if is_table(about) else frozenset()
    other = _MIDDLES - {middle_column(row) for row in rows}
    return [each for each in HEADINGS if each.column not in rounded | accuracy | beyond | other]
