"""Errors on a lattice of two numbers, in the training range and beyond it.

Suffixes: those of data.py; N points of the lattice.
"""

from __future__ import annotations

import numpy as np

from sumsquares.datasets.spec import NamedDataset
from sumsquares.jobs.results.figures.curves import expected, finite, label
from sumsquares.jobs.results.figures.data import ErrorMap
from sumsquares.jobs.results.figures.networks import Asked
from sumsquares.jobs.results.figures.points import even, span_of
from sumsquares.jobs.results.number_rows import inputs_of_numbers

SIDE = 48
"""Points along each input at most: 2,304 answers."""


def error_map(dataset: NamedDataset, asked: Asked) -> ErrorMap:
    """Returns the errors of a network on a dataset of two numbers."""
    spans = span_of(dataset, 0), span_of(dataset, 1)
    inputs_A, inputs_B = (even(span, SIDE) for span in spans)
    numbers_N2 = np.stack(np.meshgrid(inputs_A, inputs_B, indexing="ij"), axis=-1).reshape(-1, 2)
    answers_N = asked.kept.network.answers(inputs_of_numbers(dataset, numbers_N2))
    with np.errstate(over="ignore"):
        error_N = finite(answers_N - expected(dataset, numbers_N2))
    return ErrorMap(
        asked.chosen,
        (label(dataset, 0), label(dataset, 1)),
        inputs_A,
        inputs_B,
        error_N.reshape(len(inputs_A), len(inputs_B)),
        (spans[0].low, spans[1].low),
        (spans[0].high, spans[1].high),
    )
