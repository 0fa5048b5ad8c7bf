"""The RMSE of each trial of the variants that a chart can show."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

MOST_BEST, MOST_WORST = 400, 100
"""Variants of a dataset with the lowest and the highest RMSE whose trials are kept."""
MOST_TRIALS = 100
"""Trials of a variant that are kept: the first in the order of splits and seeds."""


def shown(order: Sequence[int]) -> list[int]:
    """Returns the places of the variants whose trials are kept, out of those with an RMSE, the best first."""
    return list(dict.fromkeys([*order[:MOST_BEST], *order[-MOST_WORST:]]))


def rmse_of(trials: pa.Table, variants: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Returns by id of these variants the RMSE of its trials that are ok; `trials` has those of the dataset."""
    is_mine = pc.is_in(trials["variant_id"], value_set=pa.array(variants, pa.string()))
    known = trials.filter(pc.and_(is_mine, pc.is_valid(trials["rmse"])))
    found: dict[str, list[float]] = {variant: [] for variant in variants}
    for variant, rmse in zip(known["variant_id"].to_pylist(), known["rmse"].to_pylist(), strict=True):
        if len(found[variant]) < MOST_TRIALS:
            found[variant].append(rmse)
    return {variant: tuple(values) for variant, values in found.items()}
