"""Measures the trained models of one pack: everything that their metrics are computed from (trial_metrics.py).

A worker calls it when it has trained a pack, and a summary for stored packs that lack metrics.

Suffixes: M models, N rows, E epochs of the loss curve, P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from sumsquares.datasets.normalize import Normalization
from sumsquares.datasets.spec import Split
from sumsquares.jobs.engines.losses import Curve
from sumsquares.jobs.engines.metrics import Errors, Summing, measure
from sumsquares.jobs.engines.program import Program
from sumsquares.jobs.engines.readout import Observer, can_solve, is_affordable, observe, with_readout
from sumsquares.jobs.engines.shuffle import Rows
from sumsquares.jobs.engines.state import state_dicts
from sumsquares.jobs.results.defined import Normalized, Predict, defined
from sumsquares.jobs.results.trial_metrics import Source

ALL: tuple[Source, ...] = get_args(Source)
Predictor = Callable[[Program, NDArray[np.floating]], Predict]
"""An engine's `predictor`."""


class RowSource(Protocol):
    """The rows of one dataset, in one normalisation."""

    @property
    def scale(self) -> Normalization:
        """The normalisation."""

    @property
    def parts(self) -> tuple[Split, ...]:
        """The splits that have rows: tables have no extrapolation."""

    def training_rows(self, dtype: str) -> Rows:
        """Returns the train split, normalised, one chunk at a time."""

    def evaluation_rows(self, split: Split, dtype: str) -> Iterator[Normalized]:
        """Yields normalised inputs and raw targets of a split; of train only the first rows."""

    def unseen(self) -> NDArray[np.bool_]:
        """Returns for each of the first test rows whether it is not among the training rows."""


class Models(NamedTuple):
    """Models that predict: the arguments of an engine's predictor."""

    program: Program
    parameters_MP: NDArray[np.floating]


@dataclass(frozen=True)
class Measured:
    """The models as they answer, and what was measured of them."""

    answering: Models
    """In float64, and with another output layer than the trained models, where the readout is solved."""
    sources: dict[Source, Any]
    """What `metrics_of` needs; None for what is too expensive or not known."""
    solver: str | None
    """What solved the readout of the answers, where that is no kernel: those of lanes and cuda give the same bits."""

    def tensors(self, trained: Models) -> dict[str, NDArray[np.floating]]:
        """Returns what is stored: hidden layers as they were trained, the output layer as it answers."""
        stored = state_dicts(*trained)
        if self.answering is trained:
            return stored
        return stored | dict(list(state_dicts(*self.answering).items())[-2:])


def measure_models(
    trained: Models,
    readout: str,
    losses_ME: NDArray[np.float64] | None,
    rows: RowSource,
    predictor: Predictor,
    wanted: Collection[Source] = ALL,
    observer: Callable[[Program], Observer | None] = lambda _program: None,
) -> Measured:
    """Measures models of one program that were trained on the same rows, with readout `trained` or `solved`.

    `predictor` and `observer` are an engine's.
    """
    program = trained.program
    answering = solved = trained
    observed = None
    # A solved readout shows how much of the error the hidden layers are to blame for, and how much the last layer.
    if readout == "solved" or (not {"solved", "hidden"}.isdisjoint(wanted) and is_affordable(program)):
        observed = observe(program, trained.parameters_MP, rows.training_rows("float64"), observer(program))
        if can_solve(program):
            solved = Models(*with_readout(program, trained.parameters_MP, observed.readout_MK))
    if readout == "solved":
        answering = solved

    def measuring(models: Models) -> Callable[[Split], Errors]:
        predict = cache(lambda: predictor(*models))  # once for all splits: a GPU gets the weights

        def errors_of(split: Split) -> Errors:
            evaluated = rows.evaluation_rows(split, models.program.dtype)
            unseen = rows.unseen() if split == "test" else None
            predict_defined, sums = defined(predict(), rows.scale), _summing(predict(), rows.scale)
            return measure(predict_defined, evaluated, rows.scale.restore, unseen, sums)

        return errors_of

    errors_of = measuring(answering)
    sources: dict[Source, Any] = {split: errors_of(split) for split in rows.parts if split in wanted}
    sources["hidden"] = observed
    if losses_ME is not None:
        sources["losses"] = Curve(program.epochs, losses_ME)
    if observed is not None and can_solve(program) and "solved" in wanted:
        is_measured = answering is solved and "test" in sources
        sources["solved"] = sources["test"] if is_measured else measuring(solved)("test")
    by_numpy = readout == "solved" and observed is not None and observed.solver == "numpy"
    return Measured(answering, sources, "numpy" if by_numpy else None)


def _summing(predict: Predict, scale: Normalization) -> Summing | None:
    """Returns what sums up errors where the predictions are, if the engine can and no logarithm is in between."""
    sums = getattr(predict, "sums", None)
    if sums is None or scale.log_inputs or scale.log_target:
        return None
    return partial(sums, scale=scale.target_scale, shift=scale.target_shift)
