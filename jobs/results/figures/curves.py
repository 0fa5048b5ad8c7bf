"""Answers along the only input of a dataset, beside the rule or some of a table's rows.

Suffixes: those of data.py; N rows, K numbers of a row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sumsquares.datasets.rows import Block
from sumsquares.datasets.source import Range
from sumsquares.datasets.spec import NamedDataset
from sumsquares.datasets.tables.table import InputColumn, TableDataset
from sumsquares.jobs.results.figures.data import Curves, Floats
from sumsquares.jobs.results.figures.networks import Asked
from sumsquares.jobs.results.figures.points import Span, along, span_of, span_of_column
from sumsquares.jobs.results.number_rows import inputs_of_numbers
from sumsquares.jobs.results.scaling import ranges_in_training
from sumsquares.jobs.storage.store import Store

_BEYOND = 0.25
"""Share of the width of a table's range that is drawn on both sides of it."""


def curves_of_numbers(dataset: NamedDataset, asked: Sequence[Asked]) -> Curves:
    """Returns the curves of variants on generated rows of one number."""
    span = span_of(dataset, 0)

    def rule(inputs_P: Floats) -> Floats:
        return expected(dataset, inputs_P[:, np.newaxis])

    inputs_P = along(span, rule)
    inputs_PI = inputs_of_numbers(dataset, inputs_P[:, np.newaxis])
    answers = tuple((each.chosen, finite(each.kept.network.answers(inputs_PI))) for each in asked)
    return Curves(label(dataset, 0), inputs_P, rule(inputs_P), span.low, span.high, answers, None)


def curves_of_table(store: Store, table: TableDataset, asked: Sequence[Asked], rows: Block) -> Curves:
    """Returns the curves of variants on a table of one input column, beside some of its rows.

    Where it has several splits the range is that of the training rows of all trials that are asked.
    """
    trained = [ranges_in_training(store, each.kept.trial.variant)[0] for each in asked]
    [column] = table.input_columns
    span = _span(column, Range(min(each.low for each in trained), max(each.high for each in trained)))
    inputs_P = along(span, None)
    answers = tuple((each.chosen, finite(each.kept.network.answers(inputs_P[:, np.newaxis]))) for each in asked)
    drawn = rows[0][:, 0], rows[1].astype(np.float64)
    return Curves(column.name, inputs_P, None, span.low, span.high, answers, drawn)


def _span(column: InputColumn, trained: Range) -> Span:
    """Returns what is drawn of a column; there is nothing beyond a boolean, or a category, which is 0 or 1."""
    is_flag = column.type == "bool" or column.category is not None
    return span_of_column(trained, is_flag or column.type == "int64", 0.0 if is_flag else _BEYOND)


def expected(dataset: NamedDataset, numbers_NK: Floats) -> Floats:
    """Returns the exact targets of numbers, without noise; NaN where there is none."""
    dtype = np.float64 if dataset.is_real else np.int64
    return dataset.source.target(numbers_NK.astype(dtype)).astype(np.float64)


def finite(answers_N: Floats) -> Floats:
    """Returns NaN in place of an answer that is not finite."""
    return np.where(np.isfinite(answers_N), answers_N, np.nan)


def label(dataset: NamedDataset, number: int) -> str:
    """Returns what a number is called: as in the formula; of a task `number`, or `number 2` of several."""
    if dataset.formula is None and dataset.n_numbers == 1:
        return "number"
    return dataset.source.names[number].replace("_", " ")
