"""Trained models: any trial of the store as a plain torch.nn.Sequential, and its answers in the target's own units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.normalize import normalization
from sumsquares.jobs.engines.forward import forward
from sumsquares.jobs.results.stored import read_weights
from sumsquares.jobs.spec.program import program_of
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

if TYPE_CHECKING:
    from torch import nn


def load_model(store: Store, pack_id: str, trial: Trial) -> nn.Sequential:
    """The trial's network, normalised inputs [N, I] to normalised outputs [N, 1].

    Raises:
        DamagedResult: the pack's files are not those that were written.
        FileNotFoundError: there is no such pack.

    """
    ((_, network),) = networks(store, pack_id, [trial])
    return network


def networks(store: Store, pack_id: str, trials: Iterable[Trial]) -> Iterator[tuple[Trial, nn.Sequential]]:
    """The networks of several trials of one pack, whose files are read once; errors as in `load_model`."""
    from sumsquares.jobs.engines.sequential import sequential

    for trial, own in weights_of(store, pack_id, trials):
        yield trial, sequential(program_of(trial.variant), own)


def answers(store: Store, pack_id: str, trial: Trial, inputs_NI: NDArray[np.signedinteger]) -> NDArray[np.float64]:
    """What the trial's network makes of raw inputs [N, I]: predictions [N] in the target's own units, not rounded.

    Without torch, for a few rows; errors as in `load_model`.
    """
    ((_, own),) = weights_of(store, pack_id, [trial])
    variant = trial.variant
    scale = normalization(variant.dataset, variant.normalize)
    return scale.restore(forward(variant.activation, own, scale.inputs(inputs_NI, variant.dtype)))


def weights_of(
    store: Store, pack_id: str, trials: Iterable[Trial]
) -> Iterator[tuple[Trial, dict[str, NDArray[np.floating]]]]:
    """The state dicts of several trials of one pack, whose files are read once; errors as in `load_model`."""
    tensors, ids = read_weights(store, pack_id)
    places = {trial_id: place for place, trial_id in enumerate(ids)}
    for trial in trials:
        yield trial, {name: stacked[places[trial.id]] for name, stacked in tensors.items()}


def network_answers(network: nn.Sequential, trial: Trial, inputs_NI: NDArray[np.signedinteger]) -> NDArray[np.float64]:
    """The same by a network that is loaded, for many rows."""
    import torch

    variant = trial.variant
    scale = normalization(variant.dataset, variant.normalize)
    with torch.inference_mode():
        output_N1 = network(torch.from_numpy(scale.inputs(inputs_NI, variant.dtype)))
    return scale.restore(output_N1.squeeze(1).double().numpy())
