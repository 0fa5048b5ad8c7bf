"""The loss curves of a variant's trials, as the store has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sumsquares.jobs.engines.losses import curve_epochs
from sumsquares.jobs.results.figures.curves import finite
from sumsquares.jobs.results.figures.data import Chosen, Losses
from sumsquares.jobs.results.figures.networks import Kept
from sumsquares.jobs.spec.variants import Trial

MOST = 10
"""Trials of a variant whose losses are drawn."""


def drawn_seeds(chosen: Chosen, trials: Sequence[Trial]) -> list[Trial]:
    """Returns those of a variant's trials whose losses are drawn, by seed: the asked one, and the first others.

    Where a table has several splits, they are those of the asked trial's split; of the first one if none is asked.
    """
    split = trials[0].variant.dataset.split if chosen.trial is None else chosen.split
    own = [trial for trial in trials if trial.variant.dataset.split == split]
    first = sorted(own, key=lambda trial: (trial.seed != chosen.seed, trial.seed))[:MOST]
    return sorted(first, key=lambda trial: trial.seed)


def losses_of(chosen: Chosen, trials: Sequence[Trial], kept: Mapping[str, Kept]) -> Losses | None:
    """Returns the losses of these trials, or None if the store has none of any."""
    curves = {trial.seed: kept[trial.id].losses_E for trial in trials if trial.id in kept}
    known = {seed: losses_E for seed, losses_E in curves.items() if losses_E is not None}
    if not known:
        return None
    epochs_E = curve_epochs(trials[0].variant.epochs).astype(np.float64)
    return Losses(chosen, tuple(known), epochs_E, finite(np.stack([*known.values()])))
