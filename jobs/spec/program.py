"""The program of a variant: what all models of its packs have in common for an engine."""

from __future__ import annotations

from dataclasses import fields, replace
from operator import attrgetter

from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.spec.axes import AXES
from sumsquares.jobs.spec.variants import Variant

_SHARED = tuple(field.name for field in fields(Program) if field.name in AXES)
_shared_of = attrgetter(*_SHARED)


def program_of(variant: Variant) -> Program:
    """Returns the program of a variant: the hyperparameters that are fields of `Program`, and the dataset's shape."""
    shared = dict(zip(_SHARED, _shared_of(variant), strict=True))
    return Program(inputs=variant.dataset.inputs, rows=variant.dataset.rows, **shared)


def predicting_program(variant: Variant) -> Program:
    """Returns the program that predicts with a variant's stored weights: in float64 where the readout is solved.

    Solved weights are large and nearly cancel each other out: in float32 an RMSE of 0.00001 became 3.
    """
    program = program_of(variant)
    return replace(program, dtype="float64") if variant.readout == "solved" else program
