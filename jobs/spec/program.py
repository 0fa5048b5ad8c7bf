"""The program that trains a variant: what every model of its packs shares, for the engines."""

from __future__ import annotations

from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.spec.variants import Variant


def program_of(variant: Variant) -> Program:
    """The program that trains a variant."""
    return Program(
        inputs=variant.dataset.inputs,
        hidden=variant.hidden,
        activation=variant.activation,
        optimizer=variant.optimizer,
        schedule=variant.schedule,
        batch_size=variant.batch_size,
        epochs=variant.epochs,
        rows=variant.dataset.rows,
        dtype=variant.dtype,
        shuffle_seed=variant.shuffle_seed,
    )
