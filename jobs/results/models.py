"""Trained models for other programs: any trial of the store as a plain torch.nn.Sequential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sumsquares.jobs.results.stored import read_weights
from sumsquares.jobs.spec.program import predicting_program
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

if TYPE_CHECKING:
    from torch import nn


def load_model(store: Store, pack_id: str, trial: Trial) -> nn.Sequential:
    """The trial's network, normalised inputs [N, I] to normalised outputs [N, 1]; in float64 if its readout is solved.

    Raises:
        DamagedResult: the pack's files are not those that were written.
        FileNotFoundError: there is no such pack.

    """
    from sumsquares.jobs.engines.sequential import sequential  # imports torch, which takes a second

    tensors, ids = read_weights(store, pack_id)
    place = ids.index(trial.id)
    return sequential(predicting_program(trial.variant), {name: stacked[place] for name, stacked in tensors.items()})
