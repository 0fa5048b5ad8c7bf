"""Trained models for other programs: any trial of the store with its scaling, as plain data, a module or a file.

Suffixes: N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.source import Numbers
from sumsquares.jobs.engines.choice import choose, engine
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.state import flat_parameters
from sumsquares.jobs.results.defined import defined
from sumsquares.jobs.results.scaling import scale_of
from sumsquares.jobs.results.stored import read_weights
from sumsquares.jobs.spec.program import predicting_program
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

if TYPE_CHECKING:
    from sumsquares.jobs.engines.sequential import ScaledNetwork

_AT_ONCE = 1 << 22
"""Most values of one layer for the rows that are predicted at once: 32 MiB in float64."""


@dataclass(frozen=True)
class TrainedNetwork:
    """One trained model: plain data, which can be pickled and needs no store."""

    program: Program
    """In float64 where the readout is solved."""
    tensors: Mapping[str, NDArray[np.floating[Any]]]
    """Its state dict: "0.weight" [O, I], "0.bias" [O], "2.weight", ..."""
    scale: Normalization

    def answers(self, inputs_NI: Numbers) -> NDArray[np.float64]:
        """Returns answers [N] in the target's own units to raw inputs [N, I], not rounded."""
        stacked = {name: tensor[np.newaxis] for name, tensor in self.tensors.items()}
        trained = engine(choose("auto", "cpu")).predictor(self.program, flat_parameters(self.program, stacked))
        predict = defined(trained, self.scale)
        step = max(1, _AT_ONCE // max(self.program.inputs, *self.program.hidden, 1))
        answers_N = np.empty(len(inputs_NI))
        with np.errstate(over="ignore", invalid="ignore"):  # far beyond what was learnt an answer may not be finite
            for first in range(0, len(inputs_NI), step):
                x_NI = self.scale.inputs(inputs_NI[first : first + step], self.program.dtype)
                answers_N[first : first + step] = self.scale.restore(predict(x_NI)[0])
        return answers_N

    def module(self) -> ScaledNetwork:
        """Returns it as a torch.nn.Module: raw inputs [N, I] in, answers [N] in the target's own units out."""
        from sumsquares.jobs.engines.sequential import ScaledNetwork, sequential  # imports torch, which takes a second

        return ScaledNetwork(sequential(self.program, self.tensors), self.scale)


def load_model(store: Store, pack_id: str, trial: Trial) -> TrainedNetwork:
    """Returns a trial's model.

    Raises:
        DamagedResult: the pack's files are not those that were written.
        FileNotFoundError: there is no such pack.

    """
    return model_in(store, read_weights(store, pack_id), trial)


def model_in(store: Store, weights: tuple[Mapping[str, NDArray[Any]], Sequence[str]], trial: Trial) -> TrainedNetwork:
    """Returns a trial's model among the weights of its pack and their trial ids, which may have been read before."""
    tensors, ids = weights
    place = ids.index(trial.id)
    own = {name: stacked[place].copy() for name, stacked in tensors.items()}  # a view would keep the whole pack
    return TrainedNetwork(predicting_program(trial.variant), own, scale_of(store, trial.variant))
