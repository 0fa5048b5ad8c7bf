"""Predictions of trained models: stored weights and raw inputs in, answers or errors in the target's own units out.

Whole packs go through the forward pass of an engine: lanes, which needs no torch, or torch where lanes isn't built. So
the last digits may differ from those of the engine that trained.

Suffixes: M models, N rows, I inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.dataset import Dataset
from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.rows import Block
from sumsquares.datasets.source import Numbers
from sumsquares.datasets.spec import Split
from sumsquares.jobs.engines.choice import choose, engine
from sumsquares.jobs.engines.metrics import Errors, measure
from sumsquares.jobs.engines.state import flat_parameters
from sumsquares.jobs.results.defined import Predict, defined
from sumsquares.jobs.results.rows_of import blocks_of
from sumsquares.jobs.results.scaling import scale_of
from sumsquares.jobs.results.stored import read_weights
from sumsquares.jobs.spec.program import predicting_program
from sumsquares.jobs.spec.variants import Trial
from sumsquares.jobs.storage.store import Store

Floats = NDArray[np.float64]


def answers(store: Store, pack_id: str, trial: Trial, inputs_NI: Numbers) -> Floats:
    """Predicts with a trial's model: raw inputs [N, I] in, [N] in the target's own units out, not rounded.

    Raises:
        DamagedResult: the pack's files are not those that were written.
        FileNotFoundError: there is no such pack.

    """
    predict, scale, dtype = _predictor(store, pack_id, [trial])
    with np.errstate(over="ignore", invalid="ignore"):  # far beyond what was learnt an answer may not be finite
        return scale.restore(predict(scale.inputs(inputs_NI, dtype))[0])


def errors_on(
    store: Store,
    pack_id: str,
    trials: Sequence[Trial],
    dataset: Dataset,
    split: Split,
    chosen_N: NDArray[np.bool_] | None = None,
) -> Errors:
    """Errors [M] of several trials of one pack on a split of a dataset, which need not be the one that trained them.

    `chosen_N` is that of `measure`. Raises as `answers` does.
    """
    return errors_over(store, pack_id, trials, blocks_of(store, dataset, split), chosen_N)


def errors_over(
    store: Store,
    pack_id: str,
    trials: Sequence[Trial],
    rows: Iterable[Block],
    chosen_N: NDArray[np.bool_] | None = None,
) -> Errors:
    """Errors [M] of several trials of one pack on any rows: blocks of raw inputs [N, I] with their targets [N].

    `chosen_N` is that of `measure`. Raises as `answers` does.
    """
    predict, scale, dtype = _predictor(store, pack_id, trials)
    normalized = ((scale.inputs(x_NI, dtype), target_N) for x_NI, target_N in rows)
    return measure(predict, normalized, scale.restore, chosen_N)


def _predictor(store: Store, pack_id: str, trials: Sequence[Trial]) -> tuple[Predict, Normalization, str]:
    """From normalised inputs to normalised predictions [M, N] of trials of one pack, their scale, the inputs' dtype."""
    variant = trials[0].variant  # what it says of the program and the scale is the same for the whole pack
    program = predicting_program(variant)
    tensors, ids = read_weights(store, pack_id)
    place_of = {trial_id: place for place, trial_id in enumerate(ids)}
    places = [place_of[trial.id] for trial in trials]
    chosen = {name: stacked[places] for name, stacked in tensors.items()}
    predict = engine(choose("auto", "cpu")).predictor(program, flat_parameters(program, chosen))
    scale = scale_of(store, variant)
    return defined(predict, scale), scale, program.dtype
