"""Parts of a run: the trials of one variant on one split of its dataset. Generated rows have one split.

Suffixes: T trials, P parts, V variants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sumsquares.datasets.dataset import Named
from sumsquares.jobs.results.grouped import Indices
from sumsquares.jobs.spec.variants import Trial, Variant

Key = tuple[str, str | None]
"""Name and split of a dataset."""


@dataclass(frozen=True)
class Parts:
    """The parts of the expected trials, and the variants that they belong to."""

    variants: Sequence[Variant]
    """[P], each on its split, in the order of their first trials."""
    part_T: Indices
    """The part of each trial."""
    variant_P: Indices
    """The place of each part's variant in the order of the spec."""
    first_P: Indices
    """The first part of each variant [V]."""
    splits_V: Indices
    """How many parts each variant has."""
    datasets: Mapping[Key, Named]
    """The splits of datasets, by what tells them apart."""

    @classmethod
    def of(cls, expected: Iterable[Trial]) -> Parts:
        """Finds the parts, and which of them are one variant."""
        positions: dict[str, int] = {}
        groups: dict[str, int] = {}
        variants: list[Variant] = []
        part_T, group_P = [], []
        for trial in expected:
            position = positions.setdefault(trial.variant.digest, len(variants))
            if position == len(variants):
                variants.append(trial.variant)
                group_P.append(groups.setdefault(trial.variant.group, len(groups)))
            part_T.append(position)
        variant_P = np.array(group_P, dtype=np.intp)
        _, first_P, splits_V = np.unique(variant_P, return_index=True, return_counts=True)
        datasets = {key_of(variant.dataset): variant.dataset for variant in variants}
        return cls(variants, np.array(part_T, dtype=np.intp), variant_P, first_P, splits_V, datasets)


def key_of(dataset: Named) -> Key:
    """Returns what tells the splits of a spec's datasets apart."""
    return dataset.name, dataset.split
